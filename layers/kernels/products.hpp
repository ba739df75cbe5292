// The matrix products of a recurrent layer on plain tensors. Internal to the kernels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

#include "framework/kernels/gemm.hpp"
#include "framework/kernels/packed.hpp"
#include "framework/kernels/parallel.hpp"
#include "framework/kernels/spin_barrier.hpp"
#include "framework/var.hpp"
#include "layers/kernels/time_loop.hpp"
#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/schedule.hpp"

namespace unroll::bptt {

// Returns the loop over the sequences begin ... end-1 of the batch.
inline TimeLoop time_loop(const BatchLayout& layout, std::size_t begin, std::size_t end) noexcept {
  return {layout.count(), layout.reverse, layout.batch_sizes(), layout.offsets(), layout.batch, begin, end};
}

// Returns the number of parts into which a loop with this many multiplications cuts its H hidden units if the
// batch is too small to be cut. A row's bits do not depend on the parts if each has at least `block` units,
// which products process together. Measured: a barrier costs as much as 3 us of work, so it pays if the
// weights do not stay in a cache.
template <class S>
std::size_t unit_parts(const BatchLayout& layout, std::size_t multiplications, std::size_t hidden,
                       std::size_t block) noexcept {
  constexpr std::size_t kWeights = (std::size_t{1} << 21) / sizeof(S), kSteps = 4;
  if (!layout.is_dense() || layout.count() < kSteps || hidden % block != 0) return 1;
  if (multiplications < kWeights * layout.total) return 1;
  return std::min(kernel::threads_here(), hidden / block);
}

// Calls run(TimeLoop, UnitRange) on one thread each for parts of the batch or, with few sequences and large
// weights, for parts of the hidden units if they are shareable.
template <class S, class F>
void in_parallel(const BatchLayout& layout, std::size_t multiplications, std::size_t hidden, bool shareable,
                 F&& run) {
  constexpr std::size_t kNeverShared = std::size_t{1} << 18;  // neither way pays below
  const bool small = multiplications < kNeverShared;
  if (const std::size_t parts = small ? 1 : detail::row_parts(layout, multiplications); parts > 1) {
    const auto cuts = layout.cuts(parts);
    kernel::parallel(parts, [&](std::size_t part) {
      run(time_loop(layout, cuts[part], cuts[part + 1]), UnitRange{0, hidden});
    });
    return;
  }
  // Panels of the packed weights; for a single row, as many as are summed side by side.
  const std::size_t block = kernel::packing<S>().width * (layout.batch == 1 ? 8 : 2);
  const std::size_t parts = small || !shareable ? 1 : unit_parts<S>(layout, multiplications, hidden, block);
  if (parts > 1) {
    kernel::SpinBarrier barrier(parts);
    const auto cut = [&](std::size_t part) { return hidden / block * part / parts * block; };
    const auto share = [&](std::size_t part) {
      run(time_loop(layout, 0, layout.batch), UnitRange{cut(part), cut(part + 1), &barrier});
    };
    if (kernel::parallel_at_once(parts, share)) return;
  }
  run(time_loop(layout, 0, layout.batch), UnitRange{0, hidden});
}

// y = x weight^T, weight (O,I), for N rows in total, in one or several chunks: the same bits.
template <class S>
class InputProduct {
 public:
  InputProduct() = default;
  InputProduct(std::size_t all_rows, const Tensor<S>& weight) : weight_(&weight) {
    if (all_rows >= kernel::kRowsWorthPacking)
      packed_ = kernel::Packed<S>::transposed(weight.data(), weight.shape()[0], weight.shape()[1]);
  }
  // x (rows,I), y (rows,O)
  void run(std::size_t rows, const S* x, S* y) const {
    const std::size_t out = weight_->shape()[0], in = weight_->shape()[1];
    if (packed_.empty()) {
      kernel::gemm(false, true, rows, out, in, S(1), x, in, weight_->data(), in, S(0), y, out);
    } else {
      kernel::multiply_packed(rows, out, in, x, in, 1, packed_, false, y, out);
    }
  }

