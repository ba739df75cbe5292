// Var<S>: a cheap handle to a value that a tape may differentiate.
#pragma once

#include <algorithm>
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
  // Serial number of the last tape that recorded an op of it as a constant; 0: none.
  std::uint64_t reader = 0;
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
struct Value;

// This thread's discarded small values, whole containers by shape: an op's result has often just been an
// earlier op's of the same shape, and setting up a container costs more than computing 16 elements. On a
// thread that helps another there are none (borrowed_pool.hpp): what it makes, the other one discards.
template <class S>
struct Recycler {
  static constexpr std::uint32_t kSlots = 256, kNoSlot = kSlots;  // 2^8, for the upper 8 bits of slot_of
  static constexpr std::size_t kLargest = 1024;                   // elements of a value that is kept
  static constexpr std::size_t kMaxHeld = std::size_t{1} << 16;   // values
  Value<S>* slots[kSlots] = {};
  std::size_t held = 0;
  std::size_t limit = 0;  // 0 before this thread's first value and after its end, else kMaxHeld

  // Shapes of the same elements mostly differ in their last axis. The upper bits of products with large odd
  // numbers are well mixed.
  static std::uint32_t slot_of(std::size_t elements, const Shape& shape) noexcept {
    const std::size_t last = shape.empty() ? 0 : shape.back();
    return static_cast<std::uint32_t>(elements * 0x9e3779b1 + last * 0x85ebca6b +
                                      shape.size() * 0xc2b2ae35) >>
           24;
  }
};
template <class S>
inline thread_local constinit Recycler<S> recycler{};
template <class S>
void open_recycler();

template <class S>
struct Value : ValueBase {
  // Where the recycler keeps this value once it is discarded, and with how many elements. Values of tensors,
  // as inputs are, would only pile up there.
  std::uint32_t slot = Recycler<S>::kNoSlot, elements = 0;
  Tensor<S> data;
  std::unique_ptr<Leaf<S>> leaf;  // null: not a parameter
  Value* next = nullptr;          // among discarded values

  explicit Value(Tensor<S>&& tensor) : data(std::move(tensor)) {}
  explicit Value(const Shape& shape) : data(shape) {}
  static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { pool_free(block, bytes); }
};

template <class S>
[[gnu::noinline]] Value<S>* new_value(const Shape& shape, std::size_t elements, std::uint32_t slot) {
  auto& cache = recycler<S>;
  if (cache.limit == 0) open_recycler<S>();
  auto* value = new Value<S>(shape);
  if (UNROLL_POOL && elements <= cache.kLargest && cache.limit > 0) {
    value->slot = slot;
    value->elements = static_cast<std::uint32_t>(elements);
  }
  return value;
}

// Takes a value out of its list.
template <class S>
Value<S>* taken(Value<S>*& from) noexcept {
  Value<S>* value = from;
  from = value->next;
  --recycler<S>.held;
  value->references = 1;
  value->node = kNoNode;
  value->tape = 0;
  value->reader = 0;
  return value;
}

// take_value() where the first of the list has another shape: the next ones are looked at, or it makes room.
template <class S>
[[gnu::noinline]] Value<S>* take_further(const Shape& shape, std::size_t elements, std::uint32_t slot) {
  constexpr int kLookedAt = 8;
  Value<S>** at = &recycler<S>.slots[slot];
  for (int i = 0; i < kLookedAt && *at != nullptr; ++i, at = &(*at)->next) {
    if ((*at)->data.shape() == shape) return taken(*at);
  }
  delete taken(recycler<S>.slots[slot]);
  return new_value<S>(shape, elements, slot);
}

// A value of this shape with undefined elements.
template <class S>
Value<S>* take_value(const Shape& shape) {
  auto& cache = recycler<S>;
  const std::size_t elements = element_count(shape);
  const std::uint32_t slot = cache.slot_of(elements, shape);
  Value<S>*& first = cache.slots[slot];
  if (first == nullptr) [[unlikely]]
    return new_value<S>(shape, elements, slot);
  if (first->data.shape() != shape) [[unlikely]]
    return take_further<S>(shape, elements, slot);
  return taken(first);
}

