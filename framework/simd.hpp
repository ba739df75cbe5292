// Which SIMD instruction set the library uses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// The kernels are compiled for several instruction sets: "baseline" (x86-64's SSE2, or whatever another
// machine has), "avx2" (AVX2 and FMA) and "avx512" (AVX-512 F, CD, BW, DQ and VL as well). The best that the
// CPU and the operating system support is chosen when the program starts, or the one that the environment
// variable UNROLL_SIMD names; a program under a name that is unknown or unsupported ends at once, with a
// message. Results under different sets differ by rounding only. A build with UNROLL_NATIVE has a single set,
// called "native".

// The name of the set in use.
std::string_view simd_isa() noexcept;

// The names of those that can be used here, from the baseline up to the best.
std::vector<std::string> simd_isas();

// Uses another set from now on; for the whole program, so call it while no other thread computes. Throws
// ArgumentError for a name that is not in simd_isas().
void set_simd_isa(std::string_view name);

}  // namespace unroll
