// Which of a grid's passes run at the same time, and who runs which chunk of time when.
#pragma once

#include <cstddef>
#include <span>

#include "layers/recurrent/batch_layout.hpp"

namespace unroll::detail {

// How the passes of a layer's call belong together: side by side on the same input (a single one, or both
// directions), or each on the output of the one before (a stack).
enum class Grid { side_by_side, stacked };

// Into how many parts a loop over time of so many multiplications cuts its batch, one for each thread: as
// many as are allowed and pay.
std::size_t row_parts(const bptt::BatchLayout& layout, std::size_t multiplications) noexcept;

// Whether passes over these steps are worth two threads; weights: the numbers in the matrices of each.
bool passes_at_once(Grid grid, const bptt::BatchLayout& layout,
                    std::span<const std::size_t> weights) noexcept;

// Into how many chunks of time the passes are cut.
std::size_t chunk_count(Grid grid, bool at_once) noexcept;

// Calls run(context, pass, stage) for all stages 0 ... chunks + 1 of all passes, each pass's in order, and in
// a stack stage 1 ... chunks after the same stage of the pass before. at_once: on two threads, where run must
// touch no reference count of a Var that it has not made; else pass by pass. Throws what the first call that
// throws does, after which a stack begins no other.
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
