// The matrix products of a recurrent layer on plain tensors. Internal to the kernels.
#pragma once

#include <cstddef>

#include "framework/kernels/gemm.hpp"
#include "framework/tensor.hpp"

namespace unroll::bptt {

// The recurrent weight as the time loop reads it: (K,G), so that the vectorised axis is contiguous.
// Transposed once per call while that pays (measured: a fifth of a step at hidden 64); large weights are read
// as they are.
template <class S>
class RecurrentWeight {
 public:
  // weight (G,K): rows first..first+G of a larger matrix.
  RecurrentWeight(const S* weight, std::size_t gates, std::size_t inner) : gates_(gates), inner_(inner) {
    constexpr std::size_t kLargest = std::size_t{1} << 20;  // bytes
    if (gates * inner * sizeof(S) > kLargest) {
      plain_ = weight;
      return;
    }
    transposed_ = Tensor<S>(Shape{inner, gates});
    for (std::size_t g = 0; g < gates; ++g) {
      for (std::size_t k = 0; k < inner; ++k) transposed_.data()[k * gates + g] = weight[g * inner + k];
    }
  }
  // out (rows,G; row stride ldc) = beta out + h (rows,K) weight^T
  void multiply(std::size_t rows, const S* h, S beta, S* out, std::size_t ldc) const {
    if (plain_ != nullptr) {
      kernel::gemm(false, true, rows, gates_, inner_, S(1), h, inner_, plain_, inner_, beta, out, ldc);
    } else {
      kernel::gemm(false, false, rows, gates_, inner_, S(1), h, inner_, transposed_.data(), gates_, beta, out,
                   ldc);
    }
  }

 private:
  std::size_t gates_, inner_;
  const S* plain_ = nullptr;
  Tensor<S> transposed_;
};

// y (N,O) = x (N,I) weight^T, weight (O,I).
template <class S>
void multiply_transposed(const S* x, std::size_t rows, const Tensor<S>& weight, S* y) {
  const std::size_t out = weight.shape()[0], in = weight.shape()[1];
  kernel::gemm(false, true, rows, out, in, S(1), x, in, weight.data(), in, S(0), y, out);
}

// dx (N,I) = dy (N,O) weight
template <class S>
Tensor<S> input_gradient(const Tensor<S>& dy, const Tensor<S>& weight, const Shape& shape) {
  const std::size_t out = weight.shape()[0], in = weight.shape()[1];
  Tensor<S> dx(shape);
  kernel::gemm(false, false, dx.size() / in, in, out, S(1), dy.data(), out, weight.data(), in, S(0),
               dx.data(), in);
  return dx;
}

// d weight (G,I) = dy^T x over all N rows at once; dy (N,G), x (N,I).
template <class S>
Tensor<S> weight_gradient(const Tensor<S>& dy, const S* x, std::size_t in) {
  const std::size_t rows = dy.shape()[0], gates = dy.shape()[1];
  Tensor<S> dw(Shape{gates, in});
  kernel::gemm(true, false, gates, in, rows, S(1), dy.data(), gates, x, in, S(0), dw.data(), in);
  return dw;
}

// d bias (G) = column sums of dy (N,G).
template <class S>
Tensor<S> bias_gradient(const Tensor<S>& dy) {
  const std::size_t rows = dy.shape()[0], gates = dy.shape()[1];
  Tensor<S> db = zeros<S>({gates});
  for (std::size_t r = 0; r < rows; ++r) {
    const S* row = dy.data() + r * gates;
    for (std::size_t g = 0; g < gates; ++g) db.data()[g] += row[g];
  }
  return db;
}

// to[0..count) += from[first..first+count); null: nothing.
template <class S>
void add_rows(const Tensor<S>* from, std::size_t first, std::size_t count, S* to) {
  if (from == nullptr) return;
  const S* values = from->data() + first;
  for (std::size_t j = 0; j < count; ++j) to[j] += values[j];
}

// b_ih + b_hh, or zeros: either may be empty (size 0).
template <class S>
Tensor<S> combined_bias(const Tensor<S>* b_ih, const Tensor<S>* b_hh, std::size_t gates) {
  Tensor<S> bias = zeros<S>({gates});
  for (const Tensor<S>* part : {b_ih, b_hh}) {
    if (part == nullptr) continue;
    for (std::size_t g = 0; g < gates; ++g) bias.data()[g] += part->data()[g];
  }
  return bias;
}

}  // namespace unroll::bptt
