#include "layers/stream/kernel.hpp"

#include <utility>

#include "framework/kernels/simd.hpp"

namespace unroll::stream::UNROLL_ISA {
namespace {

using namespace kernel::UNROLL_ISA;
template <class S>
constexpr std::size_t kLanes = Batch<S>::size;

// f(0), ... f(N-1), the numbers as constants: a loop would come too late for the sums to be kept in
// registers.
template <std::size_t N, class F>
void unrolled(F&& f) {
  [&]<std::size_t... i>(std::index_sequence<i...>) { (f(std::integral_constant<std::size_t, i>()), ...); }
  (std::make_index_sequence<N>());
}

// R rows of U blocks of G gates, in registers.
template <class S, std::size_t R, std::size_t U, std::size_t G>
struct Tile {
  Batch<S> sum[R][U][G];

  // All rows begin with the numbers of from (U, G, lanes).
  void begin(const S* from) {
    unrolled<R>([&](auto r) { begin_row(r, from); });
  }
  void begin_row(auto r, const S* from) {
    unrolled<U>([&](auto u) {
      unrolled<G>([&](auto g) { sum[r][u][g] = Batch<S>::load_aligned(from + (u * G + g) * kLanes<S>); });
    });
  }

  // sum[r][u][gate] += x[r] W for the gates that weight has; a block of it is block_size numbers.
  template <std::size_t... gate>
  void add(const Rows<S>& x, std::size_t row, const S* weight, std::size_t block_size) {
    constexpr std::size_t kGate[] = {gate...}, kCount = sizeof...(gate);
    const S* values = x.values + row * x.stride;
    for (std::size_t k = 0; k < x.size; ++k, weight += kCount * kLanes<S>) {
      unrolled<U>([&](auto u) {
        unrolled<kCount>([&](auto g) {
          const auto w = Batch<S>::load_aligned(weight + u * block_size + g * kLanes<S>);
          unrolled<R>([&](auto r) {
            Batch<S>& to = sum[r][u][kGate[g]];
            to = xsimd::fma(Batch<S>(values[r * x.stride + k]), w, to);
          });
        });
      });
    }
  }

