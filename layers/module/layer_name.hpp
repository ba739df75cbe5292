// LayerName: what a layer is called in an error.
#pragma once

#include <string>
#include <string_view>

namespace unroll::detail {

// What a recurrent layer of such cells is.
template <class Cell>
constexpr const char* name_of() {
  if constexpr (requires { Cell::kName; }) {
    return Cell::kName;
  } else {
    return "Recurrent";
  }
}

// "Lstm", or "encoder (Lstm)" when the model's parameters have got their dotted names. Put together only when
// an error is thrown.
struct LayerName {
  const char* kind;
  std::string_view parameter = {};  // the dotted name of any of the layer's parameters

  std::string str() const {
    const auto dot = parameter.rfind('.');
    if (dot == std::string_view::npos) return kind;
    return std::string(parameter.substr(0, dot)) + " (" + kind + ")";
  }
};

}  // namespace unroll::detail
