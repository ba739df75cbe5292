// Shape: the sizes of a tensor's axes, and Layout: what follows from them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace unroll {

// Signed size, axis or position; negative axes and positions count from the end.
using Index = std::ptrdiff_t;

inline constexpr std::size_t kMaxRank = 6;

namespace detail {

// Throws ShapeError.
[[noreturn]] void throw_too_many_axes(std::size_t axes);

// What xtensor wants of a container, from its data() and size().
template <class Derived, class T>
class Contiguous {
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

  bool empty() const noexcept { return self().size() == 0; }
  T& operator[](size_type i) noexcept { return self().data()[i]; }
  const T& operator[](size_type i) const noexcept { return self().data()[i]; }
  T& front() noexcept { return *begin(); }
  const T& front() const noexcept { return *begin(); }
  T& back() noexcept { return end()[-1]; }
  const T& back() const noexcept { return end()[-1]; }
  iterator begin() noexcept { return self().data(); }
  iterator end() noexcept { return self().data() + self().size(); }
  const_iterator begin() const noexcept { return self().data(); }
  const_iterator end() const noexcept { return self().data() + self().size(); }
  const_iterator cbegin() const noexcept { return begin(); }
  const_iterator cend() const noexcept { return end(); }
  reverse_iterator rbegin() noexcept { return reverse_iterator(end()); }
  reverse_iterator rend() noexcept { return reverse_iterator(begin()); }
  const_reverse_iterator rbegin() const noexcept { return const_reverse_iterator(end()); }
  const_reverse_iterator rend() const noexcept { return const_reverse_iterator(begin()); }
  const_reverse_iterator crbegin() const noexcept { return rbegin(); }
  const_reverse_iterator crend() const noexcept { return rend(); }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }
};

}  // namespace detail

// A vector of at most kMaxRank elements, stored inline: the shape type of Tensor.
template <class T>
class InlineVector : public detail::Contiguous<InlineVector<T>, T> {
  using Base = detail::Contiguous<InlineVector<T>, T>;

 public:
  using Base::begin;
  using Base::end;
  using typename Base::const_iterator;
  using typename Base::iterator;
  using typename Base::size_type;
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

  size_type size() const noexcept { return size_; }
  static constexpr size_type max_size() noexcept { return kMaxRank; }
  static constexpr size_type capacity() noexcept { return kMaxRank; }
  T* data() noexcept { return data_.data(); }
  const T* data() const noexcept { return data_.data(); }

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

// Returns the number of elements of a shape; 1 for a scalar.
inline std::size_t element_count(const Shape& shape) noexcept {
  std::size_t n = 1;
  for (std::size_t d : shape) n *= d;
  return n;
}

// Formats a shape as error messages and summaries print it: "(3,4)".
std::string to_string(const Shape& shape);

// Returns the shape after NumPy broadcasting of a and b. Throws ShapeError naming op if they do not
// broadcast.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

// Maps an axis in [-rank, rank) to [0, rank). Throws ShapeError naming op for any other axis.
std::size_t normalize_axis(const char* op, Index axis, std::size_t rank);

namespace detail {

// A shape with its row-major strides. All tensors of a shape share one, so that a small tensor does not hold
// 168 bytes about its axes, and two shapes are mostly compared by one pointer.
struct Layout {
  // Elements that may stand behind a Value, whose block has at most 2 KiB.
  static constexpr std::size_t kMostBehind = 248;
  // Throws ShapeError if the number of elements does not fit Index.
  explicit Layout(const Shape& sizes);

  Shape shape;
  InlineVector<Index> strides, backstrides;  // 0 along axes of size 1
  std::size_t elements = 1;
  bool shared = true;  // false: one tensor's own, after kMostLayouts shapes
  bool few = true;     // elements, at most kMostBehind, and shared
};

// The process shares this many layouts (5 MB with their map); tensors of further shapes have their own.
inline constexpr std::size_t kMostLayouts = std::size_t{1} << 14;

// This thread's last layouts, by shape.
struct RecentLayouts {
  static constexpr std::size_t kSlots = 256;
  const Layout* at[kSlots] = {};

  static std::size_t slot_of(const Shape& shape) noexcept {
    constexpr std::size_t kOdd = 0x9e3779b97f4a7c15;  // large; the upper bits of products are well mixed
    std::size_t mixed = (shape.size() + 1) * kOdd;
    for (std::size_t size : shape) mixed = (mixed ^ size) * kOdd;
    return mixed >> 56;
  }
};
inline thread_local constinit RecentLayouts recent_layouts{};

const Layout* find_layout(const Shape& shape, std::size_t slot);
// Returns the layout of as many elements in these sizes, of which one may be -1. Throws ShapeError.
const Layout* reshaped_layout(std::size_t elements, const InlineVector<Index>& sizes);
// Throws MemoryError.
Layout* copy_of(const Layout& own);
const Layout* empty_layout() noexcept;  // of shape (0)

// Returns the layout of a shape. Throws ShapeError if the number of elements does not fit Index.
inline const Layout* layout_of(const Shape& shape) {
  const std::size_t slot = RecentLayouts::slot_of(shape);
  const Layout* recent = recent_layouts.at[slot];
  if (recent != nullptr && recent->shape == shape) [[likely]]
    return recent;
  return find_layout(shape, slot);
}

// A tensor's layout. Moved from, it is that of shape (0): a moved-from tensor has no elements.
class LayoutRef {
 public:
  explicit LayoutRef(const Layout* layout) noexcept : layout_(layout) {}
  LayoutRef(const LayoutRef& other) : layout_(other->shared ? other.layout_ : copy_of(*other)) {}
  LayoutRef(LayoutRef&& other) noexcept : layout_(std::exchange(other.layout_, empty_layout())) {}
  LayoutRef& operator=(LayoutRef other) noexcept {
    std::swap(layout_, other.layout_);
    return *this;
  }
  ~LayoutRef() {
    if (!layout_->shared) [[unlikely]]
      delete layout_;
  }
  const Layout* operator->() const noexcept { return layout_; }
  const Layout& operator*() const noexcept { return *layout_; }
  const Layout* get() const noexcept { return layout_; }

 private:
  const Layout* layout_;
};

}  // namespace detail

extern template class InlineVector<std::size_t>;
extern template class InlineVector<std::ptrdiff_t>;

}  // namespace unroll
