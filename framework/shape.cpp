#include "framework/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <mutex>
#include <new>

#include "framework/errors.hpp"
#include "framework/memory.hpp"

namespace unroll {

template class InlineVector<std::size_t>;
template class InlineVector<std::ptrdiff_t>;

void detail::throw_too_many_axes(std::size_t axes) {
  throw ShapeError(fmt::format("[Shape] expected at most {} axes, got {}", kMaxRank, axes));
}

namespace {

// Throws ShapeError unless the number of elements fits Index, also when the sizes of 0 are left out.
void check_elements(const std::size_t* sizes, std::size_t axes) {
  Index elements = 1;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const auto size = static_cast<Index>(sizes[axis]);
    // Below 0: a converted size of "-1".
    if (size >= 0 && (size == 0 || !__builtin_mul_overflow(elements, size, &elements))) continue;
    throw ShapeError(
        fmt::format("[Tensor] shape: expected a number of elements that memory can hold, got ({})",
                    fmt::join(sizes, sizes + axes, ",")));
  }
}

// The layouts that all threads share. Never freed: tensors outlive statics.
struct SharedLayouts {
  std::mutex mutex;
  std::map<Shape, const detail::Layout*> by_shape;
};
SharedLayouts& shared_layouts() {
  static auto* const layouts = new SharedLayouts;
  return *layouts;
}

}  // namespace

namespace detail {

Layout::Layout(const Shape& sizes) : shape(sizes), strides(sizes.size()), backstrides(sizes.size()) {
  std::size_t all = 0;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const std::size_t size = shape[axis];
    const std::size_t stride = size == 1 ? 0 : elements;
    strides[axis] = static_cast<Index>(stride);
    backstrides[axis] = static_cast<Index>(stride * (size - 1));  // may wrap: such a shape is refused below
    all |= size;
    elements *= size;
  }
  // The product of three 20-bit sizes, or of six 10-bit sizes, has at most 60 bits.
  if (all >> (shape.size() <= 3 ? 20 : 10) != 0) [[unlikely]]
    check_elements(shape.data(), shape.size());
  few = elements <= kMostBehind;
}

const Layout* find_layout(const Shape& shape, std::size_t slot) {
  // Two shapes that are used in turn may have one slot: the one before is in its neighbour.
  const Layout *&first = recent_layouts.at[slot], *&second = recent_layouts.at[slot ^ 1];
  std::swap(first, second);
  if (first != nullptr && first->shape == shape) return first;
  const Layout made(shape);
  SharedLayouts& layouts = shared_layouts();
  const std::scoped_lock lock(layouts.mutex);
  auto found = layouts.by_shape.find(shape);
  if (found == layouts.by_shape.end()) {
    const bool full = layouts.by_shape.size() >= kMostLayouts;
    std::unique_ptr<Layout> layout(copy_of(made));
    try {
      if (!full) found = layouts.by_shape.emplace(shape, layout.get()).first;
    } catch (const std::bad_alloc&) {  // left out, as when there are too many
    }
    layout->shared = found != layouts.by_shape.end();
    layout->few = layout->few && layout->shared;
    if (!layout->shared) return layout.release();
    static_cast<void>(layout.release());  // the process's
  }
  return first = found->second;
}

const Layout* reshaped_layout(std::size_t elements, const InlineVector<Index>& sizes) {
  Shape shape;
  std::size_t known = 1, open = kMaxRank;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    shape.push_back(static_cast<std::size_t>(sizes[axis]));
    if (sizes[axis] == -1 && open == kMaxRank) {
      open = axis;
    } else {
      known *= shape[axis];
    }
  }
  if (open < kMaxRank && known != 0) shape[open] = elements / known;
  LayoutRef layout(layout_of(shape));
  if (layout->elements != elements) {
    throw ShapeError(fmt::format("[Tensor::reshape] shape: expected {} elements, got ({})", elements,
                                 fmt::join(sizes, ",")));
  }
  return layout->shared ? layout.get() : copy_of(*layout);
}

const Layout* empty_layout() noexcept {
  static const Layout layout(Shape{0});
  return &layout;
}

Layout* copy_of(const Layout& own) {
  auto* copy = new (std::nothrow) Layout(own);
  if (copy == nullptr) throw_no_memory(1, sizeof(Layout));
  return copy;
}

}  // namespace detail

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ",")); }

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  const bool a_longer = a.size() >= b.size();
  Shape out = a_longer ? a : b;
  const Shape& other = a_longer ? b : a;
  const std::size_t offset = out.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    std::size_t& d = out[offset + i];
    if (d == other[i] || other[i] == 1) continue;
    if (d != 1) {
      throw ShapeError(
          fmt::format("[{}] expected shapes that broadcast (equal from the right, or 1), got {} and {}: {} "
                      "against {} on axis {}",
                      op, to_string(a), to_string(b), d, other[i], offset + i));
    }
    d = other[i];
  }
  return out;
}

std::size_t normalize_axis(const char* op, Index axis, std::size_t rank) {
  const auto signed_rank = static_cast<Index>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    if (rank == 0) {
      throw ShapeError(
          fmt::format("[{}] axis: expected one of the tensor's, got {} (a scalar has none)", op, axis));
    }
    throw ShapeError(fmt::format("[{}] axis: expected -{}..{}, got {} (the tensor has {} axes)", op, rank,
                                 signed_rank - 1, axis, rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace unroll
