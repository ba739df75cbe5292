// Nodes for parameters and for ops with several outputs. Internal: included only by tape.cpp and
// backprop.cpp.
#pragma once

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/multi_output.hpp"

namespace unroll::detail {

template <class S>
void add_in_place(Tensor<S>& into, const Tensor<S>& from) noexcept {
  kernel::pointwise<S>().add.same(into.data(), from.data(), into.data(), into.size());
}

[[noreturn]] inline void throw_wrong_gradient(const char* where, const Shape& got, const Shape& want) {
  throw ShapeError(
      fmt::format("[{}] gradient: expected shape {}, got {} (a rule returns its input's shape, a hook its "
                  "argument's; sum_to undoes broadcasting)",
                  where, to_string(want), to_string(got)));
}

// A parameter's node on a tape: its gradient ends here.
template <class S>
struct LeafNode : Node {
  Value<S>* parameter;    // held by the tape
  std::uint64_t tape;     // of this node
  std::uint64_t changes;  // of the parameter, when the tape first used it
  // The parameter's place on an outer tape, restored when this tape ends.
  std::uint64_t outer_tape;
  std::uint32_t outer_node;
  LeafNode(Value<S>* value, std::uint64_t serial)
      : Node{&kType, "parameter"},
        parameter(value),
        tape(serial),
        changes(value->leaf->changes),
        outer_tape(value->tape),
        outer_node(value->node) {}

  static void run(Node& node, Backprop& pass, std::uint32_t index) {
    auto& self = static_cast<LeafNode&>(node);
    Leaf<S>& target = *self.parameter->leaf;
    Var<S> g(static_cast<Value<S>*>(pass.take(index)));
    for (const auto& hook : target.hooks) {
      if (Var<S> replaced = hook(g); replaced.defined()) g = std::move(replaced);
    }
    if (g.shape() != self.parameter->data.shape()) [[unlikely]] {
      throw_wrong_gradient(target.name.empty() ? "parameter" : target.name.c_str(), g.shape(),
                           self.parameter->data.shape());
    }
    if (pass.keeps(index)) {  // requested by the caller of gradients(), not for the parameter
      pass.add(index, std::move(g));
      return;
    }
    if (target.gradient.defined() && target.gradient_tape == pass.tape().serial()) {
      add_in_place(target.gradient.get()->data, g.value());
      return;
    }
    // A gradient may be shared (z = a + b gives both the same one); a parameter needs a separate copy.
    target.gradient = g.get()->references == 1 ? std::move(g) : g.detach();
    target.gradient_tape = pass.tape().serial();
  }
  static std::span<const std::uint32_t> parents(const Node&) noexcept { return {}; }
  static void destroy(Node& node) noexcept {
    const auto& self = static_cast<LeafNode&>(node);
    if (self.parameter->tape != self.tape) return;  // an inner tape, still alive, owns the place now
    self.parameter->leaf->packed.reset();
    self.parameter->tape = self.outer_tape;
    self.parameter->node = self.outer_node;
  }
  static constexpr NodeType kType{&run, &parents, &destroy, &drop_gradient<S>};
};

// One output of an op with several: keeps its gradient until the op's node collects all of them.
template <class S>
struct OutputNode : Node {
  std::uint32_t op;
  OutputNode(const char* op_name, std::uint32_t node) : Node{&kType, op_name}, op(node) {}
  static void run(Node&, Backprop&, std::uint32_t) {}
  static std::span<const std::uint32_t> parents(const Node& node) noexcept {
    return {&static_cast<const OutputNode&>(node).op, 1};
  }
  static constexpr NodeType kType{&run, &parents, nullptr, &drop_gradient<S>, true, false};
};

template <class S>
bool MultiOutputNode<S>::collect(Backprop& pass, std::uint32_t index, VarList<S>& upstream,
                                 NeedsGrad& needs_grad) const {
  upstream.resize(output_count);
  bool any = false;
  for (std::uint32_t k = 0; k < output_count; ++k) {
    const std::uint32_t output = index + 1 + k;
    if (pass.gradient(output) == nullptr) continue;  // also for an output after the last seed
    auto* value = static_cast<Value<S>*>(pass.keeps(output) ? pass.gradient(output) : pass.take(output));
    if (pass.keeps(output)) ++value->references;
    upstream[k] = Var<S>(value);
    any = true;
  }
  if (!any) return false;
  needs_grad.resize(parent.size());
  for (std::size_t i = 0; i < needs_grad.size(); ++i) {
    needs_grad[i] = parent[i] != kNoNode && pass.wants(parent[i]);
  }
  return true;
}

template <class S>
void MultiOutputNode<S>::hand_on(Backprop& pass, std::uint32_t index, const NeedsGrad& needs_grad,
                                 VarList<S>&& gradients) const {
  if (gradients.size() != needs_grad.size()) {
    throw TapeError(fmt::format("[{}] rule: expected one gradient per input ({}), got {}", name,
                                needs_grad.size(), gradients.size()));
  }
  for (std::size_t i = 0; i < needs_grad.size(); ++i) {
    if (!needs_grad[i] || !gradients[i].defined()) continue;
    if (pass.checks()) check_backward(pass.tape(), name, index, parent[i], gradients[i]);
    pass.add(parent[i], std::move(gradients[i]));
  }
}

template <class S>
PooledVector<std::uint32_t> MultiOutputNode<S>::parents_of(const char* op, std::span<const Var<S>> outputs,
                                                           std::span<const Var<S>> inputs) {
  const auto& state = thread_state;
  if (state.detect_nonfinite > 0) {
    std::vector<CheckedInput> checked;
    for (const auto& in : inputs) checked.push_back({in.name(), is_finite(in)});
    for (const auto& output : outputs) check_forward<S>(op, output, checked);
  }
  if (tracing) {
    std::vector<const void*> values;
    for (const auto& in : inputs) values.push_back(in.get());
    for (const auto& output : outputs) trace_recorded(op, output.get(), values);
  }
  PooledVector<std::uint32_t> parents;
  if (!state.recording) return parents;
  parents.reserve(inputs.size());
  bool needed = false;
  for (const auto& in : inputs) {
    parents.push_back(state.tape->node_of(in));
    needed |= parents.back() != kNoNode;
  }
  if (!needed) {
    parents.clear();
    return parents;
  }
  for (const auto& in : inputs) state.tape->note_use(in);
  for (const auto& output : outputs) {
    if (!output.defined()) throw_empty_var();
  }
  return parents;
}

template <class S>
void MultiOutputNode<S>::add_output_nodes(const char* op, std::uint32_t node, std::span<Var<S>> outputs) {
  Tape& tape = *thread_state.tape;
  for (auto& output : outputs) {
    output.get()->node = tape.emplace<OutputNode<S>>(op, node);
    output.get()->tape = tape.serial();
  }
}

}  // namespace unroll::detail
