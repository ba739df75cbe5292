// Parameter initialisation (PyTorch's) and the options that all cells of the library share.
#pragma once

#include <cmath>

#include "framework/random.hpp"
#include "framework/var.hpp"
#include "layers/module/layer_name.hpp"
#include "layers/module/new_parameter.hpp"

namespace unroll {

// Biases of a cell: none; one vector (bias_ih); or PyTorch's two (bias_ih and bias_hh), which are added,
// except for the candidate of a GRU with reset after.
enum class Bias { none, single, both };

// Initialisation of a cell's recurrent weight: U(-1/sqrt(H), 1/sqrt(H)) as in PyTorch, or an orthogonal
// matrix for each gate (Saxe et al. 2014), which keeps the norm of the state.
enum class RecurrentInit { uniform, orthogonal };

namespace detail {

// Throws ArgumentError unless both sizes are at least 1 and fit in memory.
void check_cell_sizes(const char* layer, Index input, Index hidden);

[[noreturn]] void throw_parameter_shape(const LayerName& layer, const char* name, const Shape& want,
                                        const Shape* got);
// Throws ShapeError for a parameter of another shape than (rows,columns), or (rows) if columns is 0, and for
// a missing parameter that is not optional.
template <class S>
void check_cell_parameter(const LayerName& layer, const char* name, const Var<S>& parameter, std::size_t rows,
                          std::size_t columns, bool optional = false) {
  const Shape* shape = parameter.defined() ? &parameter.shape() : nullptr;
  if (shape == nullptr ? optional
                       : (*shape)[0] == rows && (columns == 0 ? shape->size() == 1
                                                              : shape->size() == 2 && (*shape)[1] == columns))
    return;
  throw_parameter_shape(layer, name, columns == 0 ? Shape{rows} : Shape{rows, columns}, shape);
}

// Does the same for the parameters that all cells have: weight_ih (GH,I), weight_hh (GH,width), bias_ih and
// bias_hh (GH) or absent, with G gates.
template <class Cell>
void check_stacked_parameters(const LayerName& layer, const Cell& cell, std::size_t gates, Index width) {
  const std::size_t rows = gates * static_cast<std::size_t>(cell.options.hidden);
  check_cell_parameter(layer, "weight_ih", cell.weight_ih, rows,
                       static_cast<std::size_t>(cell.options.input));
  check_cell_parameter(layer, "weight_hh", cell.weight_hh, rows, static_cast<std::size_t>(width));
  check_cell_parameter(layer, "bias_ih", cell.bias_ih, rows, 0, /*optional=*/true);
  check_cell_parameter(layer, "bias_hh", cell.bias_hh, rows, 0, /*optional=*/true);
}

// Draws the parameters of one cell, in the order of the calls.
template <class S>
class CellParameters {
 public:
  CellParameters(const char* layer, Index hidden, Rng& rng)
      : layer_(layer),
        hidden_(static_cast<std::size_t>(hidden)),
        bound_(1.0 / std::sqrt(static_cast<double>(hidden))),
        rng_(rng) {}

  Var<S> uniform(const Shape& shape, const char* name) const {
    return new_parameter<S>(layer_, name, shape,
                            [&] { return random_uniform<S>(shape, -bound_, bound_, rng_); });
  }
  // Returns (gates*H,width), each gate's block as init says.
  Var<S> recurrent(std::size_t gates, std::size_t width, RecurrentInit init, const char* name) const;
  // Sets the parameters that check_stacked_parameters() checks, as the cell's options say.
  template <class Cell>
  void stacked(Cell& cell, std::size_t gates, Index width) const {
    const std::size_t rows = gates * hidden_;
    cell.weight_ih = uniform({rows, static_cast<std::size_t>(cell.options.input)}, "weight_ih");
    cell.weight_hh =
        recurrent(gates, static_cast<std::size_t>(width), cell.options.recurrent_init, "weight_hh");
    if (cell.options.bias != Bias::none) cell.bias_ih = uniform({rows}, "bias_ih");
    if (cell.options.bias == Bias::both) cell.bias_hh = uniform({rows}, "bias_hh");
  }
  Var<S> constant(const Shape& shape, double value, const char* name) const {
    return new_parameter<S>(layer_, name, shape, [&] { return full<S>(shape, static_cast<S>(value)); });
  }

 private:
  const char* layer_;
  std::size_t hidden_;
  double bound_;
  Rng& rng_;
};

}  // namespace detail
}  // namespace unroll
