// The kinds of nodes that ops do not define themselves: parameters, and ops with several outputs. Internal:
// included by tape.cpp and backprop.cpp only.
#pragma once

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/tape.hpp"

namespace unroll::detail {

template <class S>
void add_in_place(Tensor<S>& into, const Tensor<S>& from) noexcept {
  kernel::pointwise<S>().add.same(into.data(), from.data(), into.data(), into.size());
}

[[noreturn]] inline void throw_wrong_gradient(const char* where, const Shape& got, const Shape& want) {
  throw ShapeError(
      fmt::format("[{}] gradient want shape {}, got {} (a rule returns its input's shape, a hook its "
                  "argument's; sum_to undoes "
                  "broadcasting)",
                  where, to_string(want), to_string(got)));
}

// The place of a parameter on a tape: its gradient ends here.
template <class S>
struct LeafNode : Node {
  Var<S> leaf;
  // Where an outer tape has put this parameter; given back when this tape ends.
  std::uint64_t outer_tape;
  std::uint32_t outer_node;
  explicit LeafNode(Var<S> var)
      : Node{&kType, "parameter"},
        leaf(std::move(var)),
        outer_tape(leaf.get()->tape),
        outer_node(leaf.get()->node) {}

  static void run(Node& node, Backprop& pass, std::uint32_t index) {
    auto& self = static_cast<LeafNode&>(node);
    Leaf<S>& target = *self.leaf.get()->leaf;
    Var<S> g(static_cast<Value<S>*>(pass.take(index)));
    for (const auto& hook : target.hooks) {
      if (Var<S> replaced = hook(g); replaced.defined()) g = std::move(replaced);
    }
    if (g.shape() != self.leaf.shape()) [[unlikely]] {
      const std::string& name = self.leaf.name();
      throw_wrong_gradient(name.empty() ? "parameter" : name.c_str(), g.shape(), self.leaf.shape());
    }
    if (pass.keeps(index)) {  // wanted by the caller of gradients(), not by the parameter
      pass.add(index, std::move(g));
      return;
    }
    if (target.gradient.defined() && target.gradient_tape == pass.tape().serial()) {
      add_in_place(target.gradient.get()->data, g.value());
      return;
    }
    // A gradient may be shared (z = a + b gives a and b the same one); a parameter's is its own.
    target.gradient = g.get()->references == 1 ? std::move(g) : g.detach();
    target.gradient_tape = pass.tape().serial();
  }
  static std::span<const std::uint32_t> parents(const Node&) noexcept { return {}; }
  static void destroy(Node& node) noexcept {
    auto& self = static_cast<LeafNode&>(node);
    self.leaf.get()->tape = self.outer_tape;
    self.leaf.get()->node = self.outer_node;
    self.~LeafNode();
  }
  static constexpr NodeType kType{&run, &parents, &destroy, &drop_gradient<S>};
};

// One output of an op with several: keeps its gradient until the op's node collects all of them.
template <class S>
struct PortNode : Node {
  std::uint32_t op;
  PortNode(const char* op_name, std::uint32_t node) : Node{&kType, op_name}, op(node) {}
  static void run(Node&, Backprop&, std::uint32_t) {}
  static std::span<const std::uint32_t> parents(const Node& node) noexcept {
    return {&static_cast<const PortNode&>(node).op, 1};
  }
  static constexpr NodeType kType{&run, &parents, nullptr, &drop_gradient<S>, true, false};
};

template <class S>
struct JointNode : Node {
  std::vector<std::uint32_t> parent;
  std::uint32_t ports;
  JointRule<S> rule;
  JointNode(const char* op_name, std::vector<std::uint32_t> parents, std::size_t outputs, JointRule<S> r)
      : Node{&kType, op_name},
        parent(std::move(parents)),
        ports(static_cast<std::uint32_t>(outputs)),
        rule(std::move(r)) {}

  static void run(Node& node, Backprop& pass, std::uint32_t index) {
    auto& self = static_cast<JointNode&>(node);
    std::vector<Var<S>> upstream(self.ports);
    bool any = false;
    for (std::uint32_t k = 0; k < self.ports; ++k) {
      const std::uint32_t port = index + 1 + k;
      if (pass.gradient(port) == nullptr) continue;  // also for a port behind the last seed
      auto* value = static_cast<Value<S>*>(pass.keeps(port) ? pass.gradient(port) : pass.take(port));
      if (pass.keeps(port)) ++value->references;
      upstream[k] = Var<S>(value);
      any = true;
    }
    if (!any) return;
    std::vector<bool> needed(self.parent.size());
    for (std::size_t i = 0; i < needed.size(); ++i) {
      needed[i] = self.parent[i] != kNoNode && pass.wants(self.parent[i]);
    }
    std::vector<Var<S>> result = self.rule(upstream, needed);
    if (result.size() != needed.size()) {
      throw TapeError(fmt::format("[{}] rule want one gradient per input ({}), got {}", self.name,
                                  needed.size(), result.size()));
    }
    for (std::size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i] || !result[i].defined()) continue;
      if (pass.checks()) check_backward(pass.tape(), self.name, index, self.parent[i], result[i]);
      pass.add(self.parent[i], std::move(result[i]));
    }
  }
  static std::span<const std::uint32_t> parents(const Node& node) noexcept {
    return static_cast<const JointNode&>(node).parent;
  }
  static void destroy(Node& node) noexcept { static_cast<JointNode&>(node).~JointNode(); }
  static constexpr NodeType kType{&run, &parents, &destroy, &drop_gradient<S>, false, true};
};

}  // namespace unroll::detail