  // Calls f(sums of the gates, row, first unit) for every row and block.
  template <class F>
  void finish(std::size_t row, std::size_t block, F&& f) const {
    unrolled<R>(
        [&](auto r) { unrolled<U>([&](auto u) { f(sum[r][u], row + r, (block + u) * kLanes<S>); }); });
  }
};

// Calls run<R, U>(row, block) for tiles that cover all of them. Some eight sums at once keep the multipliers
// busy: of one row and several blocks, or of two rows, for which the weights are then read once.
template <std::size_t U, class Run>
void for_tiles(std::size_t rows, std::size_t blocks, Run&& run) {
  std::size_t block = 0;
  if (rows == 1) {
    for (; block + U <= blocks; block += U) run.template operator()<1, U>(0, block);
  }
  for (; block < blocks; ++block) {
    std::size_t row = 0;
    for (; row + 2 <= rows; row += 2) run.template operator()<2, 1>(row, block);
    if (row < rows) run.template operator()<1, 1>(row, block);
  }
}

template <class B>
B mix(bool z_keeps, const B& z, const B& n, const B& h) {
  return z_keeps ? n + z * (h - n) : h + z * (n - h);
}

template <class S>
void affine(const Step<S>& step, Nonlinearity nonlinearity) noexcept {
  const std::size_t width = step.blocks * kLanes<S>, block_size = (step.x.size + step.h.size) * kLanes<S>;
  for_tiles<4>(step.rows, step.blocks, [&]<std::size_t R, std::size_t U>(std::size_t row, std::size_t block) {
    Tile<S, R, U, 1> tile;
    const S* weight = step.weight + block * block_size;
    tile.begin(step.bias + block * kLanes<S>);
    tile.template add<0>(step.x, row, weight, block_size);
    tile.template add<0>(step.h, row, weight + step.x.size * kLanes<S>, block_size);
    tile.finish(row, block, [&](const auto& a, std::size_t r, std::size_t unit) {
      const Batch<S> zero(S(0));
      const Batch<S> y = nonlinearity == Nonlinearity::tanh ? tanh<S>(a[0])
                         : nonlinearity == Nonlinearity::relu
                             ? xsimd::select(a[0] <= zero, zero, a[0])  // NaN stays NaN
                             : a[0];
      y.store_aligned(step.output + r * width + unit);
    });
  });
}

template <class S>
void lstm(const Step<S>& step, S* c) noexcept {
  const std::size_t width = step.blocks * kLanes<S>, block_size = 4 * (step.x.size + step.h.size) * kLanes<S>;
  for_tiles<2>(step.rows, step.blocks, [&]<std::size_t R, std::size_t U>(std::size_t row, std::size_t block) {
    Tile<S, R, U, 4> tile;
    const S* weight = step.weight + block * block_size;
    tile.begin(step.bias + 4 * block * kLanes<S>);
    tile.template add<0, 1, 2, 3>(step.x, row, weight, block_size);
    tile.template add<0, 1, 2, 3>(step.h, row, weight + 4 * step.x.size * kLanes<S>, block_size);
    tile.finish(row, block, [&](const auto& a, std::size_t r, std::size_t unit) {
      S* cell = c + r * width + unit;
      const auto i = sigmoid(a[0]), f = sigmoid(a[1]), o = sigmoid(a[3]);
      const auto next = f * Batch<S>::load_aligned(cell) + i * tanh<S>(a[2]);
      next.store_aligned(cell);
      (o * tanh<S>(next)).store_aligned(step.output + r * width + unit);
    });
  });
}

template <class S>
void gru_reset_after(const Step<S>& step, bool z_keeps) noexcept {
  const std::size_t width = step.blocks * kLanes<S>, block_size = 3 * (step.x.size + step.h.size) * kLanes<S>;
  for_tiles<2>(step.rows, step.blocks, [&]<std::size_t R, std::size_t U>(std::size_t row, std::size_t block) {
    Tile<S, R, U, 4> tile;
    const S* weight = step.weight + block * block_size;
    tile.begin(step.bias + 4 * block * kLanes<S>);
    tile.template add<0, 1, 2>(step.x, row, weight, block_size);
    tile.template add<0, 1, 3>(step.h, row, weight + 3 * step.x.size * kLanes<S>, block_size);
    tile.finish(row, block, [&](const auto& a, std::size_t r, std::size_t unit) {
      const auto n = tanh<S>(a[2] + sigmoid(a[0]) * a[3]);
      const auto h = Batch<S>::load_unaligned(step.h.values + r * step.h.stride + unit);
      mix(z_keeps, sigmoid(a[1]), n, h).store_aligned(step.output + r * width + unit);
    });
  });
}

template <class S>
void gru_reset_before(const Step<S>& step, bool z_keeps, const S* weight_hn, S* z, S* n,
                      S* reset_h) noexcept {
  const std::size_t width = step.blocks * kLanes<S>,
                    block_size = (3 * step.x.size + 2 * step.h.size) * kLanes<S>;
  const auto h = [&](std::size_t r, std::size_t unit) {
    return Batch<S>::load_unaligned(step.h.values + r * step.h.stride + unit);
  };
  for_tiles<2>(step.rows, step.blocks, [&]<std::size_t R, std::size_t U>(std::size_t row, std::size_t block) {
    Tile<S, R, U, 3> tile;
    const S* weight = step.weight + block * block_size;
    tile.begin(step.bias + 3 * block * kLanes<S>);
    tile.template add<0, 1, 2>(step.x, row, weight, block_size);
    tile.template add<0, 1>(step.h, row, weight + 3 * step.x.size * kLanes<S>, block_size);
    tile.finish(row, block, [&](const auto& a, std::size_t r, std::size_t unit) {
      (sigmoid(a[0]) * h(r, unit)).store_aligned(reset_h + r * width + unit);
      sigmoid(a[1]).store_aligned(z + r * width + unit);
      a[2].store_aligned(n + r * width + unit);
    });
  });
  const Rows<S> read{reset_h, step.h.size, width};
  const std::size_t hn_size = step.h.size * kLanes<S>;
  for_tiles<4>(step.rows, step.blocks, [&]<std::size_t R, std::size_t U>(std::size_t row, std::size_t block) {
    Tile<S, R, U, 1> tile;
    unrolled<R>([&](auto r) { tile.begin_row(r, n + (row + r) * width + block * kLanes<S>); });
    tile.template add<0>(read, row, weight_hn + block * hn_size, hn_size);
    tile.finish(row, block, [&](const auto& a, std::size_t r, std::size_t unit) {
      const auto keep = Batch<S>::load_aligned(z + r * width + unit);
      mix(z_keeps, keep, tanh<S>(a[0]), h(r, unit)).store_aligned(step.output + r * width + unit);
    });
  });
}

template <class S>
constexpr Kernels<S> functions() {
  return {kLanes<S>, &affine<S>, &lstm<S>, &gru_reset_after<S>, &gru_reset_before<S>};
}

}  // namespace

constinit const kernel::ForScalars<Kernels> kernels_table{functions<float>(), functions<double>()};

}  // namespace unroll::stream::UNROLL_ISA
