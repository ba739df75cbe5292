#include "layers/kernels/lstm.hpp"

#include "layers/kernels/simd/backward.hpp"

namespace unroll::bptt::UNROLL_ISA {

extern constexpr kernel::ForScalars<UnitKernel> lstm_kernel_table = unit_kernel<LstmUnit>("lstm");

}  // namespace unroll::bptt::UNROLL_ISA
