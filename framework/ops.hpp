// The catalogue of ops. Each is declared here and defined with its gradients in one file of framework/ops/.
// All take float or double. Every build type checks every shape (ShapeError).
//
// Conventions: shapes are outermost first; a negative axis counts from the end; "broadcast" is NumPy's (sizes
// are equal from the right, or 1). Integer and boolean arguments have no gradient.
//
// Where the upstream gradient is 0, the gradient is exactly 0 for any slope (infinite, NaN), also in second
// derivatives: a value that does not affect the result cannot spoil its gradients. Matrix products and the
// hand-derived kernels of recurrent layers are the exceptions: they multiply 0 by infinity to NaN, as IEEE
// 754 does.
#pragma once

#include <initializer_list>
#include <optional>
#include <type_traits>
#include <vector>

#include "framework/multi_output.hpp"
#include "framework/ops/temporaries.hpp"

namespace unroll {

class Rng;

// --- arithmetic (ops/arithmetic.cpp): shapes broadcast ---

// z = x + y
template <class S>
Var<S> operator+(const Var<S>& x, const Var<S>& y);
// z = x - y
template <class S>
Var<S> operator-(const Var<S>& x, const Var<S>& y);
// z = x * y, element by element
template <class S>
Var<S> operator*(const Var<S>& x, const Var<S>& y);
// z = x / y
template <class S>
Var<S> operator/(const Var<S>& x, const Var<S>& y);
// z = -x
template <class S>
Var<S> operator-(const Var<S>& x);
template <class S>
Var<S> operator+(const Var<S>& x, double c);
template <class S>
Var<S> operator+(double c, const Var<S>& x);
template <class S>
Var<S> operator-(const Var<S>& x, double c);
template <class S>
Var<S> operator-(double c, const Var<S>& x);
template <class S>
Var<S> operator*(const Var<S>& x, double c);
template <class S>
Var<S> operator*(double c, const Var<S>& x);
template <class S>
Var<S> operator/(const Var<S>& x, double c);
template <class S>
Var<S> operator/(double c, const Var<S>& x);
// max(x, y), element by element; on ties x and y get half of the gradient each.
template <class S>
Var<S> maximum(const Var<S>& x, const Var<S>& y);
// min(x, y), element by element; on ties x and y get half of the gradient each.
template <class S>
Var<S> minimum(const Var<S>& x, const Var<S>& y);
namespace detail {
template <class S>
Var<S> where(const Mask& condition, const Var<S>& x, const Var<S>& y);
}  // namespace detail
// x where condition is true, else y; all three broadcast. The branch not taken gets gradient exactly 0, also
// where its value is NaN. (Constrained, so that it wins over xt::where, which a Mask argument brings in.)
// clang-format off
template <class C, class X, class Y>
  requires(std::is_same_v<std::remove_cvref_t<C>, Mask> && detail::is_var<std::remove_cvref_t<X>> &&
           detail::is_var<std::remove_cvref_t<Y>>)
auto where(C&& condition, X&& x, Y&& y) {  // clang-format on
  return detail::where(condition, x, y);
}

// --- element-wise functions (ops/pointwise.cpp) ---

// e^x. Infinite from x = 88.73 (float) and 709.79 (double) on, 0 below -103.98 and -745.14; subnormal results
// are kept.
template <class S>
Var<S> exp(const Var<S>& x);
// Natural logarithm.
template <class S>
Var<S> log(const Var<S>& x);
template <class S>
Var<S> sqrt(const Var<S>& x);
template <class S>
Var<S> square(const Var<S>& x);
// x ^ exponent, for a constant exponent.
template <class S>
Var<S> pow(const Var<S>& x, double exponent);
// |x|; gradient exactly 0 at 0.
template <class S>
Var<S> abs(const Var<S>& x);
template <class S>
Var<S> sin(const Var<S>& x);
template <class S>
Var<S> cos(const Var<S>& x);
template <class S>
Var<S> tanh(const Var<S>& x);
// 1 / (1 + exp(-x)); 0 below x = -88.37 (float) and -709.43 (double).
template <class S>
Var<S> sigmoid(const Var<S>& x);
// max(x, 0); gradient exactly 0 where x <= 0.
template <class S>
Var<S> relu(const Var<S>& x);
// x for x > 0, else slope * x.
template <class S>
Var<S> leaky_relu(const Var<S>& x, double slope = 0.01);
// x for x > 0, else alpha * (exp(x) - 1).
template <class S>
Var<S> elu(const Var<S>& x, double alpha = 1.0);
// x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016; the exact form with erf).
template <class S>
Var<S> gelu(const Var<S>& x);
// Phi(x) = (1 + erf(x / sqrt(2))) / 2, the normal distribution function.
template <class S>
Var<S> normal_cdf(const Var<S>& x);
// log(1 + exp(x)), without overflow.
template <class S>
Var<S> softplus(const Var<S>& x);
// min(max(x, low), high); gradient 1 on [low, high], exactly 0 outside. Throws ArgumentError unless low <=
// high.
template <class S>
Var<S> clamp(const Var<S>& x, double low, double high);

// --- matrix product (ops/matmul.cpp) ---

struct MatmulOptions {
  bool transpose_a = false;  // uses a with its last two axes exchanged; copies nothing
  bool transpose_b = false;
};
// (M,K) (K,N) -> (M,N), or batched (B,M,K) (B,K,N) -> (B,M,N). Next to a 3-D operand, a 2-D one is used for
// every batch entry. Throws ShapeError if the inner sizes differ.
template <class S>
Var<S> matmul(const Var<S>& a, const Var<S>& b, MatmulOptions options = {});
// x W^T + b: x (...,I), weight (O,I), bias (O) or empty -> (...,O).
template <class S>
Var<S> linear(const Var<S>& x, const Var<S>& weight, const Var<S>& bias = {});

// --- reductions (ops/reduce.cpp); no axes: over all of them ---

using Axes = PooledVector<Index>;

template <class S>
Var<S> sum(const Var<S>& x, const Axes& axes = {}, bool keepdims = false);
// Sum divided by the number of elements; NaN for no elements.
template <class S>
Var<S> mean(const Var<S>& x, const Axes& axes = {}, bool keepdims = false);
// Largest element; ties share the gradient equally. Throws ShapeError for no elements.
template <class S>
Var<S> max(const Var<S>& x, const Axes& axes = {}, bool keepdims = false);
template <class S>
Var<S> min(const Var<S>& x, const Axes& axes = {}, bool keepdims = false);
// log(sum(exp(x))), without overflow; if all elements are -inf it is -inf with gradient 0.
template <class S>
Var<S> logsumexp(const Var<S>& x, const Axes& axes = {}, bool keepdims = false);
// The L2 norm sqrt(sum(x^2)); gradient exactly 0 where the norm is 0.
template <class S>
Var<S> norm(const Var<S>& x, const Axes& axes = {}, bool keepdims = false);
// y_i = x_0 + ... + x_i along axis.
template <class S>
Var<S> cumsum(const Var<S>& x, Index axis);
// Sums over the axes along which shape would broadcast to x's shape: the gradient of broadcast_to.
template <class S>
Var<S> sum_to(const Var<S>& x, const Shape& shape);

// --- softmax (ops/softmax.cpp) ---

// exp(x) / sum(exp(x)) along axis, without overflow. Exactly 0 where x is -inf; NaN along axis if all
// elements are -inf or one is inf or NaN.
template <class S>
Var<S> softmax(const Var<S>& x, Index axis = -1);
// x - logsumexp(x) along axis; NaN where softmax is NaN.
template <class S>
Var<S> log_softmax(const Var<S>& x, Index axis = -1);

// --- shape (ops/shape.cpp) ---

// The same elements in row-major order; one size may be -1 and is inferred.
template <class S>
Var<S> reshape(const Var<S>& x, const std::vector<Index>& shape);
// Axis i of the result is axis order[i] of x.
template <class S>
Var<S> permute(const Var<S>& x, const std::vector<Index>& order);
// Exchanges two axes.
template <class S>
Var<S> transpose(const Var<S>& x, Index axis_a = -2, Index axis_b = -1);
// Removes the given axes of size 1; no axes: all axes of size 1.
template <class S>
Var<S> squeeze(const Var<S>& x, const Axes& axes = {});
// Inserts an axis of size 1 at this position of the result.
template <class S>
Var<S> unsqueeze(const Var<S>& x, Index axis);
template <class S>
Var<S> broadcast_to(const Var<S>& x, const Shape& shape);

// --- joining and cutting (ops/join.cpp) ---

// Joins along an existing axis; the other sizes must be equal.
template <class S>
Var<S> concat(const std::vector<Var<S>>& parts, Index axis = 0);
// Joins Vars of equal shape along a new axis.
template <class S>
Var<S> stack(const std::vector<Var<S>>& parts, Index axis = 0);
// The same for a braced list: concat({h, x}, 1).
template <class S>
Var<S> concat(std::initializer_list<Var<S>> parts, Index axis = 0) {
  return concat(std::vector<Var<S>>(parts), axis);
}
template <class S>
Var<S> stack(std::initializer_list<Var<S>> parts, Index axis = 0) {
  return stack(std::vector<Var<S>>(parts), axis);
}
// Splits axis into pieces of these sizes, which must add up to its size.
template <class S>
std::vector<Var<S>> split(const Var<S>& x, const std::vector<Index>& sizes, Index axis = 0);
// Splits axis into `count` pieces of equal size; the last is smaller if they do not fit (PyTorch's chunk).
template <class S>
std::vector<Var<S>> chunk(const Var<S>& x, Index count, Index axis = 0);
// Returns all slices along axis, without that axis. unbind(x)[i] equals select(x, axis, i), but the gradients
// are joined once: a loop over all time steps costs no more than one pass over x.
template <class S>
std::vector<Var<S>> unbind(const Var<S>& x, Index axis = 0);
// Adds `before` and `after` elements of value at the two ends of axis.
template <class S>
Var<S> pad(const Var<S>& x, Index axis, Index before, Index after, double value = 0.0);

// --- indexing (ops/index.cpp) ---

// Python's start:stop:step along one axis; positions and step may be negative, either end may be open.
struct Range {
  std::optional<Index> start = std::nullopt;
  std::optional<Index> stop = std::nullopt;
  Index step = 1;
};
// x[start:stop:step] along axis; out-of-range ends are clipped as in Python. Throws ArgumentError for step 0.
template <class S>
Var<S> slice(const Var<S>& x, Index axis, Range range);
// x at one position of axis, without that axis. Throws ShapeError if position is out of range.
template <class S>
Var<S> select(const Var<S>& x, Index axis, Index position);
// Entries of axis in the order of indices (N), which may repeat. Throws ShapeError for an index out of range.
template <class S>
Var<S> index_select(const Var<S>& x, Index axis, const IndexTensor& indices);
// y[..i..] = x[..indices[..i..]..] along axis; indices has x's rank and is no larger off the axis.
template <class S>
Var<S> gather(const Var<S>& x, Index axis, const IndexTensor& indices);
// y = x; y[..indices[..i..]..] += source[..i..] along axis; indices has source's shape.
template <class S>
Var<S> scatter_add(const Var<S>& x, Index axis, const IndexTensor& indices, const Var<S>& source);
// Reverses the given axes.
template <class S>
Var<S> flip(const Var<S>& x, const Axes& axes);
// value where mask (broadcast to x) is true, else x.
template <class S>
Var<S> masked_fill(const Var<S>& x, const Mask& mask, double value);
// Rows of weight (V,E) by token id: ids (...) -> (...,E). The gradient of row padding_id, if given, is 0.
template <class S>
Var<S> embedding(const Var<S>& weight, const IndexTensor& ids,
                 std::optional<Index> padding_id = std::nullopt);

// --- regularisation and normalisation (ops/normalization.cpp) ---

// Sets each element to 0 with probability p and scales the rest by 1/(1-p). Throws ArgumentError unless
// 0 <= p <= 1.
template <class S>
Var<S> dropout(const Var<S>& x, double p, Rng& rng);
// (x - mean) / sqrt(var + eps) * weight + bias over the last axis (Ba et al. 2016), with var without Bessel's
// correction; weight and bias (C), or empty: 1 and 0.
template <class S>
Var<S> layer_norm(const Var<S>& x, const Var<S>& weight = {}, const Var<S>& bias = {}, double eps = 1e-5);

}  // namespace unroll
