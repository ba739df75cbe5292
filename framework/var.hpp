// Var<S>: a cheap handle to a value that a tape may differentiate.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "framework/program/tracing.hpp"
#include "framework/tensor.hpp"

namespace unroll {

template <class S>
class Var;

namespace detail {

inline constexpr std::uint32_t kNoNode = 0xffffffffU;

// The target of a Var: a reference count (not atomic: a Var belongs to one thread at a time) and the value's
// node on the tape that last recorded it.
struct ValueBase {
  std::uint32_t references = 1;
  std::uint32_t node = kNoNode;
  std::uint64_t tape = 0;  // serial number of that tape; 0: none
  // Serial number of the last tape that recorded an op with this value as a constant; 0: none.
  std::uint64_t reader = 0;
};

// Data that only parameters have.
template <class S>
struct Leaf {
  std::string name;
  Var<S> gradient;
  std::uint64_t gradient_tape = 0;  // the tape that computed gradient
  std::uint64_t changes = 0;        // calls of mutable_value(), on whatever thread
  std::vector<std::function<Var<S>(const Var<S>&)>> hooks;
  std::shared_ptr<void> packed;  // the value packed for products, while a tape uses it (ops/matmul.cpp)
};

// A tensor with its references. The elements of a small one stand behind it, in one block of the pool.
template <class S>
struct Value : ValueBase {
  std::unique_ptr<Leaf<S>> leaf;  // null: not a parameter
  Tensor<S> data;

  explicit Value(Tensor<S>&& tensor) : data(std::move(tensor)) {}
  // With undefined elements.
  static Value* make(const Layout* layout);
  static void* operator new(std::size_t bytes) { return small_allocate(bytes); }
  static void* operator new(std::size_t, void* block) noexcept { return block; }
  static void operator delete(void* block) noexcept { small_free(block); }

 private:
  Value(const Layout* layout, S* behind) noexcept : data(layout, behind) {}
};

template <class S>
[[gnu::noinline]] Value<S>* make_large(const Layout* layout) {
  return new Value<S>(Tensor<S>(LayoutRef(layout)));
}

template <class S>
inline Value<S>* Value<S>::make(const Layout* layout) {
  // Under AddressSanitizer elements have a block of their own, so that reads before them are detected.
  if (!UNROLL_POOL || !layout->few) [[unlikely]]
    return make_large<S>(layout);
  void* block = small_allocate(sizeof(Value) + layout->elements * sizeof(S));
  return new (block) Value(layout, reinterpret_cast<S*>(static_cast<std::byte*>(block) + sizeof(Value)));
}

template <class S>
[[gnu::noinline]] void destroy(Value<S>* value) noexcept {
  delete value;
}

// Ends a value without references. Mostly only its block is left to be freed.
template <class S>
[[gnu::noinline]] void discard(Value<S>* value) noexcept {
  if (value->leaf == nullptr && is_behind_value(value->data)) [[likely]]
    return small_free(value);
  destroy(value);
}

[[noreturn]] void throw_empty_var();
[[noreturn]] void throw_not_scalar(const Shape& shape);
[[noreturn]] void throw_no_gradient(const std::string& parameter);

}  // namespace detail

// A handle to a value: copies share the value. While a tape records, results of ops know their node on it. A
// Var made from a tensor is a constant; parameter() makes one whose gradient backward() computes. A Var, like
// a tape, belongs to one thread at a time.
template <class S>
class Var {
 public:
  using Scalar = S;
  using Hook = std::function<Var(const Var&)>;

  // Makes an empty handle; using its value throws TapeError.
  Var() noexcept = default;
  // Makes a constant.
  Var(Tensor<S> tensor) : value_(new detail::Value<S>(std::move(tensor))) {}
  // Returns an uninitialised value of this shape, to be filled through mutable_value().
  static Var uninitialized(const Shape& shape) {
    return Var(detail::Value<S>::make(detail::layout_of(shape)));
  }
  // Returns the same in the shape of another value.
  static Var uninitialized_like(const Var& other) {
    return Var(detail::Value<S>::make(detail::layout_of(other.checked()->data)));
  }
  // Return a constant of zeros, and one with this tensor's elements.
  static Var zeros(const Shape& shape) {
    Var result = uninitialized(shape);
    std::fill_n(result.value_->data.data(), result.value_->data.storage().size(), S(0));
    return result;
  }
  static Var copy_of(const Tensor<S>& tensor) {
    Var result(detail::Value<S>::make(detail::layout_of(tensor)));
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
    if (value_ != nullptr && --value_->references == 0) detail::discard(value_);
  }

