// build_info: the library's build and its platform.
#pragma once

#include <string>

namespace unroll {

// Returns several lines for a bug report or a benchmark: version and compiler, the SIMD instruction set in
// use and the available ones (simd.hpp), the BLAS and the CPU type that it has detected, and the number of
// threads. Ends with a warning if the BLAS uses an older CPU type than this one, as with OPENBLAS_CORETYPE:
// matrix products are then slower than they could be.
std::string build_info();

namespace detail {

// Returns a warning about this OpenBLAS core on a CPU with these instruction sets; empty if there is none.
std::string blas_core_warning(const std::string& core, bool cpu_has_avx2, bool cpu_has_avx512);

}  // namespace detail
}  // namespace unroll
