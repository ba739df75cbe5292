// parallel(): one function on several threads. Internal.
#pragma once

#include <cstddef>

namespace unroll::kernel {

// Calls run(context, part) for part = 0 ... parts-1, part 0 on this thread and each of the others on a thread
// of its own that is kept for the next call, and returns when all have ended. run must not throw. Inside of
// a part, and while another thread is in a call, all parts run on the calling thread.
void parallel(std::size_t parts, void (*run)(void* context, std::size_t part), void* context);

template <class F>
void parallel(std::size_t parts, const F& f) {
  const F* function = &f;
  parallel(
      parts, [](void* context, std::size_t part) { (**static_cast<const F**>(context))(part); }, &function);
}

// How many threads work may be cut for here: num_threads(), but 1 inside of a part.
std::size_t threads_here() noexcept;

}  // namespace unroll::kernel
