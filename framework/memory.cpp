#include "framework/memory.hpp"

#include "framework/block_log.hpp"

namespace unroll {
namespace detail {

thread_local constinit Pool pool;

namespace {

constexpr std::size_t kAlignment = 64;

void empty_pool() noexcept {
  for (auto& list : pool.lists) {
    while (list != nullptr) {
      FreeBlock* next = list->next;
      system_free(list);
      list = next;
    }
  }
  pool.held = 0;
}

// Opens this thread's pool and, at the thread's end, empties and closes it.
struct PoolGuard {
  PoolGuard() noexcept { pool.open = true; }
  ~PoolGuard() {
    pool.open = false;
    empty_pool();
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
  void* block = ::operator new (bytes, std::align_val_t{kAlignment});
  if (block_log != nullptr) block_log->add(block, bytes);
  return block;
}

void system_free(void* block) noexcept {
  if (block_log != nullptr) block_log->remove(block);
  ::operator delete (block, std::align_val_t{kAlignment});
}

}  // namespace detail

void release_unused_memory() noexcept {
  detail::discard_recycled_values();
  detail::empty_pool();
}

std::size_t pooled_bytes() noexcept { return detail::pool.held; }

}  // namespace unroll
