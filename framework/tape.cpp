#include "framework/tape.hpp"

#include <fmt/format.h>

#include <atomic>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "framework/ops.hpp"

namespace unroll {

namespace detail {
thread_local constinit ThreadState thread_state{};
}

namespace {

constexpr std::size_t kFirstChunk = std::size_t{1} << 14;  // the arena's chunks double from here
constexpr std::size_t kLargestChunk = std::size_t{1} << 22;

std::uint64_t next_serial() noexcept {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

template <class S>
void add_in_place(Tensor<S>& into, const Tensor<S>& from) noexcept {
  S* a = into.data();
  const S* b = from.data();
  for (std::size_t i = 0, n = into.size(); i < n; ++i) a[i] += b[i];
}

[[noreturn]] void throw_wrong_gradient(const char* where, const Shape& got, const Shape& want) {
  throw ShapeError(
      fmt::format("[{}] gradient want shape {}, got {} (a rule returns its input's shape, a hook its "
                  "argument's; sum_to undoes "
                  "broadcasting)",
                  where, to_string(want), to_string(got)));
}

}  // namespace

namespace detail {

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
  // A buffer that nobody else holds, and that no tape has recorded, is summed in place.
  const bool recording = thread_state.recording;
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
  Var<S> sum = Var<S>(held) + gradient;
  gradients_[node] = sum.release();
}

template <class S>
void Backprop::seed(const std::vector<Var<S>>& outputs, const std::vector<Var<S>>& upstream) {
  std::size_t count = 0;
  std::vector<std::uint32_t> nodes(outputs.size(), kNoNode);
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

void Backprop::run(std::span<const std::uint32_t> keep) {
  // The pass checks what each rule returns, and can tell for which op and parameter; the rule's ops cannot.
  struct Pause {
    const bool before = std::exchange(thread_state.detect_nonfinite, false);
    ~Pause() { thread_state.detect_nonfinite = before; }
  };
  const Pause pause;
  if (!keep.empty()) {
    kept_.assign(gradients_.size(), false);
    for (std::uint32_t k : keep) {
      if (k < kept_.size()) kept_[k] = true;
    }
  }
  for (std::size_t i = gradients_.size(); i-- > 0;) {
    Node& node = *tape_.nodes_[i];
    const NodeType& type = *node.type;
    if (gradients_[i] == nullptr && !type.gathers_ports) continue;
    const auto index = static_cast<std::uint32_t>(i);
    if (!tape_.hooks_.empty()) [[unlikely]] {
      if (auto found = tape_.hooks_.find(index); found != tape_.hooks_.end() && gradients_[i] != nullptr) {
        // Taken out first: a hook that throws has already let go of it.
        for (const auto& hook : found->second) gradients_[i] = static_cast<ValueBase*>(hook(take(index)));
      }
    }
    const bool is_kept = keeps(index);
    // In a restricted pass only the way to the targets is walked.
    if (wants(index)) type.run(node, *this, index);
    if (!is_kept && !type.is_port && gradients_[i] != nullptr) type.drop_gradient(take(index));
  }
}

Backprop::~Backprop() {
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    if (gradients_[i] != nullptr) tape_.nodes_[i]->type->drop_gradient(gradients_[i]);
  }
}

template void Backprop::add(std::uint32_t, Var<float>&&);
template void Backprop::add(std::uint32_t, Var<double>&&);

}  // namespace detail

Tape::Tape() : serial_(next_serial()), outer_(detail::thread_state) {
  detail::thread_state.tape = this;
  detail::thread_state.recording = true;
}

Tape::~Tape() {
  detail::thread_state.tape = outer_.tape;
  detail::thread_state.recording = outer_.recording;
  clear_leaf_gradients();
  clear_nodes();
  for (const Chunk& chunk : chunks_) detail::pool_free(chunk.data, chunk.bytes);
}

void Tape::stop() noexcept { detail::thread_state.recording = false; }

void Tape::release() noexcept {
  clear_nodes();
  // Chunks but the last go back; what was on the tape is a constant from here on, parameters join anew.
  for (std::size_t i = 0; i + 1 < chunks_.size(); ++i) detail::pool_free(chunks_[i].data, chunks_[i].bytes);
  if (chunks_.size() > 1) chunks_.erase(chunks_.begin(), chunks_.end() - 1);
  if (!chunks_.empty()) cursor_ = reinterpret_cast<std::size_t>(chunks_.back().data);
  const std::uint64_t old = std::exchange(serial_, next_serial());
  const auto adopt = [&](auto& leaves) {
    for (auto& leaf : leaves) {
      auto& state = *leaf.get()->leaf;
      if (state.gradient_tape == old) state.gradient_tape = serial_;
    }
  };
  adopt(float_leaves_);
  adopt(double_leaves_);
  parameter_changed_ = false;
}

void Tape::clear_nodes() noexcept {
  for (detail::Node* node : nodes_) {
    if (node->type->destroy != nullptr) node->type->destroy(*node);
  }
  nodes_.clear();
  hooks_.clear();
  contexts_.clear();
}

void Tape::clear_leaf_gradients() noexcept {
  const auto clear = [this](auto& leaves) {
    for (auto& leaf : leaves) {
      if (leaf.get()->leaf->gradient_tape == serial_) leaf.clear_grad();
    }
  };
  clear(float_leaves_);
  clear(double_leaves_);
}

void Tape::add_chunk(std::size_t at_least) {
  std::size_t bytes = chunks_.empty() ? kFirstChunk : std::min(chunks_.back().bytes * 2, kLargestChunk);
  bytes = std::max(bytes, at_least);
  chunks_.push_back({static_cast<std::byte*>(detail::pool_allocate(bytes)), bytes});
  cursor_ = reinterpret_cast<std::size_t>(chunks_.back().data);
  limit_ = cursor_ + bytes;
}

std::size_t Tape::bytes() const noexcept {
  std::size_t total = nodes_.capacity() * sizeof(detail::Node*);
  for (const Chunk& chunk : chunks_) total += chunk.bytes;
  return total;
}

void Tape::remember_context() {
  contexts_[static_cast<std::uint32_t>(nodes_.size())] = LayerScope::describe();
}

template <class S>
std::uint32_t Tape::add_leaf(const Var<S>& var) {
  auto* value = var.get();
  value->node = emplace<detail::LeafNode<S>>(var);
  value->tape = serial_;
  if constexpr (std::is_same_v<S, float>) {
    float_leaves_.push_back(var);
  } else {
    double_leaves_.push_back(var);
  }
  return value->node;
}
template std::uint32_t Tape::add_leaf(const Var<float>&);
template std::uint32_t Tape::add_leaf(const Var<double>&);

template <class S>
void Tape::backward(const Var<S>& loss) {
  if (loss.size() != 1) {
    throw TapeError(fmt::format(
        "[Tape::backward] loss want one element, got shape {} (reduce it, or give the upstream gradient)",
        to_string(loss.shape())));
  }
  backward(loss, Var<S>(ones<S>(loss.shape())));
}

template <class S>
void Tape::backward(const Var<S>& output, const Var<S>& upstream) {
  if (output.shape() != upstream.shape()) {
    throw ShapeError(fmt::format("[Tape::backward] upstream want {} (the output's shape), got {}",
                                 to_string(output.shape()), to_string(upstream.shape())));
  }
  if (node_of(output) == detail::kNoNode) {
    throw TapeError(
        "[Tape::backward] want a value that this tape has computed from a parameter, got a constant (was it "
        "computed before the tape, on another one, or without any parameter?)");
  }
  if (parameter_changed_) {
    throw TapeError(fmt::format(
        "[Tape::backward] parameter '{}' was changed after this tape had used it, so what was recorded no "
        "longer holds (begin a new Tape for every step, or call release())",
        changed_parameter_));
  }
  const NoGrad no_recording;
  detail::Backprop pass(*this);
  pass.seed<S>({output}, {upstream});
  pass.run({});
}

template void Tape::backward(const Var<float>&);
template void Tape::backward(const Var<double>&);
template void Tape::backward(const Var<float>&, const Var<float>&);
template void Tape::backward(const Var<double>&, const Var<double>&);

template <class S>
std::vector<Var<S>> gradients(const std::vector<Var<S>>& outputs, const std::vector<Var<S>>& inputs,
                              const std::vector<Var<S>>& upstream, bool create_graph) {
  Tape* tape = Tape::current();
  if (tape == nullptr) throw TapeError("[gradients] want a tape on this thread, got none");
  std::vector<Var<S>> seeds = upstream;
  if (seeds.empty()) {
    for (const auto& output : outputs) {
      if (output.size() != 1) {
        throw TapeError(
            fmt::format("[gradients] outputs want one element each when no upstream is given, got {}",
                        to_string(output.shape())));
      }
      seeds.emplace_back(ones<S>(output.shape()));
    }
  }
  if (seeds.size() != outputs.size()) {
    throw ShapeError(fmt::format("[gradients] upstream want {} entries (one per output), got {}",
                                 outputs.size(), seeds.size()));
  }
  for (std::size_t k = 0; k < seeds.size(); ++k) {
    if (seeds[k].shape() != outputs[k].shape()) {
      throw ShapeError(fmt::format("[gradients] upstream[{}] want {} (the output's shape), got {}", k,
                                   to_string(outputs[k].shape()), to_string(seeds[k].shape())));
    }
  }
  std::vector<std::uint32_t> targets;
  for (const auto& in : inputs) targets.push_back(tape->node_of(in));

  std::optional<NoGrad> no_recording;
  if (!create_graph) no_recording.emplace();
  detail::Backprop pass(*tape);
  pass.seed(outputs, seeds);
  pass.restrict_to(targets);
  pass.run(targets);

  std::vector<Var<S>> result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto* g =
        static_cast<detail::Value<S>*>(targets[i] == detail::kNoNode ? nullptr : pass.gradient(targets[i]));
    if (g == nullptr) {
      result.emplace_back(zeros<S>(inputs[i].shape()));
    } else if (g->data.shape() != inputs[i].shape()) {
      throw_wrong_gradient("gradients", g->data.shape(), inputs[i].shape());
    } else {
      ++g->references;  // the same input may be asked for twice
      result.emplace_back(g);
    }
  }
  return result;
}
template std::vector<Var<float>> gradients(const std::vector<Var<float>>&, const std::vector<Var<float>>&,
                                           const std::vector<Var<float>>&, bool);
