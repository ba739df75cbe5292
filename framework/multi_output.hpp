// Ops with several outputs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

#include "framework/record.hpp"

namespace unroll {

// What a rule of an op with several outputs takes and returns. Pooled: every call of a layer makes some.
template <class S>
using VarList = PooledVector<Var<S>>;
using NeedsGrad = PooledVector<std::uint8_t>;  // 1 or 0 for each input; packed bits cost more

namespace detail {

// An op with several outputs. Its OutputNodes, one per output, follow it on the tape.
template <class S>
struct MultiOutputNode : Node {
  PooledVector<std::uint32_t> parent;
  std::uint32_t output_count;
  MultiOutputNode(const NodeType* node_type, const char* op, PooledVector<std::uint32_t> parents,
                  std::size_t outputs)
      : Node{node_type, op}, parent(std::move(parents)), output_count(static_cast<std::uint32_t>(outputs)) {}

  // Collects the upstream gradients of the outputs; returns false if there are none.
  bool collect(Backprop& pass, std::uint32_t index, VarList<S>& upstream, NeedsGrad& needs_grad) const;
  void hand_on(Backprop& pass, std::uint32_t index, const NeedsGrad& needs_grad,
               VarList<S>&& gradients) const;
  static std::span<const std::uint32_t> parents(const Node& node) noexcept {
    return static_cast<const MultiOutputNode&>(node).parent;
  }
  // Returns the parents on this thread's tape; empty if nothing records or no input needs a gradient.
  static PooledVector<std::uint32_t> parents_of(const char* op, std::span<const Var<S>> outputs,
                                                std::span<const Var<S>> inputs);
  static void add_output_nodes(const char* op, std::uint32_t node, std::span<Var<S>> outputs);
};

template <class S, class Rule>
struct MultiOutputNodeOf final : MultiOutputNode<S> {
  Rule rule;
  template <class Given>
  MultiOutputNodeOf(const char* op, PooledVector<std::uint32_t> parents, std::size_t outputs, Given&& given)
      : MultiOutputNode<S>(&kType, op, std::move(parents), outputs), rule(std::forward<Given>(given)) {}

  static void run(Node& node, Backprop& pass, std::uint32_t index) {
    auto& self = static_cast<MultiOutputNodeOf&>(node);
    VarList<S> upstream;
    NeedsGrad needs_grad;
    if (!self.collect(pass, index, upstream, needs_grad)) return;
    check_order(self.name, self.rule);
    self.hand_on(pass, index, needs_grad, self.rule(upstream, needs_grad));
  }
  static void destroy(Node& node) noexcept { static_cast<MultiOutputNodeOf&>(node).~MultiOutputNodeOf(); }
  static constexpr NodeType kType{&run, &MultiOutputNode<S>::parents, &destroy, &drop_gradient<S>, false,
                                  true};
};

}  // namespace detail

// Records the outputs of one op on the tape. rule(upstream, needs_grad) runs once, when all their gradients
// are complete. upstream (VarList<S>) has one Var per output, empty where no gradient arrived; the result
// (VarList<S>) has one per input, empty where needs_grad[i] is false or the gradient is zero.
// first_order(rule) declares a rule in plain numbers.
template <class S, class Rule>
void record_multi_output(const char* op, std::span<Var<S>> outputs, std::span<const Var<S>> inputs,
                         Rule&& rule) {
  using NodeT = detail::MultiOutputNodeOf<S, std::decay_t<Rule>>;
  PooledVector<std::uint32_t> parents = NodeT::parents_of(op, outputs, inputs);
  if (parents.empty()) return;
  const std::uint32_t node = detail::thread_state.tape->emplace<NodeT>(op, std::move(parents), outputs.size(),
                                                                       std::forward<Rule>(rule));
  NodeT::add_output_nodes(op, node, outputs);
}

template <class S, class Rule>
void record_multi_output(const char* op, std::span<Var<S>> outputs, std::initializer_list<Var<S>> inputs,
                         Rule&& rule) {
  record_multi_output<S>(op, outputs, std::span(inputs.begin(), inputs.size()), std::forward<Rule>(rule));
}

}  // namespace unroll
