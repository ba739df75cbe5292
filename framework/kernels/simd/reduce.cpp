#include "framework/kernels/reduce.hpp"

#include "framework/kernels/simd/fold.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

template <class S>
constexpr Reductions<S> reductions_functions() {
  return {.sum = reduce_axis<Add<S>, S>, .max = reduce_axis<Larger<S>, S>, .min = reduce_axis<Smaller<S>, S>};
}

}  // namespace

constinit const ForScalars<Reductions> reductions_table{reductions_functions<float>(),
                                                        reductions_functions<double>()};

}  // namespace unroll::kernel::UNROLL_ISA