// Gives back a value that nobody refers to any more.
template <class S>
void discard_value(Value<S>* value) noexcept {
  auto& cache = recycler<S>;
  // A tensor that was moved out of its value, or changed its size, is not what the recycler keeps there; with
  // another shape of this size take_value() deals.
  if (value->slot != cache.kNoSlot && value->data.storage().size() == value->elements &&
      cache.held < cache.limit) [[likely]] {
    value->next = std::exchange(cache.slots[value->slot], value);
    ++cache.held;
    return;
  }
  delete value;
}

[[noreturn]] void throw_empty_var();
[[noreturn]] void throw_not_scalar(const Shape& shape);
[[noreturn]] void throw_no_gradient(const std::string& parameter);

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
  // A constant of zeros, and one with this tensor's elements.
  static Var zeros(const Shape& shape) {
    Var result = uninitialized(shape);
    std::fill_n(result.value_->data.data(), result.value_->data.storage().size(), S(0));
    return result;
  }
  static Var copy_of(const Tensor<S>& tensor) {
    Var result = uninitialized(tensor.shape());
    std::copy_n(tensor.data(), tensor.storage().size(), result.value_->data.data());
    return result;
  }

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
  // The tensor; throws TapeError for an empty handle. A temporary's, as in model(x).value(), is handed over
  // by value, since its handle is gone before the next statement.
  const Tensor<S>& value() const& { return checked()->data; }
  Tensor<S> value() &&;
  const Shape& shape() const& { return checked()->data.shape(); }
  Shape shape() && { return checked()->data.shape(); }
  // Size along axis; a negative axis counts from the end.
  std::size_t shape(Index axis) const {
    return checked()->data.shape()[normalize_axis("Var::shape", axis, dimension())];
  }
  std::size_t dimension() const { return checked()->data.dimension(); }
  std::size_t size() const { return checked()->data.size(); }
  // The elements, row by row. Of a temporary they would be gone with it: keep the Var, or its value().
  const S* data() const& { return checked()->data.data(); }
  const S* data() && = delete;
  // The only element; throws ShapeError when there are more.
  S item() const {
    if (size() != 1) detail::throw_not_scalar(checked()->data.shape());
    return checked()->data.data()[0];
  }

  // The tensor, to be changed in place (initialisation, optimizers): to be called for every change. A tape
  // of this thread that has used this value, be it as a constant, refuses a later backward(), since what it
  // recorded no longer holds.
  Tensor<S>& mutable_value() &;
  Tensor<S>& mutable_value() && = delete;  // keep the Var

  // True for a parameter and for what the current tape has computed from one.
  bool requires_grad() const noexcept;
  // The same value as a constant: gradients stop here. Shares nothing with the tape; copies the tensor.
  Var detach() const { return copy_of(value()); }

  // A parameter's gradient, of the parameter's shape. It lives as long as the tape that computed it;
  // a parameter has one gradient, so an inner tape's backward() takes the place of an outer one's.
  // Throws TapeError when there is none.
  const Tensor<S>& grad() const& {
    if (!has_grad()) [[unlikely]]
      detail::throw_no_gradient(name());
    return value_->leaf->gradient.value();
  }
  Tensor<S> grad() && { return std::as_const(*this).grad(); }
  bool has_grad() const noexcept {
    return value_ != nullptr && value_->leaf && value_->leaf->gradient.defined();
  }
  // The gradient, to be changed in place (clipping).
  Tensor<S>& mutable_grad() &;
  Tensor<S>& mutable_grad() && = delete;  // keep the Var
  void clear_grad() noexcept;

  // Calls hook with this Var's complete gradient during every backward pass that computes it; a defined
  // result replaces the gradient. On a parameter a hook stays, on another value it lasts as long as the tape.
  // Throws TapeError for a constant, ArgumentError for an empty function.
  void register_hook(Hook hook);

  // A parameter's name, "" if it has none; error messages print it.
  const std::string& name() const& noexcept;
  std::string name() && { return std::as_const(*this).name(); }
  void set_name(std::string name);

  // True when both handles share one value.
  bool same_as(const Var& other) const noexcept { return value_ == other.value_; }

  // For the tape and for ops. raw(): the elements of a value that the caller has just made, to be filled.
  S* raw() const noexcept { return value_->data.data(); }
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
