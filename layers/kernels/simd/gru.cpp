#include "layers/kernels/gru.hpp"

#include "layers/kernels/simd/backward.hpp"

namespace unroll::bptt::UNROLL_ISA {

extern constexpr kernel::ForScalars<UnitKernel> gru_after_kernel_table = unit_kernel<GruAfterUnit>("gru");
extern constexpr kernel::ForScalars<UnitKernel> gru_before_kernel_table = unit_kernel<GruBeforeUnit>("gru");

}  // namespace unroll::bptt::UNROLL_ISA
