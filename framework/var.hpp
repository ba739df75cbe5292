// Var<S>: a cheap handle to a value that a tape may differentiate.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

template <class S>
class Var;

namespace detail {

inline constexpr std::uint32_t kNoNode = 0xffffffffU;

// What a Var points at: a reference count (not atomic: a Var belongs to one thread at a time) and the place
// of the value on the tape that last recorded it.
struct ValueBase {
  std::uint32_t references = 1;
  std::uint32_t node = kNoNode;
  std::uint64_t tape = 0;  // serial number of that tape; 0: none
};

// What only parameters have.
template <class S>
struct Leaf {
  std::string name;
  Var<S> gradient;
  std::uint64_t gradient_tape = 0;  // the tape that computed gradient
  std::vector<std::function<Var<S>(const Var<S>&)>> hooks;
  std::shared_ptr<void> packed;  // the value laid out for products, while a tape uses it (ops/matmul.cpp)
};

template <class S>
struct Value : ValueBase {
  Tensor<S> data;
  std::unique_ptr<Leaf<S>> leaf;  // null: not a parameter
  Value* next = nullptr;          // among discarded values
  // Made by take_value() and so given back to it. Values of tensors, as inputs are, would only pile up there.
  const bool recycles;

  explicit Value(Tensor<S>&& tensor) : data(std::move(tensor)), recycles(false) {}
  explicit Value(const Shape& shape) : data(shape), recycles(true) {}
  static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { pool_free(block, bytes); }
};

// This thread's discarded small values, whole containers by shape: an op's result has often just been an
// earlier op's of the same shape, and setting up a container costs more than computing 16 elements.
template <class S>
struct Recycler {
  static constexpr std::size_t kSlots = 32;
  static constexpr std::size_t kLargest = 1024;                  // elements of a value that is kept
  static constexpr std::size_t kMaxHeld = std::size_t{1} << 16;  // values
  Value<S>* slots[kSlots] = {};
  std::size_t held = 0;
  bool open = false;  // false before this thread's first value and after its end

  static std::size_t slot_of(const Shape& shape) noexcept {
    std::size_t hash = shape.size();
    for (std::size_t d : shape) hash = hash * 31 + d;
    return hash % kSlots;
  }
};
template <class S>
inline thread_local constinit Recycler<S> recycler{};
template <class S>
void open_recycler();

// A value of this shape with undefined elements.
template <class S>
Value<S>* take_value(const Shape& shape) {
  auto& cache = recycler<S>;
  Value<S>*& slot = cache.slots[cache.slot_of(shape)];
  if (Value<S>* value = slot) {
    slot = value->next;
    --cache.held;
    if (value->data.shape() == shape) [[likely]] {
      value->references = 1;
      value->node = kNoNode;
      value->tape = 0;
      return value;
    }
    delete value;
  } else if (!cache.open) [[unlikely]] {
    open_recycler<S>();
  }
  return new Value<S>(shape);
}

// Gives back a value that nobody refers to any more.
template <class S>
void discard_value(Value<S>* value) noexcept {
  auto& cache = recycler<S>;
  const auto& data = value->data;
  // A tensor that was moved out of its value leaves its shape behind, but no elements.
  const bool whole = data.storage().size() == element_count(data.shape());
  if (UNROLL_POOL && value->recycles && value->leaf == nullptr && whole &&
      data.storage().size() <= cache.kLargest && cache.open && cache.held < cache.kMaxHeld) [[likely]] {
    Value<S>*& slot = cache.slots[cache.slot_of(data.shape())];
    value->next = slot;
    slot = value;
    ++cache.held;
    return;
  }
  delete value;
}

[[noreturn]] void throw_empty_var();
[[noreturn]] void throw_not_scalar(const Shape& shape);

}  // namespace detail

