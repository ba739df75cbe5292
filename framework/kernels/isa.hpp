// Which instruction set the kernels use. Every .cpp file in a directory named simd/ is compiled once per set,
// in namespace UNROLL_ISA, and exports one table of functions; the rest of the library calls through the
// tables. Internal: included by .cpp files and headers of kernels only.
#pragma once

#include <cstddef>

// The set that this file is compiled for; files outside simd/ have the baseline's flags.
#ifndef UNROLL_ISA
#define UNROLL_ISA baseline
#endif

namespace unroll::kernel {

// The place in the tables of the set in use: 0 is the baseline. Constant-initialised, so that code which runs
// before main finds the baseline at least; simd.cpp raises it at the start of the program.
extern constinit unsigned isa_in_use [[gnu::visibility("hidden")]];

// What a file in simd/ exports: the functions for both scalar types.
template <template <class> class Functions>
struct ForScalars : Functions<float>, Functions<double> {};

}  // namespace unroll::kernel

// UNROLL_SIMD_TABLE(Pointwise, pointwise) declares pointwise_table in the namespace of every set, for
// simd/*.cpp to define, and the function pointwise<S>(), which returns Pointwise<S> of the set in use.
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
