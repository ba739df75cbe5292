// Pooled memory: freed blocks stay with their thread and are reused.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
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

// Small blocks come from slabs of blocks of one size: aligned areas with a bit for each free block. A thread
// takes the lowest free block of its current slab, so that blocks that are taken one after the other are
// neighbours, also after many steps, and a block is not touched before it is used. A slab belongs to the heap
// that made it; other threads return blocks through atomic bits.
struct SlabHeap;

struct Slab {
  static constexpr std::size_t kAlignment = std::size_t{1} << 16;
  static constexpr std::size_t kBytes = kAlignment - 64;  // malloc's header fits between two slabs
  static constexpr std::size_t kWords = 16;               // 64 blocks each

  std::atomic<SlabHeap*> owner{nullptr};  // null once the heap has given the slab up
  std::uint32_t block_bytes = 0;
  std::uint32_t blocks = 0;
  std::uint32_t inverse = 0;  // 2^16 / (block_bytes / 64), rounded up
  std::uint32_t first = 0;    // first word with a free block; kWords: none
  std::uint64_t free_bits[kWords] = {};
  Slab* next_available = nullptr;  // in the heap's list of slabs with free blocks
  Slab* next = nullptr;            // in the heap's list of all slabs of this size
  std::uint64_t collected = 0;     // blocks that came back from other threads
  std::atomic<std::uint64_t> returned_bits[kWords] = {};
  // Blocks that other threads have returned, less those that are still to be returned once the slab is given
  // up: whoever makes it 0 frees the slab.
  std::atomic<std::int64_t> returned{0};

  static Slab* of(void* block) noexcept {
    return reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(kAlignment - 1));
  }
  std::size_t units() const noexcept { return block_bytes / 64; }
  std::size_t free() const noexcept;  // number of blocks
  std::size_t index_of(const void* block) const noexcept;
};

// One thread's slabs.
struct SlabHeap {
  static constexpr std::size_t kLargest = 2048;                   // bytes of the largest small block
  static constexpr std::size_t kMostHeld = std::size_t{1} << 14;  // slabs: 1 GiB
  static constexpr std::size_t kClasses = kLargest / 64 + 1;      // by size in units of 64 bytes
  // The blocks freed last, which are taken first: they are in the cache, and a value that is made and dropped
  // in turn does not wait for its bit.
  struct Recent {
    std::size_t count = 0;
    void* block[7] = {};
  };
  Recent recent[kClasses];
  Slab* current[kClasses] = {};  // with a free block
  Slab* available[kClasses] = {};
  Slab* all[kClasses] = {};
  std::size_t waiting = 0;          // slabs made available, less those taken
  std::size_t trim_at = kMostHeld;  // the number of them that starts a search for empty ones
  std::size_t slabs = 0;
  std::uint64_t returns_seen = 0;
};

struct FreeBlock {
  FreeBlock* next;
};

// This thread's free memory: small blocks in slabs, others in lists by size class (powers of two). Trivially
// destructible, so it outlives every other thread_local and static that may still free blocks.
struct Pool {
  static constexpr int kMinShift = 12;                           // lists begin above SlabHeap::kLargest
  static constexpr int kMaxShift = 26;                           // 64 MiB: larger blocks are not kept
  static constexpr std::size_t kMaxHeld = std::size_t{1} << 30;  // a thread keeps at most 1 GiB for reuse
  SlabHeap* quick = nullptr;  // the heap, unless a log wants to see each block
  SlabHeap* heap = nullptr;
  FreeBlock* lists[kMaxShift + 1] = {};
  std::size_t held = 0;  // in the lists
  bool open = false;  // false before the first allocation and after the thread's end: frees go to the system
};
extern thread_local constinit Pool pool;

// The log of this thread's blocks, if there is one (allocation_log.hpp).
class AllocationLog;
inline thread_local constinit AllocationLog* allocation_log = nullptr;

// Gives this thread its pool, unless the thread is ending.
void open_pool();
void* small_allocate_slow(std::size_t bytes);
void small_free_slow(void* block) noexcept;
// Called when the first word of the current slab has no free block any more; when a block before the first
// word is freed.
void advance(SlabHeap& heap, Slab& slab) noexcept;
void go_back(SlabHeap& heap, Slab& slab, std::uint32_t word) noexcept;
// Returns the slabs without blocks in use to the system.
void trim(SlabHeap& heap) noexcept;
void* pool_allocate_slow(std::size_t bytes, int shift);
// Throws MemoryError.
[[noreturn]] void throw_no_memory(std::size_t elements, std::size_t size);
void system_free(void* block) noexcept;

inline constexpr std::size_t kSlabHeader = (sizeof(Slab) + 63) / 64 * 64;

inline std::size_t Slab::index_of(const void* block) const noexcept {
  const auto offset = reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(this);
  return (offset - kSlabHeader) / 64 * inverse >> 16;
}

// Takes the first free block of a current slab.
inline void* take_block(SlabHeap& heap, Slab& slab) noexcept {
  std::uint64_t& bits = slab.free_bits[slab.first];
  const std::size_t index = slab.first * std::size_t{64} + static_cast<std::size_t>(std::countr_zero(bits));
  bits &= bits - 1;
  if (bits == 0) [[unlikely]]
    advance(heap, slab);
  return reinterpret_cast<std::byte*>(&slab) + kSlabHeader + index * slab.block_bytes;
}

inline void put_block(SlabHeap& heap, Slab& slab, const void* block) noexcept {
  const std::size_t index = slab.index_of(block);
  const auto word = static_cast<std::uint32_t>(index / 64);
  slab.free_bits[word] |= std::uint64_t{1} << index % 64;
  if (word < slab.first) [[unlikely]]
    go_back(heap, slab, word);
}

// Returns a block of at most SlabHeap::kLargest bytes, 64-byte aligned. It may be freed on another thread.
// Throws MemoryError.
inline void* small_allocate(std::size_t bytes) {
#if UNROLL_POOL
  if (SlabHeap* heap = pool.quick) [[likely]] {
    const std::size_t units = (bytes + 63) / 64;
    SlabHeap::Recent& recent = heap->recent[units];
    if (recent.count > 0) return recent.block[--recent.count];
    if (Slab* slab = heap->current[units]) [[likely]]
      return take_block(*heap, *slab);
  }
#endif
  return small_allocate_slow(bytes);
}

inline void small_free(void* block) noexcept {
#if UNROLL_POOL
  Slab* slab = Slab::of(block);
  SlabHeap* heap = pool.quick;
  if (heap != nullptr && slab->owner.load(std::memory_order_relaxed) == heap) [[likely]] {
    SlabHeap::Recent& recent = heap->recent[slab->units()];
    if (recent.count < std::size(recent.block)) {
      recent.block[recent.count++] = block;
      return;
    }
    put_block(*heap, *slab, block);
    if (heap->waiting > heap->trim_at) [[unlikely]]
      trim(*heap);
    return;
  }
#endif
  small_free_slow(block);
}

inline int size_class(std::size_t bytes) noexcept { return static_cast<int>(std::bit_width(bytes - 1)); }

// Does the same for any size.
inline void* pool_allocate(std::size_t bytes) {
  if (bytes <= SlabHeap::kLargest) return small_allocate(bytes);
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
  if (bytes <= SlabHeap::kLargest) return small_free(block);
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

// Returns to the system what this thread's pool holds, without free blocks between small ones in use.
void release_unused_memory() noexcept;

// Returns the bytes that this thread's pool holds for reuse.
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
