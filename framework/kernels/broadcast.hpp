// Loops over broadcast operands. Internal: included by .cpp files only.
#pragma once

#include <array>
#include <cstddef>

#include "framework/kernels/simd.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

// Row-major steps of an operand along the axes of the broadcast shape: 0 where it is broadcast.
inline InlineVector<std::size_t> broadcast_strides(const Shape& operand, const Shape& out) {
  InlineVector<std::size_t> strides(out.size(), 0);
  std::size_t step = 1;
  for (std::size_t i = operand.size(); i-- > 0;) {
    strides[out.size() - operand.size() + i] = operand[i] == 1 ? 0 : step;
    step *= operand[i];
  }
  return strides;
}

// A broadcast loop nest over N operands with axes merged where all operands allow it, so that the innermost
// loop is as long as possible.
template <std::size_t N>
struct LoopNest {
  InlineVector<std::size_t> size;                   // outermost first; at least one axis
  std::array<InlineVector<std::size_t>, N> stride;  // per operand and axis

  LoopNest(const Shape& out, const std::array<InlineVector<std::size_t>, N>& strides) {
    for (std::size_t axis = 0; axis < out.size(); ++axis) {
      if (out[axis] == 1) continue;
      bool merges = !size.empty();
      for (std::size_t k = 0; merges && k < N; ++k) {
        merges = stride[k].back() == strides[k][axis] * out[axis];
      }
      if (merges) {
        size.back() *= out[axis];
        for (std::size_t k = 0; k < N; ++k) stride[k].back() = strides[k][axis];
      } else {
        size.push_back(out[axis]);
        for (std::size_t k = 0; k < N; ++k) stride[k].push_back(strides[k][axis]);
      }
    }
    if (size.empty()) {
      size.push_back(1);
      for (std::size_t k = 0; k < N; ++k) stride[k].push_back(0);
    }
  }

  // Calls inner(offsets, length) once per innermost run.
  template <class F>
  void run(F&& inner) const {
    std::size_t outer = 1;
    for (std::size_t axis = 0; axis + 1 < size.size(); ++axis) outer *= size[axis];
    if (size.back() == 0) return;
    std::array<std::size_t, N> offset{};
    InlineVector<std::size_t> position(size.size(), 0);
    for (std::size_t count = 0; count < outer; ++count) {
      inner(offset, size.back());
      for (std::size_t axis = size.size() - 1; axis-- > 0;) {
        for (std::size_t k = 0; k < N; ++k) offset[k] += stride[k][axis];
        if (++position[axis] < size[axis]) break;
        for (std::size_t k = 0; k < N; ++k) offset[k] -= stride[k][axis] * size[axis];
        position[axis] = 0;
      }
    }
  }
};

// out = f(a, b) with a and b broadcast to out's shape; f works on batches.
template <class S, class F>
void map_broadcast(const S* a, const Shape& shape_a, const S* b, const Shape& shape_b, S* out,
                   const Shape& shape, F&& f) {
  const LoopNest<2> nest(shape, {broadcast_strides(shape_a, shape), broadcast_strides(shape_b, shape)});
  const std::size_t step_a = nest.stride[0].back();
  const std::size_t step_b = nest.stride[1].back();
  nest.run([&](const std::array<std::size_t, 2>& at, std::size_t n) {
    if (step_a == 1 && step_b == 1) {
      map(a + at[0], b + at[1], out, n, f);
    } else if (step_a == 1) {
      const Batch<S> c(b[at[1]]);
      map(a + at[0], out, n, [&](const Batch<S>& x) { return f(x, c); });
    } else {
      const Batch<S> c(a[at[0]]);
      if (step_b == 1) {
        map(b + at[1], out, n, [&](const Batch<S>& y) { return f(c, y); });
      } else {  // both constant along a run of one element
        const S pair[2] = {a[at[0]], b[at[1]]};
        map(pair, pair + 1, out, 1, f);
      }
    }
    out += n;
  });
}

}  // namespace unroll::kernel
