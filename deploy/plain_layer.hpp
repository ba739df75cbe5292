// What files of other programs can say of a recurrent layer. For .cpp files.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "framework/errors.hpp"
#include "layers/recurrent.hpp"

namespace unroll::detail {

// Throws ArgumentError, "[function] layer: ..", unless it is a stack of cells in one direction whose options
// are the defaults, but for sizes and biases.
template <class Cell>
void require_plain(const char* function, const Recurrent<Cell>& layer) {
  const auto refuse = [&](const std::string& what) {
    throw ArgumentError(
        fmt::format("[{}] {}: expected one that the format has, which knows sizes and biases alone, got {}",
                    function, Recurrent<Cell>::kName, what));
  };
  if (layer.cells().empty()) refuse("an empty layer");
  if (layer.options().bidirectional) refuse("both directions");
  if (const char* option = regularizer_option(layer.options(), /*training=*/false)) refuse(option);
  for (const Cell& cell : layer.cells()) {
    if (const char* option = cell.unsupported_option()) refuse(option);
    if constexpr (requires { cell.options.projection; }) {
      if (cell.options.projection > 0) refuse("a projection");
    } else if constexpr (requires { cell.options.reset; }) {
      using Options = std::remove_cvref_t<decltype(cell.options)>;
      if (cell.options.reset != Options{}.reset) refuse("reset before the product");
      if (cell.options.update != Options{}.update) refuse("z_updates");
    }
  }
}

// Returns element i of a parameter, 0 for a missing one.
template <class S>
double element(const Var<S>& parameter, std::size_t i) {
  return parameter.defined() ? static_cast<double>(parameter.raw()[i]) : 0.0;
}

// The sum of a cell's two biases, in S.
template <class S>
double bias_sum(const Var<S>& a, const Var<S>& b, std::size_t i) {
  return static_cast<double>(static_cast<S>(element(a, i)) + static_cast<S>(element(b, i)));
}

}  // namespace unroll::detail
