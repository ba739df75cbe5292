// Tape: records the ops of a thread and runs them backward.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "framework/var.hpp"

namespace unroll {

class Tape;

namespace detail {

struct Node;
class Backprop;
class MemoryTracker;

// The functions of one kind of node: one static table per op instantiation.
struct NodeType {
  // Passes upstream (d loss / d output) on to the node's parents.
  void (*run)(Node&, Backprop&, std::uint32_t index);
  std::span<const std::uint32_t> (*parents)(const Node&) noexcept;
  void (*destroy)(Node&) noexcept;
  void (*drop_gradient)(ValueBase*) noexcept;  // releases a gradient of this node's scalar type
  bool is_port = false;                        // an output of a node with several outputs
  bool gathers_outputs = false;                // the node with several outputs
};

struct Node {
  const NodeType* type;
  const char* name;
};

// This thread's recording state. Constant-initialised: reading it needs no guard.
struct ThreadState {
  Tape* tape = nullptr;  // innermost tape of this thread
  bool recording = false;
  bool tracing = false;                // as detail::tracing, where it costs least to ask for
  std::uint32_t no_grad = 0;           // live NoGrad objects
  std::uint32_t detect_nonfinite = 0;  // live DetectNonfinite objects
  std::uint64_t clock = 0;             // counts the tapes and NoGrad objects begun

  void update_recording() noexcept;
};
inline thread_local constinit ThreadState thread_state{};

// Returns whether ops are recorded, traced, or checked by DetectNonfinite; if not, a value is all that they
// make.
inline bool ops_are_watched() noexcept {
  return thread_state.recording || thread_state.detect_nonfinite > 0 || thread_state.tracing;
}

// Checks for NaN and infinity under DetectNonfinite (anomaly.cpp).
struct CheckedInput {
  const std::string& name;
  bool finite;
};
template <class S>
bool is_finite(const Var<S>& var) noexcept;
template <class S>
void check_forward(const char* op, const Var<S>& output, std::span<const CheckedInput> inputs);
template <class S>
void check_backward(const Tape& tape, const char* op, std::uint32_t node, std::uint32_t parent,
                    const Var<S>& g);

template <class S>
void drop_gradient(ValueBase* base) noexcept {
  Var<S> dropped(static_cast<Value<S>*>(base));
}

}  // namespace detail

// Records the ops of its thread from construction until destruction or stop(). Without a tape nothing is
// recorded. Tapes nest: the innermost one records, and values computed on another tape are constants to it.
// Tapes may end in any order, also on another thread while the thread that made them uses no tapes. Nodes are
// in creation order: the backward pass is a loop from the last to the first, without recursion.
//
//   Tape tape;
//   auto loss = mse_loss(model(x), y);
//   tape.backward(loss);     // now p.grad() is d loss / d p for every parameter p that was used
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Stops recording; backward() still works.
  void stop() noexcept;

  // Adds d loss / d p to the gradient of every parameter p that loss depends on. loss must have one element.
  // Throws TapeError if it has more, if it is not on this tape, or if a parameter, constant or result that
  // was used has changed since.
  template <class S>
  void backward(const Var<S>& loss);
  // Does the same for sum(output * upstream); upstream has output's shape.
  template <class S>
  void backward(const Var<S>& output, const Var<S>& upstream);

  // Drops the recorded ops and keeps the parameters' gradients: for micro-batches.
  void release() noexcept;

  // The number of recorded nodes; the bytes of the tape itself, without values; the bytes of these in use.
  std::size_t size() const noexcept { return node_count_; }
  std::size_t bytes() const noexcept;
  std::size_t used_bytes() const noexcept;

  // Returns the innermost tape of this thread, or null.
  static Tape* current() noexcept { return detail::thread_state.tape; }
  static bool is_recording() noexcept { return detail::thread_state.recording; }

  // For record() and the backward pass.
  std::uint64_t serial() const noexcept { return serial_; }
  // Throws TapeError if a value has changed since a recorded op used it.
  void check_unchanged(const char* where);
  template <class S>
  std::uint32_t node_of(const Var<S>& var) {
    detail::Value<S>* value = var.get();
    if (value == nullptr) [[unlikely]]
      return detail::kNoNode;  // an absent optional input
    if (value->tape == serial_) return value->node;
    if (value->leaf == nullptr) {
      if (value->tape != 0) [[unlikely]]
        note_result(value->tape);
      return detail::kNoNode;
    }
    return add_leaf(var);
  }
  // Returns what an op used on this tape that needs a gradient elsewhere: "parameter 'w'" for a parameter not
  // among these, "result of an outer tape"; empty if there is nothing of the kind.
  template <class S>
  std::string used_from_outside(std::span<const Var<S>> own) const;
  // Marks a value as used by a recorded op. Only constants need it: other values have a node on this tape.
  template <class S>
  void note_use(const Var<S>& var) {
    if (!var.defined()) return;
    if (outer_ == nullptr) [[likely]]
      var.get()->reader = serial_;
    else
      note_reader(var);
  }
  template <class NodeT, class... Args>
  std::uint32_t emplace(Args&&... args) {
    auto* node = ::new (allocate(sizeof(NodeT), alignof(NodeT))) NodeT(std::forward<Args>(args)...);
    return push(node);
  }

