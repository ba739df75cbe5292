// What the library's cells share in setting up their parameters: PyTorch's initialisation, and the options
// that every cell has.
#pragma once

#include <cmath>

#include "framework/random.hpp"
#include "framework/var.hpp"

namespace unroll {

// Biases of a cell: none; one vector per gate (bias_ih); or PyTorch's two (bias_ih and bias_hh), which are
// added but for the candidate of a GRU with reset after.
enum class Bias { none, single, both };

// How a cell's recurrent weight begins: U(-1/sqrt(H), 1/sqrt(H)) as in PyTorch, or an orthogonal matrix for
// each gate (Saxe et al. 2014), which neither grows nor shrinks what runs through time.
enum class RecurrentInit { uniform, orthogonal };

namespace detail {

// Throws ArgumentError unless both are at least 1.
void check_cell_sizes(const char* layer, Index input, Index hidden);

// Draws the parameters of one cell in the order in which they are asked for.
template <class S>
class CellParameters {
 public:
  CellParameters(Index hidden, Rng& rng)
      : hidden_(static_cast<std::size_t>(hidden)),
        bound_(1.0 / std::sqrt(static_cast<double>(hidden))),
        rng_(rng) {}

  Var<S> uniform(const Shape& shape, const char* name) const {
    return parameter(random_uniform<S>(shape, -bound_, bound_, rng_), name);
  }
  // (gates*H,width), gate by gate, each as init says.
  Var<S> recurrent(std::size_t gates, std::size_t width, RecurrentInit init, const char* name) const;
  Var<S> constant(const Shape& shape, double value, const char* name) const {
    return parameter(full<S>(shape, static_cast<S>(value)), name);
  }

 private:
  std::size_t hidden_;
  double bound_;
  Rng& rng_;
};

}  // namespace detail
}  // namespace unroll
