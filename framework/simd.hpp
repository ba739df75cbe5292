// The SIMD instruction set in use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// The kernels are compiled for several instruction sets: "baseline" (x86-64's SSE2, or the default of another
// machine), "avx2" (AVX2 and FMA) and "avx512" (also AVX-512 F, CD, BW, DQ and VL). At start the program
// chooses the best one that the CPU and the operating system support, or the one that the environment
// variable UNROLL_SIMD names; an unknown or unsupported name ends the program at once, with a message.
// Results under different sets differ only by rounding. A build with UNROLL_NATIVE has a single set, called
// "native".

// Returns the name of the set in use.
std::string_view simd_isa() noexcept;

// Returns the names of the usable sets, from the baseline to the best.
std::vector<std::string> simd_isas();

// Switches the whole program to another set; call it while no other thread computes. Throws ArgumentError for
// a name that is not in simd_isas().
void set_simd_isa(std::string_view name);

}  // namespace unroll
