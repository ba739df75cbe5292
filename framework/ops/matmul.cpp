#include <fmt/format.h>

#include <memory>

#include "framework/errors.hpp"
#include "framework/kernels/gemm.hpp"
#include "framework/kernels/packed.hpp"
#include "framework/ops.hpp"
#include "framework/program/trace.hpp"

namespace unroll {
namespace {

// A 2-D operand, or a batch of them, as stored.
struct Matrices {
  std::size_t batch, rows, columns;
  bool batched;
  explicit Matrices(const Shape& shape)
      : batch(shape.size() == 3 ? shape[0] : 1),
        rows(shape[shape.size() - 2]),
        columns(shape.back()),
        batched(shape.size() == 3) {}
  // The distance between matrices; a 2-D operand is used for every batch entry.
  std::size_t step() const { return batched ? rows * columns : 0; }
};

void check_operands(const Shape& a, const Shape& b, bool transpose_a, bool transpose_b) {
  const auto fail = [&](const char* hint) {
    throw ShapeError(
        fmt::format("[matmul] expected a {} and b {}, each optionally in batches (B,.,.), got {} and {}{}",
                    transpose_a ? "(K,M) transposed" : "(M,K)", transpose_b ? "(N,K) transposed" : "(K,N)",
                    to_string(a), to_string(b), hint));
  };
  const auto is_matrix = [](const Shape& s) { return s.size() == 2 || s.size() == 3; };
  if (!is_matrix(a) || !is_matrix(b)) fail(" (two or three axes each; reshape or unsqueeze first)");
  const Matrices p(a), q(b);
  if ((transpose_a ? p.rows : p.columns) != (transpose_b ? q.columns : q.rows)) fail(" (the sizes K differ)");
  if (p.batched && q.batched && p.batch != q.batch) fail(" (the batch sizes B differ)");
}

// y = op(a) op(b) for every batch entry; with sum_batch, for two batched operands, the sum of these products.
template <class S>
Var<S> product(const Var<S>& a, const Var<S>& b, bool transpose_a, bool transpose_b, bool sum_batch) {
  const Matrices p(a.shape()), q(b.shape());
  std::size_t m = transpose_a ? p.columns : p.rows;
  const std::size_t n = transpose_b ? q.rows : q.columns;
  std::size_t k = transpose_a ? p.rows : p.columns;
  std::size_t batch = p.batched ? p.batch : q.batch;
  const bool batched = (p.batched || q.batched) && !sum_batch;
  Var<S> y = Var<S>::uninitialized(batched ? Shape{batch, m, n} : Shape{m, n});
  S* out = y.raw();
  const std::size_t step = batched ? m * n : 0;
  // Many small products that equal one large one:
  if (batched && p.batched && !q.batched && !transpose_a) {
    m *= batch;  // the rows of all a_i are stacked
    batch = 1;
  } else if (sum_batch && transpose_a && !transpose_b) {
    k *= batch;  // the sums over i and over k are one sum
    batch = 1;
  }
  if (sum_batch && batch == 0) std::fill_n(out, m * n, S(0));
  for (std::size_t i = 0; i < batch; ++i) {
    const S beta = sum_batch && i > 0 ? S(1) : S(0);
    kernel::gemm(transpose_a, transpose_b, m, n, k, S(1), a.elements() + i * p.step(), p.columns,
                 b.elements() + i * q.step(), q.columns, beta, out + i * step, n);
  }
  if (!p.batched && !q.batched) detail::trace_product(a, transpose_a, b, transpose_b, Var<S>(), y);
  // With C = op(a) op(b): d op(a) = g op(b)^T, d op(b) = op(a)^T g, transposed if the operand is used
  // transposed. Next to a batched operand, the gradient of a 2-D operand is a sum over the batch.
  const bool sum_a = !p.batched && q.batched;
  const bool sum_b = !q.batched && p.batched;
  return record("matmul", std::move(y),
                input(a,
                      [b, transpose_a, transpose_b, sum_a](const Var<S>& g) {
                        return transpose_a ? product(b, g, transpose_b, true, sum_a)
                                           : product(g, b, false, !transpose_b, sum_a);
                      }),
                input(b, [a, transpose_a, transpose_b, sum_b](const Var<S>& g) {
                  return transpose_b ? product(g, a, true, transpose_a, sum_b)
                                     : product(a, g, !transpose_a, false, sum_b);
                }));
}

// All axes of x but the last are rows.
template <class S>
std::size_t row_count(const Var<S>& x) {
  std::size_t rows = 1;
  for (std::size_t i = 0; i + 1 < x.dimension(); ++i) rows *= x.shape()[i];
  return rows;
}

template <class S>
Var<S> rows_outer(const Var<S>& p, const Var<S>& q);

// A parameter packed for products, plain and transposed, once a tape has used it in that way before: a cell
// multiplies by its weights at every step. The first use on the tape does not count. Dropped when the tape
// ends.
template <class S>
struct PackedParameter {
  std::uint64_t tape = 0;
  const kernel::Packing<S>* layout = nullptr;  // of the current instruction set
  std::size_t uses[2] = {};
  kernel::Packed<S> packed[2];
};

// Returns the packed form of weight (K,N), or of its transpose, or null if packing does not pay.
template <class S>
const kernel::Packed<S>* packed_form(const Var<S>& weight, bool transposed) {
  auto& leaf = weight.get()->leaf;
  const Tape* tape = Tape::current();
  if (leaf == nullptr || tape == nullptr || weight.get()->tape != tape->serial()) return nullptr;
  if (leaf->packed == nullptr) {
    leaf->packed = std::allocate_shared<PackedParameter<S>>(PoolAllocator<PackedParameter<S>>());
  }
  auto& cache = *static_cast<PackedParameter<S>*>(leaf->packed.get());
  const kernel::Packing<S>* layout = &kernel::packing<S>();
  if (cache.tape != tape->serial() || cache.layout != layout) {
    cache = PackedParameter<S>{.tape = tape->serial(), .layout = layout, .uses = {}, .packed = {}};
  }
  kernel::Packed<S>& packed = cache.packed[transposed];
  if (++cache.uses[transposed] < 2) return nullptr;
  if (packed.empty()) {
    const std::size_t rows = weight.shape()[0], columns = weight.shape()[1];
    packed = transposed ? kernel::Packed<S>::transposed(weight.elements(), rows, columns)
                        : kernel::Packed<S>::plain(weight.elements(), rows, columns);
  }
  return &packed;
}

// y (rows,N) = x (rows,K) op(weight), or += with add.
template <class S>
void multiply_rows(std::size_t rows, const S* x, const Var<S>& weight, bool transposed, bool add, S* y) {
  const std::size_t columns = weight.shape()[1];
  const std::size_t k = transposed ? columns : weight.shape()[0],
                    n = transposed ? weight.shape()[0] : columns;
  if (rows >= kernel::kRowsWorthPacking) {
    if (const kernel::Packed<S>* packed = packed_form(weight, transposed)) {
      kernel::multiply_packed(rows, n, k, x, k, 1, *packed, add, y, n);
      return;
    }
  }
  kernel::gemm(false, transposed, rows, n, k, S(1), x, k, weight.elements(), columns, S(add ? 1 : 0), y, n);
}

// The gradient of a weight used by rows_product or linear.
template <class S>
struct WeightRule {
  Var<S> x;
  bool transposed;
  Var<S> operator()(const Var<S>& g) const { return transposed ? rows_outer(g, x) : rows_outer(x, g); }
  bool add_to(const Var<S>& g, Tensor<S>& sum) const {
    const Var<S>&p = transposed ? g : x, &q = transposed ? x : g;
    const std::size_t m = p.shape().back(), n = q.shape().back();
    if (sum.shape() != Shape{m, n}) return false;
    kernel::gemm(true, false, m, n, row_count(p), S(1), p.elements(), m, q.elements(), n, S(1), sum.data(),
                 n);
    return true;
  }
};

// y (...,N) = x (...,K) op(weight), op(weight) (K,N).
template <class S>
Var<S> rows_product(const Var<S>& x, const Var<S>& weight, bool transposed) {
  Shape shape = x.shape();
  shape.back() = transposed ? weight.shape()[0] : weight.shape()[1];
  Var<S> y = Var<S>::uninitialized(shape);
  multiply_rows(row_count(x), x.elements(), weight, transposed, false, y.raw());
  detail::trace_product(x, false, weight, transposed, Var<S>(), y);
  return record(
      "linear", std::move(y),
      input(x, [weight, transposed](const Var<S>& g) { return rows_product(g, weight, !transposed); }),
      input(weight, WeightRule<S>{x, transposed}));
}

// y (M,N) = sum over rows of p (...,M)^T q (...,N).
template <class S>
Var<S> rows_outer(const Var<S>& p, const Var<S>& q) {
  const std::size_t m = p.shape().back(), n = q.shape().back();
  Var<S> y = Var<S>::uninitialized({m, n});
  kernel::gemm(true, false, m, n, row_count(p), S(1), p.elements(), m, q.elements(), n, S(0), y.raw(), n);
  detail::trace_product(p, true, q, false, Var<S>(), y);
  return record("linear", std::move(y), input(p, [q](const Var<S>& g) { return rows_product(q, g, true); }),
                input(q, [p](const Var<S>& g) { return rows_product(p, g, false); }));
}

}  // namespace

template <class S>
Var<S> matmul(const Var<S>& a, const Var<S>& b, MatmulOptions options) {
  check_operands(a.shape(), b.shape(), options.transpose_a, options.transpose_b);
  return product(a, b, options.transpose_a, options.transpose_b, false);
}

template <class S>
Var<S> linear(const Var<S>& x, const Var<S>& weight, const Var<S>& bias) {
  const Shape& w = weight.shape();
  if (w.size() != 2) throw ShapeError(fmt::format("[linear] weight: expected (O,I), got {}", to_string(w)));
  const std::size_t o = w[0], i = w[1];
  if (x.dimension() == 0 || x.shape().back() != i) {
    throw ShapeError(fmt::format("[linear] x: expected (...,{}), got {} (weight is {})", i,
                                 to_string(x.shape()), to_string(w)));
  }
  if (!bias.defined()) return rows_product(x, weight, true);
  if (bias.shape() != Shape{o}) {
    throw ShapeError(fmt::format("[linear] bias: expected ({}), got {} (weight is {})", o,
                                 to_string(bias.shape()), to_string(w)));
  }
  Shape shape = x.shape();
  shape.back() = o;
  Var<S> y = Var<S>::uninitialized(shape);
  S* out = y.raw();
  const std::size_t rows = row_count(x);
  for (std::size_t r = 0; r < rows; ++r) std::copy_n(bias.elements(), o, out + r * o);
  multiply_rows(rows, x.elements(), weight, true, true, out);
  detail::trace_product(x, false, weight, true, bias, y);
  return record("linear", std::move(y),
                input(x, [weight](const Var<S>& g) { return rows_product(g, weight, false); }),
                input(weight, WeightRule<S>{x, true}),
                input(bias, [s = bias.shape()](const Var<S>& g) { return sum_to(g, s); }));
}

template Var<float> matmul(const Var<float>&, const Var<float>&, MatmulOptions);
template Var<double> matmul(const Var<double>&, const Var<double>&, MatmulOptions);
template Var<float> linear(const Var<float>&, const Var<float>&, const Var<float>&);
template Var<double> linear(const Var<double>&, const Var<double>&, const Var<double>&);

}  // namespace unroll