 private:
  const Tensor<S>* weight_ = nullptr;
  kernel::Packed<S> packed_;
};

// Its gradient: dx = dy weight.
template <class S>
class InputGradient {
 public:
  InputGradient() = default;
  InputGradient(std::size_t all_rows, const Tensor<S>& weight) : weight_(&weight) {
    if (all_rows >= kernel::kRowsWorthPacking)
      packed_ = kernel::Packed<S>::borrowed(weight.data(), weight.shape()[0], weight.shape()[1]);
  }
  bool empty() const noexcept { return weight_ == nullptr; }
  // dy (rows,O), dx (rows,I)
  void run(std::size_t rows, const S* dy, S* dx) const {
    const std::size_t out = weight_->shape()[0], in = weight_->shape()[1];
    if (packed_.empty()) {
      kernel::gemm(false, false, rows, in, out, S(1), dy, out, weight_->data(), in, S(0), dx, in);
    } else {
      kernel::multiply_packed(rows, in, out, dy, out, 1, packed_, false, dx, in);
    }
  }

 private:
  const Tensor<S>* weight_ = nullptr;
  kernel::Packed<S> packed_;
};

// dw (G,I) (+)= dy^T x over `rows` rows at once; uses G of dy's `stride` columns; x (rows,I).
template <class S>
void add_weight_gradient(std::size_t rows, const S* dy, std::size_t gates, std::size_t stride, const S* x,
                         std::size_t in, bool add, S* dw) {
  kernel::gemm(true, false, gates, in, rows, S(1), dy, stride, x, in, S(add ? 1 : 0), dw, in);
}

// Returns d weight (G,I) = dy^T x over all N rows at once; dy (N,G), x (N,I).
template <class S>
Var<S> weight_gradient(std::size_t rows, const S* dy, std::size_t gates, const S* x, std::size_t in) {
  auto dw = Var<S>::uninitialized({gates, in});
  add_weight_gradient(rows, dy, gates, gates, x, in, false, dw.raw());
  return dw;
}

// Returns the gradient of a bias (G): the sums of dy (N,G) over all N rows.
template <class S>
Var<S> bias_gradient(std::size_t rows, const S* dy, std::size_t gates) {
  auto db = Var<S>::uninitialized({gates});
  kernel::packing<S>().column_sums(rows, gates, dy, gates, db.raw());
  return db;
}

// Returns for every packed row the state that its step started from (N,W): the previous step's row of `after`
// (N,W), or `initial` (B,W).
template <class S>
Buffer<S> previous_rows(const BatchLayout& layout, const S* after, const Tensor<S>& initial) {
  const std::size_t width = initial.shape()[1];
  Buffer<S> result(layout.total * width);
  for (std::size_t k = 0; k < layout.count(); ++k) {
    const std::size_t t = layout.time(k), kept = layout.continued(k);
    S* to = result.data() + layout.offset(t) * width;
    if (kept > 0) {
      const S* from = after + layout.offset(layout.time(k - 1)) * width;
      to = std::copy(from, from + kept * width, to);
    }
    std::copy(initial.data() + kept * width, initial.data() + layout.batch_size(t) * width, to);
  }
  return result;
}

// dw (G,P) = dy^T h_before over all N rows, where h_before is the state that each row started from: the
// previous step's row of `after` (N,P), or `initial` (B,P). dy as in add_weight_gradient.
template <class S>
void recurrent_weight_gradient(const BatchLayout& layout, const S* dy, std::size_t gates, std::size_t stride,
                               const S* after, const Tensor<S>& initial, S* dw) {
  const std::size_t width = initial.shape()[1], batch = layout.batch;
  if (!layout.is_dense()) {
    const Buffer<S> before = previous_rows(layout, after, initial);
    add_weight_gradient(layout.total, dy, gates, stride, before.data(), width, false, dw);
    return;
  }
  // The previous step's rows are rows of `after`, one step earlier: no copy. Initial states of zeros, the
  // usual case, add nothing.
  const std::size_t first = layout.reverse ? layout.total - batch : 0, rest = layout.total - batch;
  const bool add = rest == 0 || !std::all_of(initial.data(), initial.data() + initial.size(),
                                             [](S h) { return h == S(0); });
  if (add) add_weight_gradient(batch, dy + first * stride, gates, stride, initial.data(), width, false, dw);
  if (rest == 0) return;
  const std::size_t dy_row = layout.reverse ? 0 : batch, after_row = layout.reverse ? batch : 0;
  add_weight_gradient(rest, dy + dy_row * stride, gates, stride, after + after_row * width, width, add, dw);
}

// Returns the initial gradient of a state at the last step: the upstream gradient, or zeros.
template <class S>
Var<S> state_gradient(const Var<S>& upstream, const Tensor<S>& state) {
  return upstream.defined() ? Var<S>::copy_of(upstream.value()) : Var<S>::zeros(state.shape());
}

// Returns the shape of a sequence with rows of another width.
inline Shape with_width(Shape sequence, std::size_t width) {
  sequence.back() = width;
  return sequence;
}

}  // namespace unroll::bptt