  bool defined() const noexcept { return value_ != nullptr; }
  // Returns the tensor; throws TapeError for an empty handle. A temporary, as in model(x).value(), returns it
  // by value, because the handle is gone before the next statement.
  const Tensor<S>& value() const& {
    note_read();
    return checked()->data;
  }
  Tensor<S> value() &&;
  const Shape& shape() const& { return checked()->data.shape(); }
  Shape shape() && { return checked()->data.shape(); }
  // Returns the size along axis; a negative axis counts from the end.
  std::size_t shape(Index axis) const {
    return checked()->data.shape()[normalize_axis("Var::shape", axis, dimension())];
  }
  std::size_t dimension() const { return checked()->data.dimension(); }
  std::size_t size() const { return checked()->data.size(); }
  // Returns the elements, row-major. Deleted for a temporary, whose elements go with it: keep the Var, or its
  // value().
  const S* data() const& {
    note_read();
    return checked()->data.data();
  }
  const S* data() && = delete;
  // Returns the only element; throws ShapeError if there are more.
  S item() const {
    if (size() != 1) detail::throw_not_scalar(checked()->data.shape());
    note_read();
    return checked()->data.data()[0];
  }

  // Returns the tensor for a change in place (initialisation, optimizers). Call it for every change. A tape
  // of this thread that has used this value, also as a constant, then refuses backward(), because its record
  // is out of date.
  Tensor<S>& mutable_value() &;
  Tensor<S>& mutable_value() && = delete;  // keep the Var

  // Returns true for a parameter and for values that the current tape has computed from one.
  bool requires_grad() const noexcept;
  // Returns the same value as a constant: gradients stop here. Copies the tensor and shares nothing with the
  // tape.
  Var detach() const { return copy_of(value()); }

  // Returns a parameter's gradient, in the parameter's shape. It lives as long as the tape that computed it.
  // A parameter has one gradient: an inner tape's backward() replaces an outer tape's. Throws TapeError if
  // there is none.
  const Tensor<S>& grad() const& {
    if (!has_grad()) [[unlikely]]
      detail::throw_no_gradient(name());
    return value_->leaf->gradient.tensor();
  }
  Tensor<S> grad() && { return std::as_const(*this).grad(); }
  bool has_grad() const noexcept {
    return value_ != nullptr && value_->leaf && value_->leaf->gradient.defined();
  }
  // Returns the gradient for a change in place (clipping).
  Tensor<S>& mutable_grad() &;
  Tensor<S>& mutable_grad() && = delete;  // keep the Var
  void clear_grad() noexcept;

  // Calls hook with this Var's complete gradient in every backward pass that computes it; a defined result
  // replaces the gradient. A hook on a parameter stays; on another value it lasts as long as the tape. Throws
  // TapeError for a constant, ArgumentError for an empty function.
  void register_hook(Hook hook);

  // Returns a parameter's name, which error messages print; "" if it has none.
  const std::string& name() const& noexcept;
  std::string name() && { return std::as_const(*this).name(); }
  void set_name(std::string name);

  // Returns true if both handles share one value.
  bool same_as(const Var& other) const noexcept { return value_ == other.value_; }

  // For the tape and for ops. raw() gives the elements of a value that the caller has just made, to be
  // filled.
  S* raw() const noexcept { return value_->data.data(); }
  // The same as data() and value(), for ops that tell a trace what they compute
  // (framework/program/trace.hpp).
  const S* elements() const { return checked()->data.data(); }
  const Tensor<S>& tensor() const { return checked()->data; }
  detail::Value<S>* get() const noexcept { return value_; }
  detail::Value<S>* release() noexcept { return std::exchange(value_, nullptr); }
  explicit Var(detail::Value<S>* adopted) noexcept : value_(adopted) {}

 private:
  // A step that looks at its numbers cannot be compiled.
  void note_read() const noexcept {
    if (detail::tracing) [[unlikely]]
      detail::trace_read(value_);
  }
  detail::Value<S>* checked() const {
    if (value_ == nullptr) [[unlikely]]
      detail::throw_empty_var();
    return value_;
  }
  detail::Value<S>* value_ = nullptr;
};

template <class S>
Var(Tensor<S>) -> Var<S>;

template <class S>
[[gnu::always_inline]] inline bool have_same_shape(const Var<S>& a, const Var<S>& b) {
  return have_same_shape(a.tensor(), b.tensor());
}

// Returns a leaf whose gradient backward() computes; error messages print name.
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