template std::vector<Var<double>> gradients(const std::vector<Var<double>>&, const std::vector<Var<double>>&,
                                            const std::vector<Var<double>>&, bool);

template <class S>
void record_joint(const char* op, std::vector<Var<S>>& outputs, const std::vector<Var<S>>& inputs,
                  JointRule<S> rule) {
  const auto& state = detail::thread_state;
  if (state.detect_nonfinite) {
    std::vector<detail::CheckedInput> checked;
    for (const auto& in : inputs) checked.push_back({in.name(), detail::is_finite(in)});
    for (const auto& output : outputs) detail::check_forward<S>(op, output, checked);
  }
  if (!state.recording) return;
  Tape& tape = *state.tape;
  std::vector<std::uint32_t> parents;
  bool needed = false;
  for (const auto& in : inputs) {
    parents.push_back(in.defined() ? tape.node_of(in) : detail::kNoNode);
    needed |= parents.back() != detail::kNoNode;
  }
  if (!needed) return;
  const std::uint32_t node =
      tape.emplace<detail::JointNode<S>>(op, std::move(parents), outputs.size(), std::move(rule));
  for (auto& output : outputs) {
    output.get()->node = tape.emplace<detail::PortNode<S>>(op, node);
    output.get()->tape = tape.serial();
  }
}
template void record_joint(const char*, std::vector<Var<float>>&, const std::vector<Var<float>>&,
                           JointRule<float>);
template void record_joint(const char*, std::vector<Var<double>>&, const std::vector<Var<double>>&,
                           JointRule<double>);

}  // namespace unroll
