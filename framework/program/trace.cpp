#include "framework/program/trace.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>

namespace unroll::detail {

void trace_read(const void* value) noexcept {
  if (trace->row_of(value) >= 0) trace->fail("step() reads or changes a value, or has a hook");
}

void trace_recorded(const char* op, const void* output, std::span<const void* const> inputs) {
  trace->recorded(op, output, inputs);
}

template <class S>
Trace<S>::Trace(std::span<const Var<S>> rows) : outer_(trace) {
  constexpr std::size_t kUsual = 64;
  instructions_.reserve(kUsual / 2);
  values_.reserve(kUsual);
  met_.reserve(kUsual);
  is_external_.reserve(kUsual);
  producer_.reserve(kUsual);
  add_rows(rows);
  trace = this;
  tracing = thread_state.tracing = true;
}

template <class S>
Trace<S>::~Trace() {
  stop();
}

template <class S>
void Trace<S>::stop() noexcept {
  if (trace != this) return;
  trace = outer_;
  tracing = thread_state.tracing = trace != nullptr;
}

template <class S>
void Trace<S>::add_rows(std::span<const Var<S>> rows) {
  for (const Var<S>& row : rows) enter(row, false);
}

template <class S>
int Trace<S>::enter(const Var<S>& var, bool external) {
  if (const int number = find(var.get()); number >= 0) return number;
  values_.push_back(var);
  met_.push_back(var.get());
  is_external_.push_back(external ? 1 : 0);
  producer_.push_back(-1);
  return static_cast<int>(values_.size()) - 1;
}

template <class S>
void Trace<S>::add(Instruction<S> instruction, const Var<S>& output, std::span<const Var<S>* const> inputs) {
  const bool has_rows =
      std::any_of(inputs.begin(), inputs.end(), [&](const Var<S>* in) { return row_of(in->get()) >= 0; });
  if ((!has_rows && instruction.kind != Kind::zeros) || !failure_.empty()) return;
  for (const Var<S>* in : inputs) instruction.inputs.push_back(enter(*in, true));
  instruction.output = enter(output, false);
  instruction.columns = output.dimension() == 2 ? output.shape(1) : 0;
  producer_[static_cast<std::size_t>(instruction.output)] = static_cast<int>(instructions_.size());
  instructions_.push_back(std::move(instruction));
}

template <class S>
void Trace<S>::recorded(const char* op, const void* output, std::span<const void* const> inputs) {
  const auto has_rows =
      std::any_of(inputs.begin(), inputs.end(), [&](const void* in) { return row_of(in) >= 0; });
  if (!has_rows || !failure_.empty()) return;
  const int number = row_of(output);
  const int made = number < 0 ? -1 : producer_[static_cast<std::size_t>(number)];
  if (made < 0) {
    // An op may return its input, as reshape to the same shape does.
    if (number < 0) fail(std::string(op) + " is no instruction of programs");
    return;
  }
  Instruction<S>& instruction = instructions_[static_cast<std::size_t>(made)];
  if (*instruction.name == '\0') instruction.name = op;
  // What an op computes from its inputs by other means than instructions would be taken for a constant.
  for (const void* in : inputs) {
    if (const int row = row_of(in); row >= 0 && !depends_on(number, row, 3))
      fail(std::string(op) + " is no instruction of programs");
  }
}

template <class S>
bool Trace<S>::depends_on(int number, int row, int steps) const {
  if (number == row) return true;
  const int made = producer_[static_cast<std::size_t>(number)];
  if (made < 0 || steps == 0) return false;
  const auto& used = instructions_[static_cast<std::size_t>(made)].inputs;
  return std::any_of(used.begin(), used.end(), [&](int in) { return depends_on(in, row, steps - 1); });
}

template <class S>
void trace_add(Instruction<S> instruction, const Var<S>& output, std::span<const Var<S>* const> inputs) {
  // Of the other scalar type are constants at most: a row that is converted has been read.
  if (auto* active = dynamic_cast<Trace<S>*>(trace)) active->add(std::move(instruction), output, inputs);
}

template <class S>
void add_binary(const Var<S>& x, const Var<S>& y, const Var<S>& z,
                const typename kernel::Pointwise<S>::Binary& f) {
  const std::array inputs{&x, &y};
  trace_add<S>({.kind = Kind::binary, .binary = f}, z, inputs);
}

template <class S>
void add_product(const Var<S>& a, bool transpose_a, const Var<S>& b, bool transpose_b, const Var<S>& bias,
                 const Var<S>& y) {
  const std::array inputs{&a, &b, &bias};
  trace_add<S>({.kind = Kind::product, .transpose_a = transpose_a, .transpose_b = transpose_b}, y,
               std::span(inputs).first(bias.defined() ? 3 : 2));
}

template <class S>
void add_join(std::span<const Var<S>> parts, const Var<S>& y, std::size_t axis) {
  std::vector<const Var<S>*> inputs;
  for (const Var<S>& part : parts) inputs.push_back(&part);
  trace_add<S>({.kind = Kind::join, .axis = axis}, y, inputs);
}

template <class S>
void add_reduce(typename kernel::Reductions<S>::Function f, const Var<S>& x, const Var<S>& y,
                std::uint32_t axes) {
  // One axis: 0 or 1 of two.
  const std::size_t axis = axes == 1 ? 0 : axes == 2 ? 1 : kMaxRank;
  const std::array inputs{&x};
  trace_add<S>({.kind = Kind::reduce, .reduce = f, .axis = axis}, y, inputs);
}

template <class S>
void add_softmax(typename kernel::AxisKernels<S>::Softmax f, const Var<S>& x, const Var<S>& y,
                 std::size_t axis) {
  const std::array inputs{&x};
  trace_add<S>({.kind = Kind::softmax, .axis = axis, .softmax = f}, y, inputs);
}

template <class S>
void add_other(Kind kind, const Var<S>* x, const Var<S>& y, std::size_t axis, std::size_t first, S constant) {
  trace_add<S>({.kind = kind, .constant = {constant}, .first = first, .axis = axis}, y,
               std::span(&x, x == nullptr ? 0 : 1));
}

#define UNROLL_INSTANTIATE(S)                                                                                \
  template class Trace<S>;                                                                                   \
  template void trace_add(Instruction<S>, const Var<S>&, std::span<const Var<S>* const>);                    \
  template void add_binary(const Var<S>&, const Var<S>&, const Var<S>&,                                      \
                           const kernel::Pointwise<S>::Binary&);                                             \
  template void add_product(const Var<S>&, bool, const Var<S>&, bool, const Var<S>&, const Var<S>&);         \
  template void add_join(std::span<const Var<S>>, const Var<S>&, std::size_t);                               \
  template void add_reduce<S>(kernel::Reductions<S>::Function, const Var<S>&, const Var<S>&, std::uint32_t); \
  template void add_softmax<S>(kernel::AxisKernels<S>::Softmax, const Var<S>&, const Var<S>&, std::size_t);  \
  template void add_other(Kind, const Var<S>*, const Var<S>&, std::size_t, std::size_t, S);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
