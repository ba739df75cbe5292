// SpinBarrier. Internal.
#pragma once

#include <atomic>
#include <cstddef>

namespace unroll::kernel {

// A reusable spinning barrier, for waits too short to sleep.
class SpinBarrier {
 public:
  explicit SpinBarrier(std::size_t threads) noexcept : threads_(threads) {}
  // Returns when every thread has called it equally often; writes before the call are visible after it.
  void arrive_and_wait() noexcept;

 private:
  const std::size_t threads_;
  alignas(64) std::atomic<std::size_t> arrived_{0};
  alignas(64) std::atomic<std::size_t> round_{0};
};

}  // namespace unroll::kernel
