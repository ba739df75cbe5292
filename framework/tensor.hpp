// Tensor<S>: the container of all values, an xtensor container in row-major order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>
#include <xtensor/xarray.hpp>

#include "framework/memory.hpp"
#include "framework/shape.hpp"

namespace unroll {

template <class S>
class Tensor;

namespace detail {

template <class S>
struct Value;

// Returns the layout of another tensor of this shape: the same, or a copy if it is this tensor's own.
template <class S>
const Layout* layout_of(const Tensor<S>& tensor);
// Returns whether the tensor has nothing to free.
template <class S>
bool is_behind_value(const Tensor<S>& tensor) noexcept;

// The elements of a tensor: a block of its own, or the elements behind a small Value, which owns them.
template <class S>
class Elements : public Contiguous<Elements<S>, S> {
  static_assert(std::is_trivially_copyable_v<S>, "a Tensor holds plain numbers");

 public:
  using typename Contiguous<Elements<S>, S>::size_type;
  using allocator_type = PoolAllocator<S>;

  Elements() noexcept = default;
  explicit Elements(size_type n) : data_(PoolAllocator<S>().allocate(n)), size_(n), own_(true) {}
  Elements(S* behind, size_type n) noexcept : data_(behind), size_(n) {}
  Elements(const Elements& other) : Elements(other.size()) { copy(other); }
  Elements(Elements&& other) noexcept { *this = std::move(other); }
  Elements& operator=(const Elements& other) {
    if (this == &other) return *this;
    resize(other.size());
    copy(other);
    return *this;
  }
  // Elements behind a Value cannot move: they are copied, and a lack of memory for these at most 2 kB ends
  // the program.
  Elements& operator=(Elements&& other) noexcept {
    if (this == &other) return *this;
    if (other.data_ != nullptr && !other.own_) {
      *this = std::as_const(other);
    } else {
      release();
      data_ = other.data_;
      size_ = other.size_;
      own_ = other.own_;
    }
    other.data_ = nullptr;
    other.size_ = 0;
    return *this;
  }
  ~Elements() { release(); }

  // Leaves the elements undefined if their number changes. A lack of memory changes nothing.
  void resize(size_type n) {
    if (n == size_ && data_ != nullptr) return;
    S* fresh = PoolAllocator<S>().allocate(n);
    release();
    data_ = fresh;
    size_ = n;
    own_ = true;
  }

  bool is_behind_value() const noexcept { return !own_; }
  size_type size() const noexcept { return size_; }
  S* data() noexcept { return data_; }
  const S* data() const noexcept { return data_; }

 private:
  void copy(const Elements& other) noexcept { std::copy_n(other.data_, other.size(), data_); }
  void release() noexcept {
    if (own_ && data_ != nullptr) PoolAllocator<S>().deallocate(data_, size_);
  }
  S* data_ = nullptr;
  std::size_t size_ = 0;
  bool own_ = false;
};

}  // namespace detail
}  // namespace unroll

namespace xt {

template <class X, class T>
struct rebind_container<X, unroll::InlineVector<T>> {
  using type = unroll::InlineVector<X>;
};

template <class S>
struct detail::is_sharable<unroll::Tensor<S>> : std::false_type {};

template <class S>
struct xcontainer_inner_types<unroll::Tensor<S>> {
  using storage_type = unroll::detail::Elements<S>;
  using reference = S&;
  using const_reference = const S&;
  using size_type = std::size_t;
  using shape_type = unroll::Shape;
  using strides_type = unroll::InlineVector<unroll::Index>;
  using backstrides_type = strides_type;
  using inner_shape_type = shape_type;
  using inner_strides_type = strides_type;
  using inner_backstrides_type = strides_type;
  using temporary_type = unroll::Tensor<S>;
  static constexpr layout_type layout = layout_type::row_major;
};

template <class S>
struct xiterable_inner_types<unroll::Tensor<S>> : xcontainer_iterable_types<unroll::Tensor<S>> {};

}  // namespace xt

namespace unroll {

// The container of all values: contiguous, row-major, rank <= 6, and all of xtensor works on it. S is float
// or double for values, std::int64_t for labels, bool for masks. A moved-from tensor has shape (0).
// shape() and strides() hold until the shape changes: copy them to keep them.
template <class S>
class Tensor : public xt::xcontainer<Tensor<S>>, public xt::xcontainer_semantic<Tensor<S>> {
  using Base = xt::xcontainer<Tensor<S>>;
  using Semantic = xt::xcontainer_semantic<Tensor<S>>;

 public:
  using typename Base::shape_type;
  using typename Base::storage_type;
  using typename Base::value_type;
  using temporary_type = Tensor<S>;
  using expression_tag = xt::xtensor_expression_tag;
  static constexpr std::size_t rank = SIZE_MAX;

  // Makes a scalar of 0.
  Tensor() : Tensor(S{}) {}
  // Makes undefined elements. Throws ShapeError if memory cannot hold so many, MemoryError.
  explicit Tensor(const Shape& shape) : Tensor(detail::LayoutRef(detail::layout_of(shape))) {}
  Tensor(const Shape& shape, S value) : Tensor(shape) {
    std::fill_n(elements_.data(), elements_.size(), value);
  }
  Tensor(const S& value) : Tensor(Shape{}) { elements_[0] = value; }
  // Makes the elements of nested lists, as in {{1, 2}, {3, 4}}.
  Tensor(xt::nested_initializer_list_t<S, 1> list) : Tensor(nested, list) {}
  Tensor(xt::nested_initializer_list_t<S, 2> list) : Tensor(nested, list) {}
  Tensor(xt::nested_initializer_list_t<S, 3> list) : Tensor(nested, list) {}
  Tensor(xt::nested_initializer_list_t<S, 4> list) : Tensor(nested, list) {}
  Tensor(xt::nested_initializer_list_t<S, 5> list) : Tensor(nested, list) {}
  // Evaluates an expression.
  template <class E>
  Tensor(const xt::xexpression<E>& e) : Tensor() {
    Semantic::assign(e);
  }
  template <class E>
  Tensor& operator=(const xt::xexpression<E>& e) {
    return Semantic::operator=(e);
  }
  template <class Sizes = Shape>
  static Tensor from_shape(Sizes&& sizes) {
    return Tensor(Shape(sizes.begin(), sizes.end()));
  }

