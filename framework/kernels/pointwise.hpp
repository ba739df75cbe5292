// The catalogue of element-wise functions. simd/pointwise.cpp has their formulas. Internal: included only by
// .cpp files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "framework/kernels/isa.hpp"

namespace unroll::kernel {

// Two operands of a broadcast loop nest: rows of n elements; the first element of operand a in a row is at a
// + row * a_row, the next is a_step (0 or 1) further.
template <class S>
struct Plane {
  const S *a = nullptr, *b = nullptr;
  std::size_t a_row = 0, a_step = 0, b_row = 0, b_step = 0;
  std::size_t rows = 0, n = 0;
};

template <class S>
struct Pointwise {
  // x (n) -> y (n); y may be x. Constants follow.
  using Unary = void (*)(const S* x, S* y, std::size_t n) noexcept;
  using Unary1 = void (*)(const S* x, S* y, std::size_t n, S c) noexcept;
  using Unary2 = void (*)(const S* x, S* y, std::size_t n, S c, S d) noexcept;
  // z = f(a, b), for equal shapes or plane by plane.
  struct Binary {
    void (*same)(const S* a, const S* b, S* z, std::size_t n) noexcept;
    void (*plane)(const Plane<S>& operands, S* z) noexcept;
  };

  Unary negate, exp, log, sqrt, square, abs, sign, sin, cos, tanh, sigmoid, gelu, normal_cdf, softplus;
  Unary relu, is_positive;
  Unary1 plus, minus, subtracted_from, times, divided_by, divide_into;  // x+c x-c c-x x*c x/c c/x
  Unary1 leaky_relu, leaky_relu_slope, elu;
  Unary2 clamp, is_between;

  Binary add, subtract, multiply, divide, maximum, minimum;
  Binary times_if_nonzero, over_if_nonzero;  // a b and a / b, but 0 where a is 0, for any b
  Binary times_if_both_nonzero;              // a b, but 0 where a or b is 0
  Binary sigmoid_gradient, tanh_gradient;    // of upstream a and value b; 0 where a is 0
  Binary share_of_larger, share_of_smaller;  // 1 where a is chosen, 1/2 on ties, else 0
  Binary exp_of_difference;                  // exp(a - b)
  Binary log_plus;                           // log(a) + b
  Binary is_same;                            // 1 where equal or both NaN, else 0

  // z += a b, but nothing where a is 0.
  void (*add_product)(const S* a, const S* b, S* z, std::size_t n) noexcept;
  // x * scale where keep is 1, else 0 (also where x is NaN or infinite).
  void (*keep_scaled)(const S* x, const std::uint8_t* keep, S* y, std::size_t n, S scale) noexcept;
  // An element of a where condition is 1, otherwise of b; steps are 0 or 1.
  void (*select)(const std::uint8_t* condition, std::size_t condition_step, const S* a, std::size_t a_step,
                 const S* b, std::size_t b_step, S* z, std::size_t n) noexcept;
};
UNROLL_SIMD_TABLE(Pointwise, pointwise)

}  // namespace unroll::kernel
