// Decides which passes of a grid run at the same time, and which thread runs which chunk of time.
#pragma once

#include <cstddef>
#include <span>

#include "layers/recurrent/batch_layout.hpp"

namespace unroll::detail {

// How the passes of a layer's call are connected: side by side on the same input (one direction or both), or
// each on the output of the previous one (a stack).
enum class Grid { side_by_side, stacked };

// Returns the number of parts, one per thread, into which a time loop with this many multiplications cuts its
// batch: as many as are allowed and pay.
std::size_t row_parts(const bptt::BatchLayout& layout, std::size_t multiplications) noexcept;

// Returns whether passes over these steps are worth two threads; weights: the matrix elements of each pass.
bool passes_at_once(Grid grid, const bptt::BatchLayout& layout,
                    std::span<const std::size_t> weights) noexcept;

// Returns the number of chunks of time into which the passes are cut.
std::size_t chunk_count(Grid grid, bool at_once) noexcept;

// Calls run(context, pass, stage) for all stages 0 ... chunks + 1 of all passes. The stages of a pass run in
// order; in a stack, stages 1 ... chunks run after the same stage of the previous pass. at_once: runs on two
// threads, and run must not touch the reference count of a Var that it has not made; otherwise runs pass by
// pass. Rethrows the first exception, after which a stack starts no other call.
void run_schedule(Grid grid, bool at_once, std::size_t passes, std::size_t chunks,
                  void (*run)(void* context, std::size_t pass, std::size_t stage), void* context);

template <class F>
void run_schedule(Grid grid, bool at_once, std::size_t passes, std::size_t chunks, const F& f) {
  const F* function = &f;
  run_schedule(
      grid, at_once, passes, chunks,
      [](void* context, std::size_t pass, std::size_t stage) {
        (**static_cast<const F**>(context))(pass, stage);
      },
      &function);
}

}  // namespace unroll::detail
