// What the library was built with and runs on.
#pragma once

#include <string>

namespace unroll {

// Several lines for a bug report or beside a benchmark's times: version and compiler, the SIMD instruction
// set in use and those available (see simd.hpp), the BLAS with the kind of CPU that it takes this one for,
// and the threads that it may use. Ends in a warning where the BLAS works for an older CPU than this, as with
// OPENBLAS_CORETYPE set: matrix products are then slower than they could be.
std::string build_info();

namespace detail {

// What is wrong with this core of OpenBLAS on a CPU with these instruction sets; empty if nothing is.
std::string blas_core_warning(const std::string& core, bool cpu_has_avx2, bool cpu_has_avx512);

}  // namespace detail
}  // namespace unroll