  // For Value.
  explicit Tensor(detail::LayoutRef layout) : elements_(layout->elements), layout_(std::move(layout)) {}

  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor& other) {
    detail::LayoutRef layout = other.layout_;
    elements_ = other.elements_;
    layout_ = std::move(layout);
    return *this;
  }
  Tensor& operator=(Tensor&&) noexcept = default;
  ~Tensor() = default;

  // Changes the shape; the elements are undefined afterwards unless their number is the same.
  template <class Sizes = Shape>
  void resize(Sizes&& sizes, bool = false) {
    detail::LayoutRef layout(detail::layout_of(Shape(sizes.begin(), sizes.end())));
    elements_.resize(layout->elements);
    layout_ = std::move(layout);
  }
  // Changes the shape and keeps the elements; one size may be -1 and follows from the others. Throws
  // ShapeError if the number of elements differs.
  template <class Size = Index>
  Tensor& reshape(std::initializer_list<Size> sizes) & {
    return reshape(InlineVector<Index>(sizes.begin(), sizes.end()));
  }
  template <class Sizes>
  Tensor& reshape(const Sizes& sizes) & {
    layout_ = detail::LayoutRef(
        detail::reshaped_layout(elements_.size(), InlineVector<Index>(sizes.begin(), sizes.end())));
    return *this;
  }
  static constexpr xt::layout_type layout() noexcept { return xt::layout_type::row_major; }
  static constexpr bool is_contiguous() noexcept { return true; }

 private:
  friend Base;
  friend struct detail::Value<S>;
  template <class U>
  friend bool have_same_shape(const Tensor<U>& a, const Tensor<U>& b) noexcept;
  template <class U>
  friend const detail::Layout* detail::layout_of(const Tensor<U>& tensor);
  template <class U>
  friend bool detail::is_behind_value(const Tensor<U>& tensor) noexcept;
  struct Nested {};
  static constexpr Nested nested{};

  // A small Value's tensor: its elements stand behind the Value.
  Tensor(const detail::Layout* layout, S* behind) noexcept
      : elements_(behind, layout->elements), layout_(layout) {}
  template <class List>
  Tensor(Nested, const List& list) : Tensor(xt::shape<Shape>(list)) {
    xt::nested_copy(elements_.begin(), list);
  }
  const Shape& shape_impl() const noexcept { return layout_->shape; }
  const InlineVector<Index>& strides_impl() const noexcept { return layout_->strides; }
  const InlineVector<Index>& backstrides_impl() const noexcept { return layout_->backstrides; }
  storage_type& storage_impl() noexcept { return elements_; }
  const storage_type& storage_impl() const noexcept { return elements_; }

  storage_type elements_;
  detail::LayoutRef layout_;
};

// n uninitialised elements from the pool: scratch space of kernels, which needs no shape.
template <class S>
using Buffer = xt::uvector<S, PoolAllocator<S>>;

// Class labels, token ids and positions.
using IndexTensor = Tensor<std::int64_t>;
// Conditions: true selects.
using Mask = Tensor<bool>;

template <class S>
const detail::Layout* detail::layout_of(const Tensor<S>& tensor) {
  const Layout* layout = tensor.layout_.get();
  return layout->shared ? layout : copy_of(*layout);
}

template <class S>
bool detail::is_behind_value(const Tensor<S>& tensor) noexcept {
  return tensor.elements_.is_behind_value() && tensor.layout_->shared;
}

template <class S>
bool have_same_shape(const Tensor<S>& a, const Tensor<S>& b) noexcept {
  return a.layout_.get() == b.layout_.get() || a.layout_->shape == b.layout_->shape;
}

// Returns a tensor of this shape with undefined elements.
template <class S>
Tensor<S> empty(const Shape& shape) {
  return Tensor<S>(shape);
}
// Returns a tensor of this shape with every element equal to value.
template <class S>
Tensor<S> full(const Shape& shape, S value) {
  return Tensor<S>(shape, value);
}
template <class S>
Tensor<S> zeros(const Shape& shape) {
  return full<S>(shape, S{0});
}
template <class S>
Tensor<S> ones(const Shape& shape) {
  return full<S>(shape, S{1});
}
// Returns a tensor of this shape filled row-major from values. Throws ShapeError if the counts differ.
template <class S>
Tensor<S> from_values(const Shape& shape, std::span<const S> values);
template <class S>
Tensor<S> from_values(const Shape& shape, const std::vector<S>& values) {
  return from_values(shape, std::span<const S>(values));
}
// Returns the same of as many elements from values on as the shape has.
template <class S>
Tensor<S> from_values(const Shape& shape, const S* values) {
  return from_values(shape, std::span<const S>(values, element_count(shape)));
}

// Converts the elements to another scalar type.
template <class To, class From>
Tensor<To> convert_tensor(const Tensor<From>& from) {
  Tensor<To> to(from.shape());
  std::transform(from.data(), from.data() + from.size(), to.data(),
                 [](From v) { return static_cast<To>(v); });
  return to;
}

extern template class Tensor<float>;
extern template class Tensor<double>;
extern template class Tensor<std::int64_t>;
extern template class Tensor<bool>;

}  // namespace unroll
