// BorrowedPool: a share of a thread's free blocks, lent to a helper thread. Internal.
#pragma once

#include "framework/memory.hpp"

namespace unroll::detail {

// The helped thread frees what its helper allocates. From the helper's own lists, every call would take new
// blocks and leave them with the helped thread. So a helper uses a second pool of the helped thread, whose
// lists get up to half of the free blocks before each call. Blocks that the helper frees stay in it for the
// next call, still warm in its caches; small blocks return to their slabs by themselves.
class BorrowedPool {
 public:
  BorrowedPool() noexcept;

  // While it lives, the share is this thread's pool.
  class Use {
   public:
    explicit Use(const BorrowedPool& share);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Pool& pool_;
  };

 private:
  Pool& pool_;  // of the helped thread
};

}  // namespace unroll::detail
