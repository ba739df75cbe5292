// parallel(): one function on several threads. Internal.
#pragma once

#include <atomic>
#include <cstddef>

namespace unroll::kernel {

// Calls run(context, part) for part = 0 ... parts-1, part 0 on this thread and each of the others on a thread
// of its own that is kept for the next call, and returns when all have ended. Throws what a part has thrown,
// the first one's exception if several have. Inside of a part, while another thread is in a call, and where
// the system gives no threads, all parts run on the calling thread. In a child of fork() threads begin anew.
void parallel(std::size_t parts, void (*run)(void* context, std::size_t part), void* context);

template <class F>
void parallel(std::size_t parts, const F& f) {
  const F* function = &f;
  parallel(
      parts, [](void* context, std::size_t part) { (**static_cast<const F**>(context))(part); }, &function);
}

// The same on threads of their own or not at all: false when there are none, as inside of a part or where
// the system gives none. For parts that wait for each other, and so must not throw.
bool parallel_at_once(std::size_t parts, void (*run)(void* context, std::size_t part), void* context);

template <class F>
bool parallel_at_once(std::size_t parts, const F& f) {
  const F* function = &f;
  return parallel_at_once(
      parts, [](void* context, std::size_t part) { (**static_cast<const F**>(context))(part); }, &function);
}

// Where so many threads that run at once wait for each other, again and again, for a time too short to sleep.
class SpinBarrier {
 public:
  explicit SpinBarrier(std::size_t threads) noexcept : threads_(threads) {}
  // Returns when every thread has called it as often as this one; what they wrote before is seen after it.
  void arrive_and_wait() noexcept;

 private:
  const std::size_t threads_;
  alignas(64) std::atomic<std::size_t> arrived_{0};
  alignas(64) std::atomic<std::size_t> round_{0};
};

// How many threads work may be cut for here: num_threads(), but 1 inside of a part.
std::size_t threads_here() noexcept;

}  // namespace unroll::kernel