// A handle to a value: copying it shares the value. While a tape records, results of ops know their place on
// it. A Var made from a tensor is a constant; parameter() makes one whose gradient backward() computes.
// A Var, like the tape, belongs to one thread at a time.
template <class S>
class Var {
 public:
  using Scalar = S;
  using Hook = std::function<Var(const Var&)>;

  // An empty handle; using its value throws TapeError.
  Var() noexcept = default;
  // A constant.
  Var(Tensor<S> tensor) : value_(new detail::Value<S>(std::move(tensor))) {}
  // An uninitialised value of this shape, to be filled through mutable_value().
  static Var uninitialized(const Shape& shape) { return Var(detail::take_value<S>(shape)); }

  Var(const Var& other) noexcept : value_(other.value_) {
    if (value_ != nullptr) ++value_->references;
  }
  Var(Var&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Var& operator=(Var other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Var() {
    if (value_ != nullptr && --value_->references == 0) detail::discard_value(value_);
  }

  bool defined() const noexcept { return value_ != nullptr; }
  // The tensor; throws TapeError for an empty handle.
  const Tensor<S>& value() const { return checked()->data; }
  const Shape& shape() const { return checked()->data.shape(); }
  // Size along axis; a negative axis counts from the end.
  std::size_t shape(Index axis) const { return shape()[normalize_axis("Var::shape", axis, dimension())]; }
  std::size_t dimension() const { return checked()->data.dimension(); }
  std::size_t size() const { return checked()->data.size(); }
  const S* data() const { return checked()->data.data(); }
  // The only element; throws ShapeError when there are more.
  S item() const {
    if (size() != 1) detail::throw_not_scalar(shape());
    return data()[0];
  }

  // The tensor, to be changed in place (initialisation, optimizers): to be called for every change. A tape
  // that has used this value refuses a later backward(), since what it recorded no longer holds.
  Tensor<S>& mutable_value();

  // True for a parameter and for what the current tape has computed from one.
  bool requires_grad() const noexcept;
  // The same value as a constant: gradients stop here. Shares nothing with the tape; copies the tensor.
  Var detach() const { return Var(value()); }

  // A parameter's gradient, of the parameter's shape. It lives as long as the tape that computed it;
  // a parameter has one gradient, so an inner tape's backward() takes the place of an outer one's.
  // Throws TapeError when there is none.
  const Tensor<S>& grad() const;
  bool has_grad() const noexcept {
    return value_ != nullptr && value_->leaf && value_->leaf->gradient.defined();
  }
  // The gradient, to be changed in place (clipping).
  Tensor<S>& mutable_grad();
  void clear_grad() noexcept;

  // Calls hook with this Var's complete gradient during every backward pass that computes it; a defined
  // result replaces the gradient. On a parameter a hook stays, on another value it lasts as long as the tape.
  // Throws TapeError for a constant.
  void register_hook(Hook hook);

  // A parameter's name, "" if it has none; error messages print it.
  const std::string& name() const noexcept;
  void set_name(std::string name);

  // True when both handles share one value.
  bool same_as(const Var& other) const noexcept { return value_ == other.value_; }

  // For the tape and for ops.
  detail::Value<S>* get() const noexcept { return value_; }
  detail::Value<S>* release() noexcept { return std::exchange(value_, nullptr); }
  explicit Var(detail::Value<S>* adopted) noexcept : value_(adopted) {}

 private:
  detail::Value<S>* checked() const {
    if (value_ == nullptr) [[unlikely]]
      detail::throw_empty_var();
    return value_;
  }
  detail::Value<S>* value_ = nullptr;
};

template <class S>
Var(Tensor<S>) -> Var<S>;

// A leaf whose gradient backward() computes; name is what error messages call it.
template <class S>
Var<S> parameter(Tensor<S> tensor, std::string name = "") {
  Var<S> leaf(std::move(tensor));
  leaf.get()->leaf = std::make_unique<detail::Leaf<S>>();
  leaf.get()->leaf->name = std::move(name);
  return leaf;
}

extern template class Var<float>;
extern template class Var<double>;

}  // namespace unroll
