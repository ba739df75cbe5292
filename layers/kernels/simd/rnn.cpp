#include "layers/kernels/rnn.hpp"

#include "layers/kernels/simd/backward.hpp"

namespace unroll::bptt::UNROLL_ISA {

extern constexpr kernel::ForScalars<UnitKernel> rnn_kernel_table = unit_kernel<RnnUnit>("rnn");

}  // namespace unroll::bptt::UNROLL_ISA
