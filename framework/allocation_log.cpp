#include "framework/allocation_log.hpp"

#include <utility>

namespace unroll::detail {

AllocationLog::AllocationLog() : outer_(allocation_log) {
  if (outer_ == nullptr) {
    open_pool();
    aside_ = std::exchange(pool, Pool{});  // no lists, and closed
    pool.heap = aside_.heap;               // small blocks come from the slabs, but not quickly
  }
  allocation_log = this;
}

AllocationLog::~AllocationLog() {
  if (allocation_log == this) {
    allocation_log = outer_;
  } else {  // it ends before a later log, which takes its place
    AllocationLog* inner = allocation_log;
    while (inner->outer_ != this) inner = inner->outer_;
    inner->outer_ = outer_;
    if (outer_ == nullptr) inner->aside_ = aside_;
  }
  if (outer_ != nullptr) {
    for (const auto& [block, entry] : blocks_) outer_->add(block, entry.bytes);
  } else if (allocation_log == nullptr) {
    pool = aside_;
  }
}

void AllocationLog::add(const void* block, std::size_t bytes) {
  blocks_.insert_or_assign(block, Block{bytes, owner});
  bytes_ += bytes;
}

void AllocationLog::remove(const void* block) noexcept {
  if (const auto found = blocks_.find(block); found != blocks_.end()) {
    bytes_ -= found->second.bytes;
    blocks_.erase(found);
  } else if (outer_ != nullptr) {
    outer_->remove(block);
  }
}

}  // namespace unroll::detail
