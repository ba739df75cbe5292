#include "framework/kernels/packed.hpp"

#include "framework/kernels/packed_gemm.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

template <class S>
void multiply(std::size_t m, std::size_t n, std::size_t k, const S* a, std::size_t a_row, std::size_t a_column,
              const S* packed, bool accumulate, S* c, std::size_t ldc) noexcept {
  PackedGemm<S>{m, n, k, a, a_row, a_column, packed, accumulate, c, ldc}.run();
}

}  // namespace

extern constexpr ForScalars<Packing> packing_table{{&packed_size<float>, &pack<float>, &multiply<float>},
                                                   {&packed_size<double>, &pack<double>, &multiply<double>}};

}  // namespace unroll::kernel::UNROLL_ISA