 private:
  friend class detail::Backprop;
  friend class detail::MemoryTracker;
  friend struct detail::ThreadState;
  friend class NoGrad;
  template <class S>
  friend class Var;
  template <class S>
  friend void detail::check_backward(const Tape&, const char*, std::uint32_t, std::uint32_t, const Var<S>&);

  struct Chunk {
    std::byte* data;
    std::size_t bytes;
  };

  template <class S>
  std::uint32_t add_leaf(const Var<S>& var);
  [[gnu::always_inline]] void* allocate(std::size_t bytes, std::size_t alignment) {
    std::size_t at = (cursor_ + alignment - 1) & ~(alignment - 1);
    if (at + bytes > limit_) [[unlikely]] {
      add_chunk(bytes + alignment);
      at = (cursor_ + alignment - 1) & ~(alignment - 1);
    }
    cursor_ = at + bytes;
    return reinterpret_cast<void*>(at);
  }
  void add_chunk(std::size_t at_least);
  [[gnu::always_inline]] std::uint32_t push(detail::Node* node) {
    if (detail::thread_state.detect_nonfinite > 0) [[unlikely]]
      remember_context();
    if (node_count_ == nodes_.size()) [[unlikely]]
      grow_nodes();
    nodes_[node_count_] = node;
    return node_count_++;
  }
  void grow_nodes();
  void remember_context();
  void clear_nodes() noexcept;
  void clear_leaf_gradients() noexcept;
  // Removes this tape from its thread's list.
  void unlink(detail::ThreadState& home) noexcept;
  // When `inner` ends after this tape, parameters get back the place that they had before this tape.
  void hand_on_places(Tape& inner) noexcept;
  template <class S>
  bool has_used(const Var<S>& var) const noexcept;  // as a parameter, result or constant
  template <class S>
  void note_reader(const Var<S>& var);
  template <class S>
  void note_change(const Var<S>& var);
  void note_result(std::uint64_t tape) noexcept;  // of another tape

  // A value that was changed in place after a recorded op used it.
  struct Change {
    const char* kind;
    const std::string* name;  // "" if it has none
    Shape shape;
  };

  std::uint64_t serial_;
  std::size_t cursor_ = 0, limit_ = 0;  // free part of the last chunk
  PooledVector<Chunk> chunks_;
  Buffer<detail::Node*> nodes_;  // with room for more than there are
  std::uint32_t node_count_ = 0;
  std::tuple<PooledVector<Var<float>>, PooledVector<Var<double>>> leaves_;  // parameters used on this tape
  std::unordered_map<std::uint32_t, std::vector<std::function<void*(void*)>>> hooks_;
  std::unordered_map<std::uint32_t, std::string> contexts_;  // layer and step by node, under DetectNonfinite
  std::optional<Change> change_;                             // the first one
  // Constants of this tape that an inner tape used later: their `reader` no longer names this tape.
  std::tuple<PooledVector<Var<float>>, PooledVector<Var<double>>> also_read_;
  struct Leave;
  std::atomic<detail::ThreadState*> home_;  // of the thread that made it; null after that thread's end
  Tape* outer_;
  bool stopped_ = false;
  bool used_outer_result_ = false;
  std::uint64_t birth_;    // on the thread's clock
  std::uint32_t no_grad_;  // live NoGrad objects older than this tape; only newer ones stop its recording
};

inline void detail::ThreadState::update_recording() noexcept {
  recording = tape != nullptr && !tape->stopped_ && no_grad <= tape->no_grad_;
}

// Stops recording on this thread while it lives, except on tapes that begin later.
class NoGrad {
 public:
  NoGrad() noexcept : birth_(++detail::thread_state.clock) {
    ++detail::thread_state.no_grad;
    detail::thread_state.recording = false;
  }
  ~NoGrad() {
    --detail::thread_state.no_grad;
    for (Tape* t = Tape::current(); t != nullptr && t->birth_ > birth_; t = t->outer_) --t->no_grad_;
    detail::thread_state.update_recording();
  }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  std::uint64_t birth_;
};

// Returns d sum_k(outputs[k] * upstream[k]) / d inputs[i] for every i, computed on the current tape. No
// parameter's gradient changes, and only what leads to the inputs is computed. inputs are parameters or any
// values on the tape; an input that the outputs do not depend on gets zeros. An empty upstream means 1 for
// every output, which must then have one element. With create_graph the result is recorded and can be
// differentiated again. Throws TapeError without a tape, ShapeError for an upstream of another shape.
template <class S>
std::vector<Var<S>> gradients(const std::vector<Var<S>>& outputs, const std::vector<Var<S>>& inputs,
                              const std::vector<Var<S>>& upstream = {}, bool create_graph = false);

namespace detail {
// Returns partial derivatives: nothing reaches an input through another one that is computed from it.
template <class S>
std::vector<Var<S>> partial_gradients(const std::vector<Var<S>>& outputs, const std::vector<Var<S>>& inputs,
                                      const std::vector<Var<S>>& upstream);
}  // namespace detail

}  // namespace unroll
