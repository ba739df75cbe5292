#include "framework/kernels/spin_barrier.hpp"

#include <thread>

namespace unroll::kernel {
namespace {

// A hint to the processor that this thread waits in a loop.
void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void SpinBarrier::arrive_and_wait() noexcept {
  constexpr int kSpins = 2000;  // about 20 us; then the awaited thread may need this core
  const std::size_t round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace unroll::kernel
