#include "framework/kernels/packing.hpp"

#include "framework/kernels/packed_gemm.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

template <class S>
void multiply(std::size_t m, std::size_t n, std::size_t k, const S* a, std::size_t a_row,
              std::size_t a_column, const S* packed, bool accumulate, S* c, std::size_t ldc) noexcept {
  PackedGemm<S>{m, n, k, a, a_row, a_column, packed, accumulate, c, ldc}.run();
}

template <class S>
void column_sums(std::size_t rows, std::size_t columns, const S* x, std::size_t ldx, S* out) noexcept {
  constexpr std::size_t kRows = 8;  // at a time: out is read and written once for all of them
  std::fill_n(out, columns, S(0));
  for (std::size_t r = 0; r < rows; r += kRows, x += kRows * ldx) {
    const std::size_t count = std::min(kRows, rows - r);
    for_lanes<S>(columns, [&](const auto& lane) {
      auto sum = lane.load(out);
      for (std::size_t k = 0; k < count; ++k) sum += lane.load(x + k * ldx);
      lane.store(out, sum);
    });
  }
}

}  // namespace

extern constexpr ForScalars<Packing> packing_table{
    {&packed_size<float>, &pack<float>, &multiply<float>, &column_sums<float>},
    {&packed_size<double>, &pack<double>, &multiply<double>, &column_sums<double>}};

}  // namespace unroll::kernel::UNROLL_ISA
