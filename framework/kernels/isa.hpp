// The instruction set of the kernels. Every .cpp file in a directory named simd/ is compiled once per set, in
// namespace UNROLL_ISA, and exports one table of functions; the rest of the library calls through the tables.
// Internal: included only by .cpp files and by headers of kernels.
#pragma once

#include <cstddef>

// The set that this file is compiled for; files outside simd/ have the baseline's flags.
#ifndef UNROLL_ISA
#define UNROLL_ISA baseline
#endif

namespace unroll::kernel {

// The index of the current set in the tables; 0 is the baseline. Constant-initialised, so that code that runs
// before main uses at least the baseline; simd.cpp raises it at the start of the program.
extern constinit unsigned isa_in_use [[gnu::visibility("hidden")]];

// The export of a file in simd/: the functions for both scalar types.
template <template <class> class Functions>
struct ForScalars : Functions<float>, Functions<double> {};

}  // namespace unroll::kernel

// UNROLL_SIMD_TABLE(Pointwise, pointwise) declares pointwise_table in the namespace of every set, for
// simd/*.cpp to define, and the function pointwise<S>(), which returns the current set's Pointwise<S>.
#define UNROLL_SIMD_DECLARE_TABLE(isa, Functions, name)              \
  namespace isa {                                                    \
  extern const ::unroll::kernel::ForScalars<Functions> name##_table; \
  }
#ifdef UNROLL_SEVERAL_ISAS
#define UNROLL_SIMD_TABLE(Functions, name)                                                          \
  UNROLL_SIMD_DECLARE_TABLE(baseline, Functions, name)                                              \
  UNROLL_SIMD_DECLARE_TABLE(avx2, Functions, name)                                                  \
  UNROLL_SIMD_DECLARE_TABLE(avx512, Functions, name)                                                \
  template <class S>                                                                                \
  const Functions<S>& name() noexcept {                                                             \
    static constexpr const Functions<S>* kTables[] = {&baseline::name##_table, &avx2::name##_table, \
                                                      &avx512::name##_table};                       \
    return *kTables[::unroll::kernel::isa_in_use];                                                  \
  }
#else
#define UNROLL_SIMD_TABLE(Functions, name)                           \
  UNROLL_SIMD_DECLARE_TABLE(baseline, Functions, name)               \
  template <class S>                                                 \
  const Functions<S>& name() noexcept {                              \
    return static_cast<const Functions<S>&>(baseline::name##_table); \
  }
#endif
