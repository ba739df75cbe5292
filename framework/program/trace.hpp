// Trace: writes down the ops of a step as instructions, while the step runs once on a few example rows.
// Internal: included by the .cpp files of ops and by programs.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "framework/program/instruction.hpp"
#include "framework/program/tracing.hpp"
#include "framework/tape.hpp"

namespace unroll::detail {

// What a trace knows of values of any scalar type.
class TraceBase {
 public:
  virtual ~TraceBase() = default;
  // Why the step cannot be a program; empty: it can.
  const std::string& failure() const noexcept { return failure_; }
  void fail(const std::string& reason) {
    if (failure_.empty()) failure_ = reason;
  }
  // Returns the number of a value that depends on the step's rows, or -1.
  int row_of(const void* value) const {
    const int number = find(value);
    return number < 0 || is_external_[static_cast<std::size_t>(number)] != 0 ? -1 : number;
  }
  // Called by record(): an op that has made no instruction of its output, out of these inputs, is unknown.
  virtual void recorded(const char* op, const void* output, std::span<const void* const> inputs) = 0;

 protected:
  // A step has few values, and asks mostly for the latest.
  int find(const void* value) const noexcept {
    for (std::size_t n = met_.size(); n-- > 0;) {
      if (met_[n] == value) return static_cast<int>(n);
    }
    return -1;
  }
  std::string failure_;
  PooledVector<const void*> met_;            // by number
  PooledVector<unsigned char> is_external_;  // by number
};

// The numbers of values are in the order in which they were met: the rows that it is given first, then
// results and external values. External is what does not depend on the rows: parameters and constants.
template <class S>
class Trace final : public TraceBase {
 public:
  // Traces this thread's ops from here on. rows: the values that a step reads, (R,...) each.
  explicit Trace(std::span<const Var<S>> rows);
  ~Trace() override;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // Stops tracing, to read values.
  void stop() noexcept;
  // Adds further rows: the upstream gradients.
  void add_rows(std::span<const Var<S>> rows);
  // Returns the number of a value, or -1 if the trace has not met it.
  int number_of(const Var<S>& var) const { return find(var.get()); }
  bool is_external(int number) const { return is_external_[static_cast<std::size_t>(number)] != 0; }
  const std::vector<Instruction<S>>& instructions() const noexcept { return instructions_; }
  std::vector<Instruction<S>> take_instructions() noexcept { return std::move(instructions_); }
  // By number; they keep the values alive, so that no other gets their place.
  const std::vector<Var<S>>& values() const noexcept { return values_; }

  // Adds an instruction, unless no input depends on the rows: then the output is an external value.
  void add(Instruction<S> instruction, const Var<S>& output, std::span<const Var<S>* const> inputs);
  void recorded(const char* op, const void* output, std::span<const void* const> inputs) override;

 private:
  int enter(const Var<S>& var, bool external);
  // Returns whether value `number` is computed from `row`, through at most `steps` instructions.
  bool depends_on(int number, int row, int steps) const;
  std::vector<Instruction<S>> instructions_;
  std::vector<Var<S>> values_;
  std::vector<int> producer_;  // by number: the instruction, or -1
  TraceBase* outer_;
};

// --- called by ops, after they have computed their output; out of line, as few steps are traced ---

template <class S>
void trace_add(Instruction<S> instruction, const Var<S>& output, std::span<const Var<S>* const> inputs);

template <class S, class F, class... Constants>
[[gnu::noinline, gnu::cold]] void add_unary(const Var<S>& x, const Var<S>& y, F f, Constants... constants) {
  Instruction<S> made{.kind = Kind::unary, .constant = {constants...}};
  if constexpr (sizeof...(Constants) == 0) made.unary = f;
  if constexpr (sizeof...(Constants) == 1) made.unary1 = f;
  if constexpr (sizeof...(Constants) == 2) made.unary2 = f;
  const std::array inputs{&x};
  trace_add<S>(std::move(made), y, inputs);
}
template <class S, class F, class... Constants>
[[gnu::always_inline]] inline void trace_unary(const Var<S>& x, const Var<S>& y, F f,
                                               Constants... constants) {
  if (thread_state.tracing) [[unlikely]]
    add_unary(x, y, f, constants...);
}

template <class S>
void add_binary(const Var<S>& x, const Var<S>& y, const Var<S>& z,
                const typename kernel::Pointwise<S>::Binary& f);
template <class S>
[[gnu::always_inline]] inline void trace_binary(const Var<S>& x, const Var<S>& y, const Var<S>& z,
                                                const typename kernel::Pointwise<S>::Binary& f) {
  if (thread_state.tracing) [[unlikely]]
    add_binary(x, y, z, f);
}

template <class S>
void add_product(const Var<S>& a, bool transpose_a, const Var<S>& b, bool transpose_b, const Var<S>& bias,
                 const Var<S>& y);
// bias: may be empty.
template <class S>
void trace_product(const Var<S>& a, bool transpose_a, const Var<S>& b, bool transpose_b, const Var<S>& bias,
                   const Var<S>& y) {
  if (thread_state.tracing) [[unlikely]]
    add_product(a, transpose_a, b, transpose_b, bias, y);
}

template <class S>
void add_join(std::span<const Var<S>> parts, const Var<S>& y, std::size_t axis);
template <class S>
void trace_join(std::span<const Var<S>> parts, const Var<S>& y, std::size_t axis) {
  if (thread_state.tracing) [[unlikely]]
    add_join(parts, y, axis);
}

template <class S>
void add_reduce(typename kernel::Reductions<S>::Function f, const Var<S>& x, const Var<S>& y,
                std::uint32_t axes);
template <class S>
void trace_reduce(typename kernel::Reductions<S>::Function f, const Var<S>& x, const Var<S>& y,
                  std::uint32_t axes) {
  if (thread_state.tracing) [[unlikely]]
    add_reduce<S>(f, x, y, axes);
}

// An instruction of no or one input, with a column or axis and a constant.
template <class S>
void add_other(Kind kind, const Var<S>* x, const Var<S>& y, std::size_t axis, std::size_t first, S constant);
// kind: cut or pad.
template <class S>
void trace_columns(Kind kind, const Var<S>& x, const Var<S>& y, std::size_t axis, std::size_t first) {
  if (thread_state.tracing) [[unlikely]]
    add_other(kind, &x, y, axis, first, S(0));
}
// which: 0 for the standardized rows, 1 for their factors.
template <class S>
void trace_standardize(const Var<S>& x, const Var<S>& y, std::size_t which, S eps) {
  if (thread_state.tracing) [[unlikely]]
    add_other(Kind::standardize, &x, y, 0, which, eps);
}
template <class S>
void add_softmax(typename kernel::AxisKernels<S>::Softmax f, const Var<S>& x, const Var<S>& y,
                 std::size_t axis);
template <class S>
void trace_softmax(typename kernel::AxisKernels<S>::Softmax f, const Var<S>& x, const Var<S>& y,
                   std::size_t axis) {
  if (thread_state.tracing) [[unlikely]]
    add_softmax<S>(f, x, y, axis);
}
// For a gradient that is 0 in part.
template <class S>
void trace_zeros(const Var<S>& y) {
  if (thread_state.tracing) [[unlikely]]
    add_other<S>(Kind::zeros, nullptr, y, 0, 0, S(0));
}
// kind: fill or reshape.
template <class S>
void trace_shape(Kind kind, const Var<S>& x, const Var<S>& y) {
  if (thread_state.tracing) [[unlikely]]
    add_other(kind, &x, y, 0, 0, S(0));
}

}  // namespace unroll::detail
