// AllocationLog: which memory blocks a thread holds, by owner. Internal to memory measurement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "framework/memory.hpp"

namespace unroll::detail {

// Records every block that this thread allocates for values and tapes while the log lives, until the block is
// freed on this thread. Free lists are set aside meanwhile, so every allocation takes the slow path, which
// looks for a log; without a log the fast path is unchanged. Logs nest and may end in any order: the blocks
// that one still holds at its end go to the log around it.
class AllocationLog {
 public:
  struct Block {
    std::size_t bytes;  // as rounded up
    std::uint32_t owner;
  };

  AllocationLog();
  ~AllocationLog();
  AllocationLog(const AllocationLog&) = delete;
  AllocationLog& operator=(const AllocationLog&) = delete;

  std::uint32_t owner = 0;  // stored with each block from here on
  std::size_t bytes() const noexcept { return bytes_; }
  const std::unordered_map<const void*, Block>& blocks() const noexcept { return blocks_; }

  // Called by the allocator.
  void add(const void* block, std::size_t bytes);
  void remove(const void* block) noexcept;

 private:
  std::unordered_map<const void*, Block> blocks_;
  std::size_t bytes_ = 0;
  AllocationLog* outer_;
  Pool aside_;
};

}  // namespace unroll::detail
