// parallel(): one function on several threads. Internal.
#pragma once

#include <cstddef>

namespace unroll::kernel {

// Calls run(context, part) for part = 0 ... parts-1, part 0 on this thread and each other part on a separate
// thread that is kept for the next call. Returns when all parts have ended. Rethrows an exception of a part,
// that of the first part if there are several. All parts run on the calling thread inside a part, while
// another thread is in a call, and if the system gives no threads. A child of fork() starts new threads.
void parallel(std::size_t parts, void (*run)(void* context, std::size_t part), void* context);

template <class F>
void parallel(std::size_t parts, const F& f) {
  const F* function = &f;
  parallel(
      parts, [](void* context, std::size_t part) { (**static_cast<const F**>(context))(part); }, &function);
}

// Does the same, but only with one thread per part; returns false if there are none, as inside a part or if
// the system gives none. For parts that wait for each other, and so must not throw.
bool parallel_at_once(std::size_t parts, void (*run)(void* context, std::size_t part), void* context);

template <class F>
bool parallel_at_once(std::size_t parts, const F& f) {
  const F* function = &f;
  return parallel_at_once(
      parts, [](void* context, std::size_t part) { (**static_cast<const F**>(context))(part); }, &function);
}

// Returns the number of threads that work may use here: num_threads(), but 1 inside a part.
std::size_t threads_here() noexcept;

}  // namespace unroll::kernel
