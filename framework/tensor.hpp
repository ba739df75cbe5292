// Tensor<S>: a row-major xtensor container with pooled storage and an inline shape.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include <xtensor/xarray.hpp>

#include "framework/memory.hpp"

namespace unroll {

// Signed size, axis or position; negative axes and positions count from the end.
using Index = std::ptrdiff_t;

inline constexpr std::size_t kMaxRank = 6;

namespace detail {

// Throws ShapeError.
[[noreturn]] void throw_too_many_axes(std::size_t axes);
// Throws ShapeError unless the number of elements fits Index, also when the sizes of 0 are left out.
void check_elements(const std::size_t* sizes, std::size_t axes);

}  // namespace detail

// A vector of at most kMaxRank elements, stored inline: the shape type of Tensor.
template <class T>
class InlineVector {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using pointer = T*;
  using const_pointer = const T*;
  using iterator = T*;
  using const_iterator = const T*;
  using reverse_iterator = std::reverse_iterator<iterator>;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;
  using allocator_type = std::allocator<T>;  // required by xtensor; nothing is allocated

  InlineVector() noexcept = default;
  // Copies element by element: a copy of the whole array would wait for the narrow stores that filled it.
  InlineVector(const InlineVector& other) noexcept : size_(other.size_) {
    for (size_type i = 0; i < size_; ++i) data_[i] = other.data_[i];
  }
  InlineVector& operator=(const InlineVector& other) noexcept {
    size_ = other.size_;
    for (size_type i = 0; i < size_; ++i) data_[i] = other.data_[i];
    return *this;
  }
  // Leaves (0) behind: a moved-from tensor has no elements, and its shape says so.
  InlineVector(InlineVector&& other) noexcept : InlineVector(std::as_const(other)) { other.leave_zero(); }
  InlineVector& operator=(InlineVector&& other) noexcept {
    if (this == &other) return *this;
    *this = std::as_const(other);
    other.leave_zero();
    return *this;
  }
  ~InlineVector() = default;
  explicit InlineVector(size_type n) : InlineVector(n, T{}) {}
  InlineVector(size_type n, const T& value) { assign(n, value); }
  InlineVector(std::initializer_list<T> list) : InlineVector(list.begin(), list.end()) {}
  template <class It, class = typename std::iterator_traits<It>::iterator_category>
  InlineVector(It first, It last) {
    for (; first != last; ++first) push_back(static_cast<T>(*first));
  }

  void assign(size_type n, const T& value) {
    check(n);
    std::fill_n(data_.begin(), n, value);
    size_ = n;
  }
  template <class It, class = typename std::iterator_traits<It>::iterator_category>
  void assign(It first, It last) {
    size_ = 0;
    for (; first != last; ++first) push_back(static_cast<T>(*first));
  }
  void resize(size_type n) { resize(n, T{}); }
  void resize(size_type n, const T& value) {
    check(n);
    for (size_type i = size_; i < n; ++i) data_[i] = value;
    size_ = n;
  }
  void push_back(const T& value) {
    check(size_ + 1);
    data_[size_++] = value;
  }
  void pop_back() noexcept { --size_; }
  void clear() noexcept { size_ = 0; }
  iterator insert(const_iterator position, const T& value) {
    const auto at = static_cast<size_type>(position - begin());
    check(size_ + 1);
    std::copy_backward(begin() + at, end(), end() + 1);
    ++size_;
    data_[at] = value;
    return begin() + at;
  }
  iterator erase(const_iterator position) {
    const auto at = static_cast<size_type>(position - begin());
    std::copy(begin() + at + 1, end(), begin() + at);
    --size_;
    return begin() + at;
  }

  bool empty() const noexcept { return size_ == 0; }
  size_type size() const noexcept { return size_; }
  static constexpr size_type max_size() noexcept { return kMaxRank; }
  static constexpr size_type capacity() noexcept { return kMaxRank; }
  T& operator[](size_type i) noexcept { return data_[i]; }
  const T& operator[](size_type i) const noexcept { return data_[i]; }
  T& front() noexcept { return data_[0]; }
  const T& front() const noexcept { return data_[0]; }
  T& back() noexcept { return data_[size_ - 1]; }
  const T& back() const noexcept { return data_[size_ - 1]; }
  T* data() noexcept { return data_.data(); }
  const T* data() const noexcept { return data_.data(); }
  iterator begin() noexcept { return data_.data(); }
  iterator end() noexcept { return data_.data() + size_; }
  const_iterator begin() const noexcept { return data_.data(); }
  const_iterator end() const noexcept { return data_.data() + size_; }
  const_iterator cbegin() const noexcept { return begin(); }
  const_iterator cend() const noexcept { return end(); }
  reverse_iterator rbegin() noexcept { return reverse_iterator(end()); }
  reverse_iterator rend() noexcept { return reverse_iterator(begin()); }
  const_reverse_iterator rbegin() const noexcept { return const_reverse_iterator(end()); }
  const_reverse_iterator rend() const noexcept { return const_reverse_iterator(begin()); }
  const_reverse_iterator crbegin() const noexcept { return rbegin(); }
  const_reverse_iterator crend() const noexcept { return rend(); }

