#include "layers/kernels/mgu.hpp"

#include "layers/kernels/simd/backward.hpp"

namespace unroll::bptt::UNROLL_ISA {

extern constexpr kernel::ForScalars<UnitKernel> mgu_kernel_table = unit_kernel<MguUnit>("mgu");

}  // namespace unroll::bptt::UNROLL_ISA
