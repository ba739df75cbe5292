#include "deploy/c_expression.hpp"

#include <array>

namespace unroll::detail {
namespace {

template <class S>
const CExpression* unary_expression(const Instruction<S>& op) {
  using P = kernel::Pointwise<S>;
  struct Plain {
    typename P::Unary P::*function;
    CExpression c;
  };
  static constexpr std::array<Plain, 16> kPlain{{{&P::negate, {"-{x}"}},
                                                 {&P::exp, {"@_exp({x})", "exp"}},
                                                 {&P::log, {"@_log({x})", "log"}},
                                                 {&P::sqrt, {"@_sqrt({x})", "sqrt"}},
                                                 {&P::square, {"{x} * {x}"}},
                                                 {&P::abs, {"({x} < 0.0f ? -{x} : {x})"}},
                                                 {&P::sign, {"(float)(({x} > 0.0f) - ({x} < 0.0f))"}},
                                                 {&P::sin, {"@_sin({x})", "sin"}},
                                                 {&P::cos, {"@_cos({x})", "cos"}},
                                                 {&P::tanh, {"@_tanh({x})", "tanh"}},
                                                 {&P::sigmoid, {"@_sigmoid({x})", "sigmoid"}},
                                                 {&P::gelu, {"@_gelu({x})", "gelu"}},
                                                 {&P::normal_cdf, {"@_normal_cdf({x})", "normal_cdf"}},
                                                 {&P::softplus, {"@_softplus({x})", "softplus"}},
                                                 {&P::relu, {"({x} < 0.0f ? 0.0f : {x})"}},
                                                 {&P::is_positive, {"({x} > 0.0f ? 1.0f : 0.0f)"}}}};
  struct One {
    typename P::Unary1 P::*function;
    CExpression c;
  };
  static constexpr std::array<One, 8> kOne{{{&P::plus, {"{x} + {c}"}},
                                            {&P::minus, {"{x} - {c}"}},
                                            {&P::subtracted_from, {"{c} - {x}"}},
                                            {&P::times, {"{x} * {c}"}},
                                            {&P::divided_by, {"{x} / {c}"}},
                                            {&P::divide_into, {"{c} / {x}"}},
                                            {&P::leaky_relu, {"({x} > 0.0f ? {x} : {x} * {c})"}},
                                            {&P::elu, {"@_elu({x}, {c})", "elu"}}}};
  static constexpr CExpression kClamp{"({x} < {c} ? {c} : {x} > {d} ? {d} : {x})"};
  const P& functions = kernel::pointwise<S>();
  for (const Plain& entry : kPlain)
    if (op.unary != nullptr && functions.*entry.function == op.unary) return &entry.c;
  for (const One& entry : kOne)
    if (op.unary1 != nullptr && functions.*entry.function == op.unary1) return &entry.c;
  return op.unary2 != nullptr && op.unary2 == functions.clamp ? &kClamp : nullptr;
}

template <class S>
const CExpression* binary_expression(const Instruction<S>& op) {
  using P = kernel::Pointwise<S>;
  struct Two {
    typename P::Binary P::*function;
    CExpression c;
  };
  static constexpr std::array<Two, 6> kTwo{{{&P::add, {"{x} + {y}"}},
                                            {&P::subtract, {"{x} - {y}"}},
                                            {&P::multiply, {"{x} * {y}"}},
                                            {&P::divide, {"{x} / {y}"}},
                                            {&P::maximum, {"({x} > {y} || {x} != {x} ? {x} : {y})"}},
                                            {&P::minimum, {"({x} < {y} || {x} != {x} ? {x} : {y})"}}}};
  for (const Two& entry : kTwo)
    if ((kernel::pointwise<S>().*entry.function).same == op.binary.same) return &entry.c;
  return nullptr;
}

}  // namespace

template <class S>
const CExpression* c_expression(const Instruction<S>& op) {
  return op.kind == Kind::unary ? unary_expression(op) : binary_expression(op);
}

template const CExpression* c_expression(const Instruction<float>&);
template const CExpression* c_expression(const Instruction<double>&);

}  // namespace unroll::detail
