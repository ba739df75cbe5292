#include "framework/memory.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "framework/allocation_log.hpp"
#include "framework/borrowed_pool.hpp"
#include "framework/errors.hpp"

namespace unroll {
namespace detail {

thread_local constinit Pool pool;
// Pools for the helpers of this thread.
static thread_local constinit Pool helper_pool;

namespace {

constexpr std::size_t kAlignment = 64;

void empty(Pool& each) noexcept {
  for (auto& list : each.lists) {
    while (list != nullptr) {
      FreeBlock* next = list->next;
      system_free(list);
      list = next;
    }
  }
  each.held = 0;
}

void empty_pools() noexcept {
  empty(pool);
  empty(helper_pool);
}

// Opens this thread's pool; empties and closes it at the thread's end.
struct PoolGuard {
  PoolGuard() noexcept { pool.open = true; }
  ~PoolGuard() {
    pool.open = false;
    empty_pools();
  }
};

}  // namespace

void* pool_allocate_slow(std::size_t bytes, int shift) {
#if UNROLL_POOL
  static thread_local const PoolGuard guard;
  if (shift <= Pool::kMaxShift) bytes = std::size_t{1} << shift;
#else
  (void)shift;
#endif
  void* block = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
  if (block == nullptr) [[unlikely]] {
    // Memory that this thread keeps for reuse may be enough. The helpers' pool is not touched: it may be in
    // use.
    discard_recycled_values();
    empty(pool);
    block = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
    if (block == nullptr) throw_no_memory(bytes, 1);
  }
  if (allocation_log != nullptr) allocation_log->add(block, bytes);
  return block;
}

void throw_no_memory(std::size_t elements, std::size_t size) {
  const std::string wanted =
      size == 1 ? fmt::format("{} bytes", elements) : fmt::format("{} elements of {} bytes", elements, size);
  throw MemoryError(
      fmt::format("[memory] cannot allocate {} for a tensor (out of memory, or over a limit)", wanted));
}

void system_free(void* block) noexcept {
  if (allocation_log != nullptr) allocation_log->remove(block);
  ::operator delete (block, std::align_val_t{kAlignment});
}

BorrowedPool::BorrowedPool() noexcept : pool_(helper_pool) {
  constexpr int kMost = 16;  // per size: a helper needs no more, and lists may be long
  helper_pool.open = pool.open;
  for (int shift = Pool::kMinShift; shift <= Pool::kMaxShift; ++shift) {
    // After the helper's own blocks, which are in its caches.
    FreeBlock** end = &helper_pool.lists[shift];
    int has = 0;
    for (; *end != nullptr && has < kMost; ++has) end = &(*end)->next;
    FreeBlock** from = &pool.lists[shift];
    for (int i = 0; i < has && *from != nullptr; ++i) from = &(*from)->next;
    for (; has < kMost && *from != nullptr && (*from)->next != nullptr; ++has) {
      from = &(*from)->next;
      FreeBlock* block = std::exchange(*from, (*from)->next);
      block->next = std::exchange(*end, block);
      end = &block->next;
      pool.held -= std::size_t{1} << shift;
      helper_pool.held += std::size_t{1} << shift;
    }
  }
}

BorrowedPool::Use::Use(const BorrowedPool& share) : pool_(share.pool_) {
  std::swap(pool, pool_);
  pause_recycling();
}
BorrowedPool::Use::~Use() {
  resume_recycling();
  std::swap(pool, pool_);
}

}  // namespace detail

void release_unused_memory() noexcept {
  detail::discard_recycled_values();
  detail::empty_pools();
}

std::size_t pooled_bytes() noexcept { return detail::pool.held + detail::helper_pool.held; }

}  // namespace unroll
