#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/kernels/gemm.hpp"
#include "framework/ops.hpp"

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
  // Distance from one matrix to the next; a 2-D operand serves every batch entry.
  std::size_t step() const { return batched ? rows * columns : 0; }
};

void check_operands(const Shape& a, const Shape& b, bool transpose_a, bool transpose_b) {
  const auto fail = [&](const char* hint) {
    throw ShapeError(
        fmt::format("[matmul] want a {} and b {}, each alone or in batches (B,.,.), got {} and {}{}",
                    transpose_a ? "(K,M) transposed" : "(M,K)", transpose_b ? "(N,K) transposed" : "(K,N)",
                    to_string(a), to_string(b), hint));
  };
  const auto is_matrix = [](const Shape& s) { return s.size() == 2 || s.size() == 3; };
  if (!is_matrix(a) || !is_matrix(b)) fail(" (two or three axes each; reshape or unsqueeze first)");
  const Matrices p(a), q(b);
  if ((transpose_a ? p.rows : p.columns) != (transpose_b ? q.columns : q.rows)) fail(" (the sizes K differ)");
  if (p.batched && q.batched && p.batch != q.batch) fail(" (the batch sizes B differ)");
}

// y = op(a) op(b) for every batch entry; with sum_batch, of two batched operands, the sum of these products.
template <class S>
Var<S> product(const Var<S>& a, const Var<S>& b, bool transpose_a, bool transpose_b, bool sum_batch) {
  const Matrices p(a.shape()), q(b.shape());
  std::size_t m = transpose_a ? p.columns : p.rows;
  const std::size_t n = transpose_b ? q.rows : q.columns;
  std::size_t k = transpose_a ? p.rows : p.columns;
  std::size_t batch = p.batched ? p.batch : q.batch;
  const bool batched = (p.batched || q.batched) && !sum_batch;
  Var<S> y = Var<S>::uninitialized(batched ? Shape{batch, m, n} : Shape{m, n});
  S* out = y.get()->data.data();
  const std::size_t step = batched ? m * n : 0;
  // Many small products that are one large one:
  if (batched && p.batched && !q.batched && !transpose_a) {
    m *= batch;  // the rows of all a_i stand below each other
    batch = 1;
  } else if (sum_batch && transpose_a && !transpose_b) {
    k *= batch;  // the sum over i and that over k are one
    batch = 1;
  }
  if (sum_batch && batch == 0) std::fill_n(out, m * n, S(0));
  for (std::size_t i = 0; i < batch; ++i) {
    const S beta = sum_batch && i > 0 ? S(1) : S(0);
    kernel::gemm(transpose_a, transpose_b, m, n, k, S(1), a.data() + i * p.step(), p.columns,
                 b.data() + i * q.step(), q.columns, beta, out + i * step, n);
  }
  // With C = op(a) op(b): d op(a) = g op(b)^T, d op(b) = op(a)^T g, and the transpose of that where the
  // operand is used transposed. The gradient of a 2-D operand beside a batched one is a sum over the batch.
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

// y (...,N) = x (...,K) op(weight), op(weight) (K,N).
template <class S>
Var<S> rows_product(const Var<S>& x, const Var<S>& weight, bool transposed) {
  const std::size_t columns = weight.shape()[1];
  Shape shape = x.shape();
  const std::size_t k = shape.back();
  const std::size_t n = shape.back() = transposed ? weight.shape()[0] : columns;
  Var<S> y = Var<S>::uninitialized(shape);
  kernel::gemm(false, transposed, row_count(x), n, k, S(1), x.data(), k, weight.data(), columns, S(0),
               y.get()->data.data(), n);
  return record(
      "linear", std::move(y),
      input(x, [weight, transposed](const Var<S>& g) { return rows_product(g, weight, !transposed); }),
      input(weight,
            [x, transposed](const Var<S>& g) { return transposed ? rows_outer(g, x) : rows_outer(x, g); }));
}

// y (M,N) = sum over rows of p (...,M)^T q (...,N).
template <class S>
Var<S> rows_outer(const Var<S>& p, const Var<S>& q) {
  const std::size_t m = p.shape().back(), n = q.shape().back();
  Var<S> y = Var<S>::uninitialized({m, n});
  kernel::gemm(true, false, m, n, row_count(p), S(1), p.data(), m, q.data(), n, S(0), y.get()->data.data(),
               n);
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
  if (w.size() != 2) throw ShapeError(fmt::format("[linear] weight want (O,I), got {}", to_string(w)));
  const std::size_t o = w[0], i = w[1];
  if (x.dimension() == 0 || x.shape().back() != i) {
    throw ShapeError(fmt::format("[linear] x want (...,{}), got {} (weight is {})", i, to_string(x.shape()),
                                 to_string(w)));
  }
  if (!bias.defined()) return rows_product(x, weight, true);
  if (bias.shape() != Shape{o}) {
    throw ShapeError(fmt::format("[linear] bias want ({}), got {} (weight is {})", o, to_string(bias.shape()),
                                 to_string(w)));
  }
  Shape shape = x.shape();
  shape.back() = o;
  Var<S> y = Var<S>::uninitialized(shape);
  S* out = y.get()->data.data();
  const std::size_t rows = row_count(x);
  for (std::size_t r = 0; r < rows; ++r) std::copy_n(bias.data(), o, out + r * o);
  kernel::gemm(false, true, rows, o, i, S(1), x.data(), i, weight.data(), i, S(1), out, o);
  return record("linear", std::move(y),
                input(x, [weight](const Var<S>& g) { return rows_product(g, weight, false); }),
                input(weight, [x](const Var<S>& g) { return rows_outer(g, x); }),
                input(bias, [s = bias.shape()](const Var<S>& g) { return sum_to(g, s); }));
}

template Var<float> matmul(const Var<float>&, const Var<float>&, MatmulOptions);
template Var<double> matmul(const Var<double>&, const Var<double>&, MatmulOptions);
template Var<float> linear(const Var<float>&, const Var<float>&, const Var<float>&);
template Var<double> linear(const Var<double>&, const Var<double>&, const Var<double>&);

}  // namespace unroll
