// record: puts an op with its gradient rules on the tape.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/tape.hpp"

namespace unroll {

// One input of an op with its gradient rule: upstream (shape of the output) -> gradient (shape of the input),
// written with ops so that it can be differentiated again. A rule may also have
//   bool add_to(const Var<SOut>& upstream, Tensor<S>& sum)
// which adds the gradient to sum in place, or returns false and leaves sum unchanged.
template <class S, class Rule>
struct Input {
  const Var<S>& var;
  Rule rule;
};

template <class S, class Rule>
Input<S, std::decay_t<Rule>> input(const Var<S>& var, Rule&& rule) {
  return {var, std::forward<Rule>(rule)};
}

// A rule in plain numbers: it computes a first derivative, which cannot be differentiated again.
template <class Rule>
struct FirstOrder : Rule {};

// Declares that rule computes with plain numbers and not with ops. Under gradients(..., create_graph) its
// result would be a constant, and second derivatives would lack its part: it throws TapeError there, which
// names the op.
//
//   record("cube", y, input(x, first_order([x](const Var<S>& g) { /* loops over g.data() and x.data() */
//   })));
template <class Rule>
FirstOrder<std::decay_t<Rule>> first_order(Rule&& rule) {
  return {std::forward<Rule>(rule)};
}

namespace detail {

[[noreturn]] void throw_first_order(const char* op);

// Throws TapeError if a rule in plain numbers would be recorded.
template <class Rule>
void check_order(const char*, const Rule&) noexcept {}
template <class Rule>
void check_order(const char* op, const FirstOrder<Rule>&) {
  if (thread_state.recording) [[unlikely]]
    throw_first_order(op);
}

// One backward pass over a tape.
class Backprop {
 public:
  // Adds gradient to the sum at node.
  template <class S>
  void add(std::uint32_t node, Var<S>&& gradient);
  bool wants(std::uint32_t node) const noexcept { return wanted_.empty() || wanted_[node]; }
  bool keeps(std::uint32_t node) const noexcept { return node < kept_.size() && kept_[node]; }
  // Returns the gradient at node, still owned by the pass; null if none has arrived or node follows the last
  // seed.
  ValueBase* gradient(std::uint32_t node) const noexcept {
    return node < gradients_.size() ? gradients_[node] : nullptr;
  }
  // Returns the same and gives up ownership.
  ValueBase* take(std::uint32_t node) noexcept {
    return node < gradients_.size() ? std::exchange(gradients_[node], nullptr) : nullptr;
  }
  // Returns the sum at node if a rule may add to it in place (no other owner, nothing records), else null.
  template <class S>
  Tensor<S>* sum_in_place(std::uint32_t node) const noexcept {
    if (checks_ || thread_state.recording || thread_state.tracing || node >= gradients_.size() ||
        gradients_[node] == nullptr)
      return nullptr;
    auto* held = static_cast<Value<S>*>(gradients_[node]);
    return held->references == 1 ? &held->data : nullptr;
  }
  // Returns whether the results of rules are checked for NaN and infinity.
  bool checks() const noexcept { return checks_; }
  Tape& tape() const noexcept { return tape_; }

  explicit Backprop(Tape& tape) : tape_(tape) {}
  ~Backprop();
  Backprop(const Backprop&) = delete;
  Backprop& operator=(const Backprop&) = delete;
  template <class S>
  void seed(std::span<const Var<S>> outputs, std::span<const Var<S>> upstream);
  // Runs from the last seed to the first node. The gradients of `keep` nodes can be taken afterwards.
  void run(std::span<const std::uint32_t> keep);
  // Ends the pass at the nodes that are kept, for partial derivatives.
  void end_at_kept() noexcept { ends_at_kept_ = true; }
  // Restricts the pass to the nodes that lead to the targets.
  void restrict_to(std::span<const std::uint32_t> targets);

 private:
  Tape& tape_;
  const bool checks_ = thread_state.detect_nonfinite > 0;
  std::vector<ValueBase*, PoolAllocator<ValueBase*>> gradients_;  // by node, owned
  std::vector<bool> wanted_;                                      // by node; empty: all
  std::vector<bool> kept_;                                        // by node; empty: none
  bool ends_at_kept_ = false;
};

// Memory for a rule, which is there only if its input needs a gradient.
template <class Rule>
struct RuleSlot {
  alignas(Rule) std::byte memory[sizeof(Rule)];
  Rule& get() noexcept { return *std::launder(reinterpret_cast<Rule*>(memory)); }
};

template <class SOut, class... Inputs>
struct OpNode;

template <class SOut, class... S, class... Rule>
struct OpNode<SOut, Input<S, Rule>...> : Node {
  static constexpr std::size_t kInputs = sizeof...(S);
  std::array<std::uint32_t, kInputs> parent;
  std::tuple<RuleSlot<Rule>...> rules;

