// Loops over broadcast operands. Internal: included only by .cpp files.
#pragma once

#include <array>
#include <cstddef>

#include "framework/kernels/pointwise.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

// Returns an operand's row-major strides along the axes of the broadcast shape: 0 where it is broadcast.
inline InlineVector<std::size_t> broadcast_strides(const Shape& operand, const Shape& out) {
  InlineVector<std::size_t> strides(out.size(), 0);
  std::size_t step = 1;
  for (std::size_t i = operand.size(); i-- > 0;) {
    strides[out.size() - operand.size() + i] = operand[i] == 1 ? 0 : step;
    step *= operand[i];
  }
  return strides;
}

// A broadcast loop nest over N operands. Axes are merged where all operands allow it, to make the innermost
// loop as long as possible.
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
    walk(size.size() - 1, [&](const std::array<std::size_t, N>& offset) { inner(offset, size.back()); });
  }

  // Calls inner(offsets, rows, length) once per plane of the two innermost axes; row_step(k) is operand k's
  // distance between rows.
  template <class F>
  void run_planes(F&& inner) const {
    const bool flat = size.size() == 1;
    const std::size_t rows = flat ? 1 : size[size.size() - 2];
    walk(flat ? 0 : size.size() - 2,
         [&](const std::array<std::size_t, N>& offset) { inner(offset, rows, size.back()); });
  }
  std::size_t row_step(std::size_t k) const { return size.size() == 1 ? 0 : stride[k][stride[k].size() - 2]; }

 private:
  // Calls f(offsets) for every position along the first axes.
  template <class F>
  void walk(std::size_t axes, F&& f) const {
    std::size_t count = 1;
    for (std::size_t axis = 0; axis < axes; ++axis) count *= size[axis];
    for (std::size_t axis = axes; axis < size.size(); ++axis) {
      if (size[axis] == 0) return;
    }
    std::array<std::size_t, N> offset{};
    InlineVector<std::size_t> position(size.size(), 0);
    for (; count > 0; --count) {
      f(offset);
      for (std::size_t axis = axes; axis-- > 0;) {
        for (std::size_t k = 0; k < N; ++k) offset[k] += stride[k][axis];
        if (++position[axis] < size[axis]) break;
        for (std::size_t k = 0; k < N; ++k) offset[k] -= stride[k][axis] * size[axis];
        position[axis] = 0;
      }
    }
  }
};

// out = f(a, b) with a and b broadcast to out's shape.
template <class S>
void map_broadcast(const typename Pointwise<S>::Binary& f, const S* a, const Shape& shape_a, const S* b,
                   const Shape& shape_b, S* out, const Shape& shape) {
  const LoopNest<2> nest(shape, {broadcast_strides(shape_a, shape), broadcast_strides(shape_b, shape)});
  Plane<S> plane{.a_row = nest.row_step(0),
                 .a_step = nest.stride[0].back(),
                 .b_row = nest.row_step(1),
                 .b_step = nest.stride[1].back()};
  nest.run_planes([&](const std::array<std::size_t, 2>& at, std::size_t rows, std::size_t n) {
    plane.a = a + at[0];
    plane.b = b + at[1];
    plane.rows = rows;
    plane.n = n;
    f.plane(plane, out);
    out += rows * n;
  });
}

}  // namespace unroll::kernel
