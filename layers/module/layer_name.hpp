// LayerName: a layer's name in error messages.
#pragma once

#include <string>
#include <string_view>

namespace unroll::detail {

// The name of a recurrent layer of these cells.
template <class Cell>
constexpr const char* name_of() {
  if constexpr (requires { Cell::kName; }) {
    return Cell::kName;
  } else {
    return "Recurrent";
  }
}

// "Lstm", or "encoder (Lstm)" once the model's parameters have their dotted names. The text is built only for
// an error.
struct LayerName {
  const char* kind;
  std::string_view parameter = {};  // the dotted name of any parameter of the layer

  std::string str() const {
    const auto dot = parameter.rfind('.');
    if (dot == std::string_view::npos) return kind;
    return std::string(parameter.substr(0, dot)) + " (" + kind + ")";
  }
};

}  // namespace unroll::detail
