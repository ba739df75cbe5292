// parallel(): one function on several threads. Internal.
#pragma once

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

// How many threads work may be cut for here: num_threads(), but 1 inside of a part.
std::size_t threads_here() noexcept;

}  // namespace unroll::kernel
