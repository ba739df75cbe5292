// Pooled memory: freed buffers go to free lists of their thread and are reused.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

// Under AddressSanitizer every buffer comes from the system, so that a use after free is detected.
#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNROLL_POOL 0
#endif
#endif
#ifndef UNROLL_POOL
#define UNROLL_POOL 1
#endif

namespace unroll {

namespace detail {

struct FreeBlock {
  FreeBlock* next;
};

// This thread's free blocks by size class (powers of two). Trivially destructible, so it outlives every other
// thread_local and static that may still free blocks.
struct Pool {
  static constexpr int kMinShift = 6;                            // 64 B
  static constexpr int kMaxShift = 26;                           // 64 MiB: larger blocks are not kept
  static constexpr std::size_t kMaxHeld = std::size_t{1} << 30;  // a thread keeps at most 1 GiB for reuse
  FreeBlock* lists[kMaxShift + 1] = {};
  std::size_t held = 0;
  bool open = false;  // false before the first allocation and after the thread's end: frees go to the system
};
extern thread_local constinit Pool pool;

// The log of this thread's blocks, if there is one (allocation_log.hpp).
class AllocationLog;
inline thread_local constinit AllocationLog* allocation_log = nullptr;

// Empties this thread's list of values kept for reuse (var.cpp).
void discard_recycled_values() noexcept;
// Does the same, and keeps none until resume_recycling().
void pause_recycling();
void resume_recycling() noexcept;
void* pool_allocate_slow(std::size_t bytes, int shift);
// Throws MemoryError.
[[noreturn]] void throw_no_memory(std::size_t elements, std::size_t size);
void system_free(void* block) noexcept;

inline int size_class(std::size_t bytes) noexcept {
  return bytes <= 64 ? Pool::kMinShift : static_cast<int>(std::bit_width(bytes - 1));
}

// Returns a block, 64-byte aligned. It may be freed on another thread. Throws MemoryError.
inline void* pool_allocate(std::size_t bytes) {
  const int shift = size_class(bytes);
#if UNROLL_POOL
  if (shift <= Pool::kMaxShift) {
    if (FreeBlock* block = pool.lists[shift]) [[likely]] {
      pool.lists[shift] = block->next;
      pool.held -= std::size_t{1} << shift;
      return block;
    }
  }
#endif
  return pool_allocate_slow(bytes, shift);
}

inline void pool_free(void* block, std::size_t bytes) noexcept {
  const int shift = size_class(bytes);
#if UNROLL_POOL
  if (shift <= Pool::kMaxShift && pool.open && pool.held < Pool::kMaxHeld) [[likely]] {
    pool.lists[shift] = ::new (block) FreeBlock{pool.lists[shift]};
    pool.held += std::size_t{1} << shift;
    return;
  }
#else
  (void)shift;
#endif
  system_free(block);
}

}  // namespace detail

// Returns this thread's unused pooled blocks to the system.
void release_unused_memory() noexcept;

// Returns the bytes that this thread's pool holds for reuse, without small values that are kept whole.
std::size_t pooled_bytes() noexcept;

// A stateless allocator over the pool, which makes xtensor containers cheap to create.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() noexcept = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(-1) / 2 / sizeof(T)) detail::throw_no_memory(n, sizeof(T));
    return static_cast<T*>(detail::pool_allocate(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { detail::pool_free(p, n * sizeof(T)); }
  template <class U>
  bool operator==(const PoolAllocator<U>&) const noexcept {
    return true;
  }
};

// A vector that allocates nothing from the heap once its thread's pool is warm.
template <class T>
using PooledVector = std::vector<T, PoolAllocator<T>>;

}  // namespace unroll
