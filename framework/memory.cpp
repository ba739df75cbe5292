#include "framework/memory.hpp"

#include <array>
#include <bit>

// Under AddressSanitizer every buffer comes fresh from the system, so that a use after free is seen.
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
namespace {

constexpr std::size_t kAlignment = 64;
constexpr int kMinShift = 6;           // 64 B
constexpr int kMaxShift = 26;          // 64 MiB: larger blocks are not kept
constexpr std::size_t kMaxHeld = std::size_t{1} << 30;  // a thread keeps at most 1 GiB for reuse

struct FreeBlock {
  FreeBlock* next;
};

struct Pool {
  std::array<FreeBlock*, kMaxShift + 1> lists{};
  std::size_t held = 0;
  bool alive = true;
};

// Trivially destructible, so it outlives every other thread_local and static that may still free blocks;
// the guard below empties it once and then frees go straight to the system.
constinit thread_local Pool pool;

void* system_allocate(std::size_t bytes) { return ::operator new(bytes, std::align_val_t{kAlignment}); }
void system_free(void* block) noexcept { ::operator delete(block, std::align_val_t{kAlignment}); }

int size_class(std::size_t bytes) noexcept {
  return bytes <= kAlignment ? kMinShift : static_cast<int>(std::bit_width(bytes - 1));
}

struct PoolGuard {
  ~PoolGuard() {
    release_unused_memory();
    pool.alive = false;
  }
};
thread_local PoolGuard guard;

}  // namespace

namespace detail {

void* pool_allocate(std::size_t bytes) {
#if UNROLL_POOL
  const int shift = size_class(bytes);
  if (shift > kMaxShift) return system_allocate(bytes);
  if (FreeBlock* block = pool.lists[static_cast<std::size_t>(shift)]) {
    pool.lists[static_cast<std::size_t>(shift)] = block->next;
    pool.held -= std::size_t{1} << shift;
    return block;
  }
  (void)&guard;  // make sure that this thread's guard exists
  return system_allocate(std::size_t{1} << shift);
#else
  return system_allocate(bytes);
#endif
}

void pool_free(void* block, std::size_t bytes) noexcept {
#if UNROLL_POOL
  const int shift = size_class(bytes);
  if (shift <= kMaxShift && pool.alive && pool.held < kMaxHeld) {
    auto* free_block = ::new (block) FreeBlock{pool.lists[static_cast<std::size_t>(shift)]};
    pool.lists[static_cast<std::size_t>(shift)] = free_block;
    pool.held += std::size_t{1} << shift;
    return;
  }
#else
  (void)bytes;
#endif
  system_free(block);
}

}  // namespace detail

void release_unused_memory() noexcept {
  for (auto& list : pool.lists) {
    while (list != nullptr) {
      FreeBlock* next = list->next;
      system_free(list);
      list = next;
    }
  }
  pool.held = 0;
}

std::size_t pooled_bytes() noexcept { return pool.held; }

}  // namespace unroll
