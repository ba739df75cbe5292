// The number of threads a computation may use.
#pragma once

namespace unroll {

// Sets the number of threads for matrix products, for the loops of recurrent layers, and for the directions
// and stacked layers that run at the same time; 1 until set. Small work stays on the calling thread. Results
// do not depend on the number. Throws ArgumentError below 1.
void set_num_threads(int threads);
int num_threads() noexcept;

}  // namespace unroll
