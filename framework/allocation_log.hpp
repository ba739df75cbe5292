// AllocationLog: which blocks of memory a thread holds, and for whom. Internal to what measures memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "framework/memory.hpp"

namespace unroll::detail {

// While it lives, it knows every block that this thread allocates for values and tapes until it is freed (on
// this thread). Free lists are set aside meanwhile, so that every block takes the way that asks for a log:
// with none, an allocation costs what it always does. Logs nest and may end in any order: what one still
// holds at its end, the one around it holds.
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

  std::uint32_t owner = 0;  // noted with each block from here on
  std::size_t bytes() const noexcept { return bytes_; }
  const std::unordered_map<const void*, Block>& blocks() const noexcept { return blocks_; }

  // For the allocator.
  void add(const void* block, std::size_t bytes);
  void remove(const void* block) noexcept;

 private:
  std::unordered_map<const void*, Block> blocks_;
  std::size_t bytes_ = 0;
  AllocationLog* outer_;
  Pool aside_;
};

}  // namespace unroll::detail