  explicit OpNode(const char* op) : Node{&kType, op} { parent.fill(kNoNode); }
  // A parent is set once its rule is there: if a later one throws, the destructor ends those before.
  OpNode(const char* op, const std::array<std::uint32_t, kInputs>& parents, Input<S, Rule>&... inputs)
      : OpNode(op) {
    fill(std::index_sequence_for<S...>{}, parents, inputs...);
  }
  template <std::size_t... I>
  void fill(std::index_sequence<I...>, const std::array<std::uint32_t, kInputs>& parents,
            Input<S, Rule>&... inputs) {
    (fill_one<I>(parents[I], inputs), ...);
  }
  template <std::size_t I, class SIn, class R>
  void fill_one(std::uint32_t p, Input<SIn, R>& given) {
    if (p == kNoNode) return;
    ::new (std::get<I>(rules).memory) R(std::move(given.rule));
    parent[I] = p;
  }
  ~OpNode() { empty(std::index_sequence_for<S...>{}); }
  OpNode(const OpNode&) = delete;
  OpNode& operator=(const OpNode&) = delete;
  template <std::size_t... I>
  void empty(std::index_sequence<I...>) noexcept {
    ((parent[I] != kNoNode ? std::destroy_at(&std::get<I>(rules).get()) : void()), ...);
  }

  // Returns whether input I or a later one gets a gradient.
  template <std::size_t I>
  bool leads_on(const Backprop& pass) const {
    if constexpr (I == kInputs) {
      return false;
    } else {
      return (parent[I] != kNoNode && pass.wants(parent[I])) || leads_on<I + 1>(pass);
    }
  }
  template <std::size_t I, class SIn>
  static void run_one(OpNode& self, Backprop& pass, Var<SOut>& upstream, std::uint32_t index) {
    const std::uint32_t p = self.parent[I];
    if (p == kNoNode || !pass.wants(p)) return;
    auto& rule = std::get<I>(self.rules).get();
    if constexpr (requires(Tensor<SIn> & sum) { rule.add_to(upstream, sum); }) {
      if (Tensor<SIn>* sum = pass.sum_in_place<SIn>(p); sum != nullptr && rule.add_to(upstream, *sum)) return;
    }
    check_order(self.name, rule);
    // The last rule may write over the upstream gradient.
    Var<SIn> g = rule(self.template leads_on<I + 1>(pass) ? Var<SOut>(upstream) : std::move(upstream));
    if (pass.checks()) [[unlikely]]
      check_backward(pass.tape(), self.name, index, p, g);
    pass.add(p, std::move(g));
  }
  template <std::size_t... I>
  static void run_all(OpNode& self, Backprop& pass, Var<SOut>& upstream, std::uint32_t index,
                      std::index_sequence<I...>) {
    (run_one<I, S>(self, pass, upstream, index), ...);
  }
  static void run(Node& node, Backprop& pass, std::uint32_t index) {
    Var<SOut> upstream(
        static_cast<Value<SOut>*>(pass.keeps(index) ? pass.gradient(index) : pass.take(index)));
    if (pass.keeps(index)) ++upstream.get()->references;
    run_all(static_cast<OpNode&>(node), pass, upstream, index, std::index_sequence_for<S...>{});
  }
  static std::span<const std::uint32_t> parents(const Node& node) noexcept {
    return static_cast<const OpNode&>(node).parent;
  }
  static void destroy(Node& node) noexcept { static_cast<OpNode&>(node).~OpNode(); }
  static constexpr bool kTrivial = (std::is_trivially_destructible_v<Rule> && ...);
  static constexpr NodeType kType{&run, &parents, kTrivial ? nullptr : &destroy, &drop_gradient<SOut>};
};

}  // namespace detail

// Records output on the tape as the result of op on these inputs, and returns it. Every op, built-in or
// custom, ends in this call:
//
//   template <class S> Var<S> cube(const Var<S>& x) {
//     Var<S> y(Tensor<S>(xt::pow<3>(x.value())));
//     return record("cube", y, input(x, [x](const Var<S>& g) { return g * 3.0 * x * x; }));
//   }
//
// Rules copy the Vars that they need; the rules of inputs that need no gradient are dropped at once. op must
// outlive the tape (a string literal).
template <class SOut, class... S, class... Rule>
Var<SOut> record(const char* op, Var<SOut> output, Input<S, Rule>... inputs) {
  const auto& state = detail::thread_state;
  if (state.detect_nonfinite > 0 || state.tracing) [[unlikely]] {
    if (state.tracing) {
      const std::array<const void*, sizeof...(S)> values{inputs.var.get()...};
      detail::trace_recorded(op, output.get(), values);
    }
    if (state.detect_nonfinite > 0) {
      const std::array<detail::CheckedInput, sizeof...(S)> checked{
          detail::CheckedInput{inputs.var.name(), detail::is_finite(inputs.var)}...};
      detail::check_forward<SOut>(op, output, checked);
    }
  }
  if (!state.recording) return output;
  Tape& tape = *state.tape;
  const std::array<std::uint32_t, sizeof...(S)> parents{tape.node_of(inputs.var)...};
  bool needed = false;
  for (std::uint32_t p : parents) needed |= p != detail::kNoNode;
  if (!needed) return output;
  if (!output.defined()) [[unlikely]]
    detail::throw_empty_var();
  (tape.note_use(inputs.var), ...);
  using NodeT = detail::OpNode<SOut, Input<S, Rule>...>;
  output.get()->node = tape.emplace<NodeT>(op, parents, inputs...);
  output.get()->tape = tape.serial();
  return output;
}

}  // namespace unroll
