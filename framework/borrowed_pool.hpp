// BorrowedPool: a part of a thread's free blocks, lent to a thread that helps it. Internal.
#pragma once

#include "framework/memory.hpp"

namespace unroll::detail {

// What a helper makes is freed by the thread that it helps. Out of the helper's own pool, every call would
// take new blocks there and leave them here; so the helper works out of a second pool of this thread, which
// is filled up to half of the free blocks before each call. What the helper frees stays in it for the next
// call: its caches know these blocks.
class BorrowedPool {
 public:
  BorrowedPool() noexcept;

  // While it lives, the share is this thread's pool, and no values are kept for reuse: those made here are
  // discarded by the thread that is helped.
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
  Pool& pool_;  // of the thread that is helped
};

}  // namespace unroll::detail
