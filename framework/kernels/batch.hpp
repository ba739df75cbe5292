// A batch of numbers, as wide as the instruction set's registers. Internal: included by .cpp files only.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

// xsimd gets a namespace of its own for every instruction set. Its AVX-512 code calls functions of its AVX2
// part and so on down, and those, compiled with AVX-512 flags, must not be the copies that the linker keeps
// for others.
#define UNROLL_SIMD_JOIN_NAMES(a, b) a##b
#define UNROLL_SIMD_JOIN(a, b) UNROLL_SIMD_JOIN_NAMES(a, b)
#define xsimd UNROLL_SIMD_JOIN(xsimd_, UNROLL_ISA)
#include <xsimd/xsimd.hpp>

namespace unroll::kernel::UNROLL_ISA {

template <class S>
using Batch = xsimd::batch<S>;

}  // namespace unroll::kernel::UNROLL_ISA
