// How many threads a computation may use.
#pragma once

namespace unroll {

// Threads that matrix products, the loops of recurrent layers, the two directions of one and layers one on
// top of the other may use; 1 until set. Small work stays on the calling thread. Results do not depend on the
// number. Throws ArgumentError below 1.
void set_num_threads(int threads);
int num_threads() noexcept;

}  // namespace unroll
