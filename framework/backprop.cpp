// The backward pass: a loop over the tape's nodes, from the last to the first.
#include <algorithm>

#include "framework/nodes.hpp"
#include "framework/ops.hpp"

namespace unroll::detail {

template <class S>
void Backprop::add(std::uint32_t node, Var<S>&& gradient) {
  if (!gradient.defined()) return;
  auto* held = static_cast<Value<S>*>(gradients_[node]);
  if (held == nullptr) {
    gradients_[node] = gradient.release();
    return;
  }
  if (held->data.shape() != gradient.shape()) [[unlikely]] {
    throw_wrong_gradient(tape_.nodes_[node]->name, gradient.shape(), held->data.shape());
  }
  // Sums in place into a buffer without other owners that no tape has recorded or traced.
  const bool recording = thread_state.recording || thread_state.tracing;
  if (!recording && held->references == 1) {
    add_in_place(held->data, gradient.value());
    return;
  }
  if (!recording && gradient.get()->references == 1) {
    add_in_place(gradient.get()->data, held->data);
    drop_gradient<S>(held);
    gradients_[node] = gradient.release();
    return;
  }
  Var<S> sum = Var<S>(static_cast<Value<S>*>(take(node))) + gradient;
  gradients_[node] = sum.release();
}

template <class S>
void Backprop::seed(std::span<const Var<S>> outputs, std::span<const Var<S>> upstream) {
  std::size_t count = 0;
  PooledVector<std::uint32_t> nodes(outputs.size(), kNoNode);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    nodes[k] = tape_.node_of(outputs[k]);
    if (nodes[k] != kNoNode) count = std::max<std::size_t>(count, nodes[k] + std::size_t{1});
  }
  gradients_.assign(count, nullptr);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (nodes[k] != kNoNode) add(nodes[k], Var<S>(upstream[k]));
  }
}

void Backprop::restrict_to(std::span<const std::uint32_t> targets) {
  wanted_.assign(gradients_.size(), false);
  std::size_t first = wanted_.size();
  for (std::uint32_t t : targets) {
    if (t >= wanted_.size()) continue;
    wanted_[t] = true;
    first = std::min<std::size_t>(first, t);
  }
  for (std::size_t i = first; i < wanted_.size(); ++i) {
    if (wanted_[i]) continue;
    const Node& node = *tape_.nodes_[i];
    for (std::uint32_t p : node.type->parents(node)) {
      if (p != kNoNode && wanted_[p]) {
        wanted_[i] = true;
        break;
      }
    }
  }
}

namespace {

// Fetches the values that a node's rules keep. They are among the words of the node, which ends where the
// next one begins, unless a chunk ends between them. What only looks like a value is ignored by the
// processor, also in the slots of rules that are not there.
__attribute__((no_sanitize("address"))) void prefetch(const Node* node, const Node* next) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(node), end = reinterpret_cast<std::uintptr_t>(next);
  constexpr std::size_t kMost = 160;  // bytes: two rules with a value and a shape
  if (end - begin > kMost) return;
  for (const auto* word = reinterpret_cast<const std::uintptr_t*>(node + 1);
       word != reinterpret_cast<const std::uintptr_t*>(next); ++word) {
    if (*word == 0 || *word % 64 != 0) continue;
    for (std::uintptr_t line = 0; line < 3; ++line)
      __builtin_prefetch(reinterpret_cast<const void*>(*word + 64U * line));
  }
}

}  // namespace

void Backprop::run(std::span<const std::uint32_t> keep) {
  // The pass checks the results of each rule and knows the op and the parameter; the rule's ops do not.
  struct Pause {
    const std::uint32_t before = std::exchange(thread_state.detect_nonfinite, 0U);
    ~Pause() { thread_state.detect_nonfinite += before; }
  };
  const Pause pause;
  if (!keep.empty()) {
    kept_.assign(gradients_.size(), false);
    for (std::uint32_t k : keep) {
      if (k < kept_.size()) kept_[k] = true;
    }
  }
  constexpr std::size_t kBeyondCaches = 4096, kAhead = 16;  // nodes
  const bool far = gradients_.size() > kBeyondCaches;
  for (std::size_t i = gradients_.size(); i-- > 0;) {
    if (far && i > kAhead) prefetch(tape_.nodes_[i - kAhead], tape_.nodes_[i - kAhead + 1]);
    Node& node = *tape_.nodes_[i];
    const NodeType& type = *node.type;
    if (gradients_[i] == nullptr && !type.gathers_outputs) continue;
    const auto index = static_cast<std::uint32_t>(i);
    if (!tape_.hooks_.empty()) [[unlikely]] {
      if (auto found = tape_.hooks_.find(index); found != tape_.hooks_.end() && gradients_[i] != nullptr) {
        // Taken out first: a hook that throws has already released it.
        for (const auto& hook : found->second) gradients_[i] = static_cast<ValueBase*>(hook(take(index)));
      }
    }
    // A restricted pass runs only the nodes that lead to the targets.
    if (wanted_.empty() || (wanted_[index] && !(ends_at_kept_ && keeps(index)))) type.run(node, *this, index);
    if (gradients_[i] != nullptr && !type.is_port && !keeps(index)) type.drop_gradient(take(index));
  }
  if (wanted_.empty() && kept_.empty()) gradients_.clear();  // all have been taken
}

Backprop::~Backprop() {
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    if (gradients_[i] != nullptr) tape_.nodes_[i]->type->drop_gradient(gradients_[i]);
  }
}

template void Backprop::add(std::uint32_t, Var<float>&&);
template void Backprop::add(std::uint32_t, Var<double>&&);
template void Backprop::seed(std::span<const Var<float>>, std::span<const Var<float>>);
template void Backprop::seed(std::span<const Var<double>>, std::span<const Var<double>>);

}  // namespace unroll::detail
