// Ops with several outputs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

#include "framework/tape.hpp"

namespace unroll {

// What a rule of an op with several outputs deals in; from the pool, since every call of a layer records one.
template <class S>
using VarList = PooledVector<Var<S>>;
using Needed = PooledVector<std::uint8_t>;  // 1 or 0 for each input; bits would cost more than they save

namespace detail {

// An op with several outputs; those are PortNodes behind it.
template <class S>
struct JointNode : Node {
  PooledVector<std::uint32_t> parent;
  std::uint32_t ports;
  JointNode(const NodeType* node_type, const char* op, PooledVector<std::uint32_t> parents,
            std::size_t outputs)
      : Node{node_type, op}, parent(std::move(parents)), ports(static_cast<std::uint32_t>(outputs)) {}

  // The upstream gradients that have arrived at the ports; false: none has.
  bool collect(Backprop& pass, std::uint32_t index, VarList<S>& upstream, Needed& needed) const;
  void hand_on(Backprop& pass, std::uint32_t index, const Needed& needed, VarList<S>&& gradients) const;
  static std::span<const std::uint32_t> parents(const Node& node) noexcept {
    return static_cast<const JointNode&>(node).parent;
  }
  // Parents on this thread's tape; none: nothing records, or no input needs a gradient.
  static PooledVector<std::uint32_t> parents_of(const char* op, std::span<const Var<S>> outputs,
                                                std::span<const Var<S>> inputs);
  static void add_ports(const char* op, std::uint32_t node, std::span<Var<S>> outputs);
};

template <class S, class Rule>
struct JointNodeOf final : JointNode<S> {
  Rule rule;
  template <class Given>
  JointNodeOf(const char* op, PooledVector<std::uint32_t> parents, std::size_t outputs, Given&& given)
      : JointNode<S>(&kType, op, std::move(parents), outputs), rule(std::forward<Given>(given)) {}

  static void run(Node& node, Backprop& pass, std::uint32_t index) {
    auto& self = static_cast<JointNodeOf&>(node);
    VarList<S> upstream;
    Needed needed;
    if (self.collect(pass, index, upstream, needed))
      self.hand_on(pass, index, needed, self.rule(upstream, needed));
  }
  static void destroy(Node& node) noexcept { static_cast<JointNodeOf&>(node).~JointNodeOf(); }
  static constexpr NodeType kType{&run, &JointNode<S>::parents, &destroy, &drop_gradient<S>, false, true};
};

}  // namespace detail

// Puts several outputs of one op on the tape. rule(upstream, needed) runs once, when all their gradients are
// there: upstream (VarList<S>) holds one Var per output (empty where no gradient arrived), the result
// (VarList<S>) one per input (empty where needed[i] is false or the gradient is zero).
template <class S, class Rule>
void record_joint(const char* op, std::span<Var<S>> outputs, std::span<const Var<S>> inputs, Rule&& rule) {
  using NodeT = detail::JointNodeOf<S, std::decay_t<Rule>>;
  PooledVector<std::uint32_t> parents = NodeT::parents_of(op, outputs, inputs);
  if (parents.empty()) return;
  const std::uint32_t node = detail::thread_state.tape->emplace<NodeT>(op, std::move(parents), outputs.size(),
                                                                       std::forward<Rule>(rule));
  NodeT::add_ports(op, node, outputs);
}

template <class S, class Rule>
void record_joint(const char* op, std::span<Var<S>> outputs, std::initializer_list<Var<S>> inputs,
                  Rule&& rule) {
  record_joint<S>(op, outputs, std::span(inputs.begin(), inputs.size()), std::forward<Rule>(rule));
}

}  // namespace unroll
