// A batch of elements, as wide as the instruction set's registers. Internal: included only by .cpp files.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

// xsimd gets a separate namespace for every instruction set. Its AVX-512 code calls functions of its AVX2
// part, and so on, and copies of those compiled with AVX-512 flags must not be the ones that the linker keeps
// for other files.
#define UNROLL_SIMD_JOIN_NAMES(a, b) a##b
#define UNROLL_SIMD_JOIN(a, b) UNROLL_SIMD_JOIN_NAMES(a, b)
#define xsimd UNROLL_SIMD_JOIN(xsimd_, UNROLL_ISA)
#include <xsimd/xsimd.hpp>

namespace unroll::kernel::UNROLL_ISA {

template <class S>
using Batch = xsimd::batch<S>;

}  // namespace unroll::kernel::UNROLL_ISA
