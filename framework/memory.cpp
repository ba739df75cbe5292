#include "framework/memory.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstdlib>
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

thread_local constinit SlabHeap own_heap, helper_heap;
// Counts the blocks that threads have returned to the heaps of others.
constinit std::atomic<std::uint64_t> all_returns{0};

void empty_lists(Pool& each) noexcept {
  for (auto& list : each.lists) {
    while (list != nullptr) {
      FreeBlock* next = list->next;
      system_free(list);
      list = next;
    }
  }
  each.held = 0;
}

Slab* new_slab(SlabHeap* owner, std::size_t units) noexcept {
  // Not by operator new, which rounds the size up to a multiple of the alignment.
  void* area = nullptr;
  if (::posix_memalign(&area, Slab::kAlignment, Slab::kBytes) != 0) return nullptr;
  auto* slab = ::new (area) Slab;
  slab->owner = owner;
  slab->block_bytes = static_cast<std::uint32_t>(units * 64);
  slab->blocks = static_cast<std::uint32_t>((Slab::kBytes - kSlabHeader) / slab->block_bytes);
  slab->inverse = static_cast<std::uint32_t>(((std::size_t{1} << 16) + units - 1) / units);
  for (std::uint32_t i = 0; i < slab->blocks; ++i) slab->free_bits[i / 64] |= std::uint64_t{1} << i % 64;
  return slab;
}

void free_slab(Slab& slab) noexcept { std::free(&slab); }

// Ends the heap's part in a slab. Blocks in use come back later.
void give_up(Slab& slab) noexcept {
  slab.owner.store(nullptr, std::memory_order_relaxed);
  const auto rest = static_cast<std::int64_t>(slab.collected + slab.blocks - slab.free());
  if (slab.returned.fetch_sub(rest, std::memory_order_acq_rel) == rest) free_slab(slab);
}

// Returns a block to the heap of another thread, or to one that has given its slab up.
void return_block(Slab& slab, const void* block) noexcept {
  const std::size_t index = slab.index_of(block);
  slab.returned_bits[index / 64].fetch_or(std::uint64_t{1} << index % 64, std::memory_order_release);
  all_returns.fetch_add(1, std::memory_order_release);
  if (slab.returned.fetch_add(1, std::memory_order_acq_rel) == -1) free_slab(slab);
}

// Makes the blocks free that other threads have returned.
void collect(SlabHeap& heap) noexcept {
  heap.returns_seen = all_returns.load(std::memory_order_acquire);
  for (Slab* first : heap.all) {
    for (Slab* slab = first; slab != nullptr; slab = slab->next) {
      for (std::uint32_t word = 0; word < Slab::kWords; ++word) {
        auto& returned = slab->returned_bits[word];
        if (returned.load(std::memory_order_relaxed) == 0) continue;
        const std::uint64_t bits = returned.exchange(0, std::memory_order_acquire);
        slab->free_bits[word] |= bits;
        slab->collected += static_cast<std::uint64_t>(std::popcount(bits));
        if (word < slab->first) go_back(heap, *slab, word);
      }
    }
  }
}

}  // namespace

void trim(SlabHeap& heap) noexcept {
  for (auto& recent : heap.recent) {
    while (recent.count > 0) {
      void* block = recent.block[--recent.count];
      put_block(heap, *Slab::of(block), block);
    }
  }
  collect(heap);
  for (std::size_t units = 0; units < SlabHeap::kClasses; ++units) {
    Slab*& current = heap.current[units];
    Slab** available = &heap.available[units];
    while (*available != nullptr) {
      if ((*available)->free() == (*available)->blocks) {
        *available = (*available)->next_available;
        --heap.waiting;
      } else {
        available = &(*available)->next_available;
      }
    }
    Slab** at = &heap.all[units];
    while (*at != nullptr) {
      Slab& slab = **at;
      if (slab.free() == slab.blocks) {
        *at = slab.next;
        if (current == &slab) current = nullptr;
        --heap.slabs;
        give_up(slab);
      } else {
        at = &slab.next;
      }
    }
  }
  heap.trim_at = std::max(SlabHeap::kMostHeld, 2 * heap.waiting);
}

namespace {

void end(SlabHeap& heap) noexcept {
  trim(heap);
  for (Slab*& first : heap.all) {
    while (first != nullptr) give_up(*std::exchange(first, first->next));
  }
  heap = SlabHeap{};
}

// This thread's pool, until the thread ends.
struct PoolGuard {
  PoolGuard() noexcept {
    pool.open = true;
    pool.heap = &own_heap;
    pool.quick = allocation_log == nullptr ? pool.heap : nullptr;
  }
  ~PoolGuard() {
    pool.open = false;
    pool.heap = pool.quick = nullptr;
    empty_lists(pool);
    empty_lists(helper_pool);
    end(own_heap);
    end(helper_heap);
  }
};

// Memory that this thread keeps for reuse may be enough for an allocation that has failed. The helpers' pool
// is not touched: it may be in use.
void give_back() noexcept {
  empty_lists(pool);
  if (pool.heap != nullptr) trim(*pool.heap);
}

void* system_allocate(std::size_t bytes) {
  void* block = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
  if (block == nullptr) [[unlikely]] {
    give_back();
    block = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
    if (block == nullptr) throw_no_memory(bytes, 1);
  }
  if (allocation_log != nullptr) allocation_log->add(block, bytes);
  return block;
}

}  // namespace

