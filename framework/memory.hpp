// Pooled memory: freed buffers go to per-thread free lists and are handed out again.
#pragma once

#include <cstddef>
#include <new>

namespace unroll {

namespace detail {
// Blocks are 64-byte aligned and rounded up to a power of two (64 bytes to 1 MiB are pooled, the rest is
// rounded up to pages and goes to the system). A block may be freed on another thread than it came from.
void* pool_allocate(std::size_t bytes);
void pool_free(void* block, std::size_t bytes) noexcept;
}  // namespace detail

// Gives this thread's unused pooled blocks back to the system.
void release_unused_memory() noexcept;

// Bytes that this thread's pool holds for reuse.
std::size_t pooled_bytes() noexcept;

// Stateless allocator over the pool; what makes an xtensor container cheap to create.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() noexcept = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(detail::pool_allocate(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { detail::pool_free(p, n * sizeof(T)); }
  template <class U>
  bool operator==(const PoolAllocator<U>&) const noexcept {
    return true;
  }
};

}  // namespace unroll