  friend bool operator==(const InlineVector& a, const InlineVector& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (size_type i = 0; i < a.size_; ++i) {
      if (a.data_[i] != b.data_[i]) return false;
    }
    return true;
  }
  friend auto operator<=>(const InlineVector& a, const InlineVector& b) noexcept {
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  void leave_zero() noexcept {
    data_[0] = T(0);
    size_ = 1;
  }
  static void check(size_type n) {
    if (n > kMaxRank) detail::throw_too_many_axes(n);
  }
  std::array<T, kMaxRank> data_{};
  size_type size_ = 0;
};

// The sizes of the axes, outermost first; () is a scalar.
using Shape = InlineVector<std::size_t>;

}  // namespace unroll

namespace xt {
template <class X, class T>
struct rebind_container<X, unroll::InlineVector<T>> {
  using type = unroll::InlineVector<X>;
};
}  // namespace xt

namespace unroll {

// Computes the strides and the number of elements of a new tensor; xtensor finds this overload by the type of
// the shape. xtensor's own version lets the number wrap around. Throws ShapeError if it does not fit Index.
template <xt::layout_type L>
requires(L == xt::layout_type::row_major) std::size_t
    compute_strides(const Shape& shape, xt::layout_type, InlineVector<Index>& strides,
                    InlineVector<Index>& backstrides) {
  std::size_t elements = 1, sizes = 0;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const std::size_t size = shape[axis];
    const std::size_t stride = size == 1 ? 0 : elements;
    strides[axis] = static_cast<Index>(stride);
    backstrides[axis] = static_cast<Index>(stride * (size - 1));  // may wrap: such a shape is refused below
    sizes |= size;
    elements *= size;
  }
  // The product of three 20-bit sizes, or of six 10-bit sizes, has at most 60 bits.
  if (sizes >> (shape.size() <= 3 ? 20 : 10) != 0) [[unlikely]]
    detail::check_elements(shape.data(), shape.size());
  return elements;
}

// n uninitialised elements from the pool: the storage of tensors, and scratch space of kernels, which needs
// no shape.
template <class S>
using Buffer = xt::uvector<S, PoolAllocator<S>>;

// The container of all values: an xtensor container (contiguous, row-major, rank <= 6), so all of xtensor
// works on it. S is float or double for values, std::int64_t for labels, bool for masks.
template <class S>
using Tensor = xt::xarray_container<Buffer<S>, xt::layout_type::row_major, Shape>;

// Class labels, token ids and positions.
using IndexTensor = Tensor<std::int64_t>;
// Conditions: true selects.
using Mask = Tensor<bool>;

// Returns the number of elements of a shape; 1 for a scalar.
inline std::size_t element_count(const Shape& shape) noexcept {
  std::size_t n = 1;
  for (std::size_t d : shape) n *= d;
  return n;
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
Tensor<S> from_values(const Shape& shape, const std::vector<S>& values);

// Converts the elements to another scalar type.
template <class To, class From>
Tensor<To> convert_tensor(const Tensor<From>& from) {
  Tensor<To> to(from.shape());
  std::transform(from.data(), from.data() + from.size(), to.data(),
                 [](From v) { return static_cast<To>(v); });
  return to;
}

// Formats a shape as error messages and summaries print it: "(3,4)".
std::string to_string(const Shape& shape);

// Returns the shape after NumPy broadcasting of a and b. Throws ShapeError naming op if they do not
// broadcast.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

// Maps an axis in [-rank, rank) to [0, rank). Throws ShapeError naming op for any other axis.
std::size_t normalize_axis(const char* op, Index axis, std::size_t rank);

extern template class InlineVector<std::size_t>;
extern template class InlineVector<std::ptrdiff_t>;

}  // namespace unroll