void open_pool() {
#if UNROLL_POOL
  static thread_local const PoolGuard guard;
#endif
}

std::size_t Slab::free() const noexcept {
  std::size_t count = 0;
  for (std::uint64_t bits : free_bits) count += static_cast<std::size_t>(std::popcount(bits));
  return count;
}

// Makes the next slab with free blocks current, if there is one.
static void next_slab(SlabHeap& heap, std::size_t units) noexcept {
  Slab*& available = heap.available[units];
  heap.current[units] = available;
  if (available == nullptr) return;
  available = available->next_available;
  --heap.waiting;
}

void advance(SlabHeap& heap, Slab& slab) noexcept {
  while (slab.first < Slab::kWords && slab.free_bits[slab.first] == 0) ++slab.first;
  if (slab.first == Slab::kWords) next_slab(heap, slab.units());
}

void go_back(SlabHeap& heap, Slab& slab, std::uint32_t word) noexcept {
  if (std::exchange(slab.first, word) < Slab::kWords) return;  // it is current or available
  slab.next_available = std::exchange(heap.available[slab.units()], &slab);
  ++heap.waiting;
}

void* small_allocate_slow(std::size_t bytes) {
  if (!UNROLL_POOL) return system_allocate(bytes);
  open_pool();
  SlabHeap* heap = pool.heap;
  const std::size_t units = std::max(bytes + 63, std::size_t{64}) / 64;
  SlabHeap ending;  // of a thread that ends: its blocks have a slab each
  if (heap == nullptr) heap = &ending;
  if (heap->current[units] == nullptr) {
    // A look at every slab, for a number of returned blocks in proportion.
    const std::uint64_t returns = all_returns.load(std::memory_order_relaxed) - heap->returns_seen;
    if (returns > heap->slabs / 4) collect(*heap);
    next_slab(*heap, units);
  }
  if (heap->current[units] == nullptr) {
    Slab* slab = new_slab(heap, units);
    if (slab == nullptr) {
      give_back();
      slab = new_slab(heap, units);
      if (slab == nullptr) throw_no_memory(bytes, 1);
    }
    slab->next = std::exchange(heap->all[units], slab);
    ++heap->slabs;
    heap->current[units] = slab;
  }
  void* block = take_block(*heap, *heap->current[units]);
  if (heap == &ending) end(ending);
  if (allocation_log != nullptr) allocation_log->add(block, units * 64);
  return block;
}

void small_free_slow(void* block) noexcept {
  if (!UNROLL_POOL) return system_free(block);
  if (allocation_log != nullptr) allocation_log->remove(block);
  Slab& slab = *Slab::of(block);
  if (pool.heap != nullptr && slab.owner.load(std::memory_order_relaxed) == pool.heap) {
    put_block(*pool.heap, slab, block);
  } else {
    return_block(slab, block);
  }
}

void* pool_allocate_slow(std::size_t bytes, int shift) {
  if (UNROLL_POOL) {
    open_pool();
    if (shift <= Pool::kMaxShift) bytes = std::size_t{1} << shift;
  }
  return system_allocate(bytes);
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
  open_pool();
  constexpr int kMost = 16;  // per size: a helper needs no more, and lists may be long
  helper_pool.open = pool.open;
  helper_pool.heap = helper_pool.quick = pool.heap != nullptr ? &helper_heap : nullptr;
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
  open_pool();  // before: it opens the pool in use
  std::swap(pool, pool_);
}
BorrowedPool::Use::~Use() { std::swap(pool, pool_); }

}  // namespace detail

void release_unused_memory() noexcept {
  detail::empty_lists(detail::pool);
  detail::empty_lists(detail::helper_pool);
  detail::trim(detail::own_heap);
  detail::trim(detail::helper_heap);
}

std::size_t pooled_bytes() noexcept {
  std::size_t bytes = detail::pool.held + detail::helper_pool.held;
  for (detail::SlabHeap* heap : {&detail::own_heap, &detail::helper_heap}) {
    detail::collect(*heap);
    for (std::size_t units = 0; units < detail::SlabHeap::kClasses; ++units) {
      bytes += heap->recent[units].count * units * 64;
      for (const detail::Slab* slab = heap->all[units]; slab != nullptr; slab = slab->next) {
        bytes += slab->free() * slab->block_bytes;
      }
    }
  }
  return bytes;
}

}  // namespace unroll
