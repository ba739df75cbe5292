#include "framework/kernels/packing.hpp"

#include "framework/kernels/packed_gemm.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

template <class S>
void multiply(std::size_t m, std::size_t n, std::size_t k, const S* a, std::size_t a_row,
              std::size_t a_column, const Panels<S>& b, bool accumulate, S* c, std::size_t ldc) noexcept {
  PackedGemm<S>{m, n, k, a, a_row, a_column, b, accumulate, c, ldc}.run();
}

template <class S>
void transpose(std::size_t rows, std::size_t columns, const S* from, S* to) noexcept {
  constexpr std::size_t kSide = kBlock<S>;
  const std::size_t whole_rows = rows / kSide * kSide, whole_columns = columns / kSide * kSide;
  for (std::size_t r = 0; r < whole_rows; r += kSide) {
    for (std::size_t c = 0; c < whole_columns; c += kSide)
      transpose_block(from + r * columns + c, columns, to + c * rows + r, rows);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c)
      to[c * rows + r] = from[r * columns + c];
  }
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

template <class S>
constexpr Packing<S> packing_functions() {
  return {.width = Batch<S>::size,
          .size = packed_size<S>,
          .pack = pack<S>,
          .in_place = in_place<S>,
          .multiply = multiply<S>,
          .transpose = transpose<S>,
          .column_sums = column_sums<S>};
}

}  // namespace

extern constexpr ForScalars<Packing> packing_table{packing_functions<float>(), packing_functions<double>()};

}  // namespace unroll::kernel::UNROLL_ISA
