#include "framework/tape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "framework/nodes.hpp"

namespace unroll {

namespace {

constexpr std::size_t kFirstChunk = std::size_t{1} << 14;  // the arena's chunks double from here
constexpr std::size_t kLargestChunk = std::size_t{1} << 22;
// Enough for a small model, so that its tape does not grow step by step.
constexpr std::size_t kFirstNodes = 64, kFirstLeaves = 16;

std::uint64_t next_serial() noexcept {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

// Held while a thread ends, and while a tape ends on a thread that has not made it.
constinit std::mutex leaving;

}  // namespace

// The state of a thread that has made tapes. Tapes that outlive the thread have no home; its address may
// belong to another thread's state by then.
struct Tape::Leave {
  ~Leave() {
    const std::scoped_lock lock(leaving);
    for (Tape* tape = detail::thread_state.tape; tape != nullptr; tape = tape->outer_) tape->home_ = nullptr;
  }
};

Tape::Tape()
    : serial_(next_serial()),
      nodes_(kFirstNodes),
      home_(&detail::thread_state),
      outer_(detail::thread_state.tape),
      birth_(++detail::thread_state.clock),
      no_grad_(detail::thread_state.no_grad) {
  static thread_local const Leave leave;
  detail::thread_state.tape = this;
  detail::thread_state.recording = true;
}

Tape::~Tape() {
  if (home_.load(std::memory_order_relaxed) == &detail::thread_state) {
    unlink(detail::thread_state);
  } else {
    const std::scoped_lock lock(leaving);
    if (detail::ThreadState* home = home_) unlink(*home);
  }
  clear_leaf_gradients();
  clear_nodes();
  for (const Chunk& chunk : chunks_) detail::pool_free(chunk.data, chunk.bytes);
}

void Tape::unlink(detail::ThreadState& home) noexcept {
  if (home.tape == this) [[likely]] {
    home.tape = outer_;
    home.update_recording();
    return;
  }
  for (Tape* inner = home.tape; inner != nullptr; inner = inner->outer_) {
    hand_on_places(*inner);
    if (inner->outer_ != this) continue;
    inner->outer_ = outer_;
    return;
  }
}

void Tape::hand_on_places(Tape& inner) noexcept {
  const auto hand_on = [&]<class S>(detail::Node* node, const detail::LeafNode<S>*) {
    if (node->type != &detail::LeafNode<S>::kType) return;
    auto& theirs = static_cast<detail::LeafNode<S>&>(*node);
    if (theirs.outer_tape != serial_) return;
    const auto& mine = static_cast<const detail::LeafNode<S>&>(*nodes_[theirs.outer_node]);
    theirs.outer_tape = mine.outer_tape;
    theirs.outer_node = mine.outer_node;
  };
  for (detail::Node* node : std::span(inner.nodes_).first(inner.node_count_)) {
    hand_on(node, static_cast<const detail::LeafNode<float>*>(nullptr));
    hand_on(node, static_cast<const detail::LeafNode<double>*>(nullptr));
  }
}

template <class S>
bool Tape::has_used(const Var<S>& var) const noexcept {
  const detail::Value<S>* value = var.get();
  if (value->tape == serial_ || value->reader == serial_) return true;
  const auto holds = [&](const auto& lists) {
    const auto& list = std::get<PooledVector<Var<S>>>(lists);
    return std::any_of(list.begin(), list.end(), [&](const Var<S>& other) { return other.same_as(var); });
  };
  // A live inner tape now owns the parameter; an ended one may have been the last reader of the constant.
  return (detail::thread_state.tape != this && holds(leaves_)) || holds(also_read_);
}

template <class S>
void Tape::note_reader(const Var<S>& var) {
  auto* value = var.get();
  if (value->reader == serial_) return;
  for (Tape* tape = outer_; tape != nullptr; tape = tape->outer_) {
    if (tape->serial_ == value->reader) std::get<PooledVector<Var<S>>>(tape->also_read_).push_back(var);
  }
  value->reader = serial_;
}

void Tape::note_result(std::uint64_t tape) noexcept {
  for (const Tape* outer = outer_; outer != nullptr; outer = outer->outer_)
    used_outer_result_ |= outer->serial_ == tape;
}

template <class S>
void Tape::note_change(const Var<S>& var) {
  const auto& value = *var.get();
  change_ = Change{value.leaf != nullptr   ? "parameter"
                   : value.tape == serial_ ? "result"
                                           : "constant",
                   &var.name(), value.data.shape()};
}

template <class S>
std::string Tape::used_from_outside(std::span<const Var<S>> own) const {
  std::string found;
  const auto look = [&](const auto& leaves) {
    for (const auto& leaf : leaves) {
      const bool known = std::any_of(own.begin(), own.end(), [&](const Var<S>& var) {
        return static_cast<const void*>(var.get()) == static_cast<const void*>(leaf.get());
      });
      if (!known && found.empty())
        found = fmt::format("parameter '{}' of shape {}", leaf.name(), to_string(leaf.shape()));
    }
  };
  std::apply([&](const auto&... leaves) { (look(leaves), ...); }, leaves_);
  if (found.empty() && used_outer_result_) found = "result of an outer tape";
  return found;
}

#define UNROLL_INSTANTIATE(S)                                 \
  template bool Tape::has_used(const Var<S>&) const noexcept; \
  template void Tape::note_reader(const Var<S>&);             \
  template void Tape::note_change(const Var<S>&);             \
  template std::string Tape::used_from_outside(std::span<const Var<S>>) const;
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

void Tape::stop() noexcept {
  stopped_ = true;
  if (detail::thread_state.tape != nullptr) detail::thread_state.update_recording();
}

void Tape::release() noexcept {
  for (Tape* inner = detail::thread_state.tape; inner != nullptr && inner != this; inner = inner->outer_) {
    hand_on_places(*inner);
  }
  clear_nodes();
  // Frees all chunks but the last; values of this tape are constants from here on, and parameters get new
  // nodes.
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
  std::apply([&](auto&... leaves) { (adopt(leaves), ...); }, leaves_);
  change_.reset();
}

void Tape::clear_nodes() noexcept {
  for (detail::Node* node : std::span(nodes_).first(node_count_)) {
    if (node->type->destroy != nullptr) node->type->destroy(*node);
  }
  node_count_ = 0;
  hooks_.clear();
  contexts_.clear();
  std::apply([](auto&... constants) { (constants.clear(), ...); }, also_read_);
}

void Tape::clear_leaf_gradients() noexcept {
  const auto clear = [this](auto& leaves) {
    for (auto& leaf : leaves) {
      if (leaf.get()->leaf->gradient_tape == serial_) leaf.clear_grad();
    }
  };
  std::apply([&](auto&... leaves) { (clear(leaves), ...); }, leaves_);
}

void Tape::add_chunk(std::size_t at_least) {
  std::size_t bytes = chunks_.empty() ? kFirstChunk : std::min(chunks_.back().bytes * 2, kLargestChunk);
  bytes = std::max(bytes, at_least);
  chunks_.push_back({static_cast<std::byte*>(detail::pool_allocate(bytes)), bytes});
  cursor_ = reinterpret_cast<std::size_t>(chunks_.back().data);
  limit_ = cursor_ + bytes;
}

std::size_t Tape::bytes() const noexcept {
  std::size_t total = nodes_.size() * sizeof(detail::Node*);
  for (const Chunk& chunk : chunks_) total += chunk.bytes;
  return total;
}

std::size_t Tape::used_bytes() const noexcept {
  std::size_t total = node_count_ * sizeof(detail::Node*);
  for (const Chunk& chunk : chunks_) total += chunk.bytes;
  return total - (limit_ - cursor_);
}

void detail::throw_first_order(const char* op) {
  throw TapeError(fmt::format(
      "[{}] rule: expected one written with ops, got one in plain numbers (first_order), which has no second "
      "derivatives (call gradients() without create_graph, or write the rule with ops)",
      op));
}

void Tape::grow_nodes() {
  Buffer<detail::Node*> more(2 * nodes_.size());
  std::copy_n(nodes_.data(), node_count_, more.data());
  nodes_ = std::move(more);
}

void Tape::remember_context() { contexts_[node_count_] = LayerScope::describe(); }

template <class S>
std::uint32_t Tape::add_leaf(const Var<S>& var) {
  auto* value = var.get();
  value->node = emplace<detail::LeafNode<S>>(value, serial_);
  value->tape = serial_;
  auto& leaves = std::get<PooledVector<Var<S>>>(leaves_);
  if (leaves.empty()) leaves.reserve(kFirstLeaves);
  leaves.push_back(var);
  return value->node;
}
template std::uint32_t Tape::add_leaf(const Var<float>&);
template std::uint32_t Tape::add_leaf(const Var<double>&);

void Tape::check_unchanged(const char* where) {
  // What another thread has changed, which knows nothing of this tape.
  const auto look = [&]<class S>(const PooledVector<Var<S>>& leaves) {
    for (const Var<S>& leaf : leaves) {
      const detail::Value<S>& value = *leaf.get();
      if (value.tape != serial_) continue;
      const auto& node = static_cast<const detail::LeafNode<S>&>(*nodes_[value.node]);
      if (node.changes != value.leaf->changes && !change_) note_change(leaf);
    }
  };
  std::apply([&](const auto&... leaves) { (look(leaves), ...); }, leaves_);
  if (!change_) return;
  const std::string name = change_->name->empty() ? "" : fmt::format(" '{}'", *change_->name);
  throw TapeError(fmt::format(
      "[{}] {}{} of shape {} was changed after this tape had used it, so what was recorded no longer holds "
      "(start a new Tape for every step, or call release(); a buffer that is refilled: make a new Var)",
      where, change_->kind, name, to_string(change_->shape)));
}

template <class S>
void Tape::backward(const Var<S>& loss) {
  if (loss.size() != 1) {
    throw TapeError(
        fmt::format("[Tape::backward] loss: expected one element, got shape {} (reduce it, or give the "
                    "upstream gradient)",
                    to_string(loss.shape())));
  }
  Var<S> one = Var<S>::uninitialized(loss.shape());
  *one.raw() = S(1);
  backward(loss, one);
}

template <class S>
void Tape::backward(const Var<S>& output, const Var<S>& upstream) {
  if (output.shape() != upstream.shape()) {
    throw ShapeError(fmt::format("[Tape::backward] upstream: expected {} (the output's shape), got {}",
                                 to_string(output.shape()), to_string(upstream.shape())));
  }
  if (node_of(output) == detail::kNoNode) {
    throw TapeError(
        "[Tape::backward] expected a value that this tape has computed from a parameter, got a constant (was "
        "it computed before the tape, on another one, or without any parameter?)");
  }
  check_unchanged("Tape::backward");
  const NoGrad no_recording;
  detail::Backprop pass(*this);
  pass.seed<S>(std::span(&output, 1), std::span(&upstream, 1));
  pass.run({});
}

template void Tape::backward(const Var<float>&);
template void Tape::backward(const Var<double>&);
template void Tape::backward(const Var<float>&, const Var<float>&);
template void Tape::backward(const Var<double>&, const Var<double>&);

namespace {

template <class S>
std::vector<Var<S>> differentiate(const std::vector<Var<S>>& outputs, const std::vector<Var<S>>& inputs,
                                  const std::vector<Var<S>>& upstream, bool create_graph, bool partial) {
  Tape* tape = Tape::current();
  if (tape == nullptr) throw TapeError("[gradients] expected a tape on this thread, got none");
  std::vector<Var<S>> seeds = upstream;
  if (seeds.empty()) {
    for (const auto& output : outputs) {
      if (output.size() != 1) {
        throw TapeError(
            fmt::format("[gradients] outputs: expected one element each when no upstream is given, got {}",
                        to_string(output.shape())));
      }
      seeds.emplace_back(ones<S>(output.shape()));
    }
  }
  if (seeds.size() != outputs.size()) {
    throw ShapeError(fmt::format("[gradients] upstream: expected {} entries (one per output), got {}",
                                 outputs.size(), seeds.size()));
  }
  for (std::size_t k = 0; k < seeds.size(); ++k) {
    if (seeds[k].shape() != outputs[k].shape()) {
      throw ShapeError(fmt::format("[gradients] upstream[{}]: expected {} (the output's shape), got {}", k,
                                   to_string(outputs[k].shape()), to_string(seeds[k].shape())));
    }
  }
  std::vector<std::uint32_t> targets;
  for (const auto& in : inputs) targets.push_back(tape->node_of(in));

  tape->check_unchanged("gradients");
  std::optional<NoGrad> no_recording;
  if (!create_graph) no_recording.emplace();
  detail::Backprop pass(*tape);
  pass.seed<S>(outputs, seeds);
  pass.restrict_to(targets);
  if (partial) pass.end_at_kept();
  pass.run(targets);

  std::vector<Var<S>> result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto* g =
        static_cast<detail::Value<S>*>(targets[i] == detail::kNoNode ? nullptr : pass.gradient(targets[i]));
    if (g == nullptr) {
      result.emplace_back(zeros<S>(inputs[i].shape()));
    } else if (g->data.shape() != inputs[i].shape()) {
      detail::throw_wrong_gradient("gradients", g->data.shape(), inputs[i].shape());
    } else {
      ++g->references;  // the same input may be requested twice
      result.emplace_back(g);
    }
  }
  return result;
}

}  // namespace

template <class S>
std::vector<Var<S>> gradients(const std::vector<Var<S>>& outputs, const std::vector<Var<S>>& inputs,
                              const std::vector<Var<S>>& upstream, bool create_graph) {
  return differentiate(outputs, inputs, upstream, create_graph, false);
}
template <class S>
std::vector<Var<S>> detail::partial_gradients(const std::vector<Var<S>>& outputs,
                                              const std::vector<Var<S>>& inputs,
                                              const std::vector<Var<S>>& upstream) {
  return differentiate(outputs, inputs, upstream, false, true);
}
#define UNROLL_INSTANTIATE(S)                                                                    \
  template std::vector<Var<S>> gradients(const std::vector<Var<S>>&, const std::vector<Var<S>>&, \
                                         const std::vector<Var<S>>&, bool);                      \
  template std::vector<Var<S>> detail::partial_gradients(                                        \
      const std::vector<Var<S>>&, const std::vector<Var<S>>&, const std::vector<Var<S>>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

template struct detail::MultiOutputNode<float>;
template struct detail::MultiOutputNode<double>;

}  // namespace unroll
