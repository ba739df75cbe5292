#include <catch2/catch.hpp>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

// sum_k a_ik b_kj, with either factor transposed and with or without a batch axis.
Reference product(bool transpose_a, bool transpose_b) {
  return [=](const Tensors& in) -> Tensors {
    const Tensor<double>&a = in[0], &b = in[1];
    const std::size_t rank_a = a.dimension(), rank_b = b.dimension();
    const std::size_t m = a.shape()[rank_a - (transpose_a ? 1 : 2)];
    const std::size_t inner = a.shape()[rank_a - (transpose_a ? 2 : 1)];
    const std::size_t n = b.shape()[rank_b - (transpose_b ? 2 : 1)];
    Shape shape{m, n};
    if (rank_a == 3) shape = {a.shape()[0], m, n};
    if (rank_b == 3) shape = {b.shape()[0], m, n};
    return {build(shape, [&](const Position& p) {
      const std::size_t batch = p.size() == 3 ? p[0] : 0, i = p[p.size() - 2], j = p[p.size() - 1];
      double total = 0.0;
      for (std::size_t k = 0; k < inner; ++k) {
        Position at_a = transpose_a ? Position{k, i} : Position{i, k};
        Position at_b = transpose_b ? Position{j, k} : Position{k, j};
        if (rank_a == 3) at_a.insert(at_a.begin(), batch);
        if (rank_b == 3) at_b.insert(at_b.begin(), batch);
        total += element(a, at_a) * element(b, at_b);
      }
      return total;
    })};
  };
}

Row matmul_row() {
  Row row("matmul");
  row.float_tolerance(5e-6);
  // Which axes of the stored operands are exchanged, for (3,5) (5,4) -> (3,4).
  const auto stored = [](std::size_t rows, std::size_t columns, bool transposed, std::size_t batch) {
    Shape shape = transposed ? Shape{columns, rows} : Shape{rows, columns};
    if (batch != 0) shape.insert(shape.begin(), batch);
    return shape;
  };
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      const auto f = [=](const auto& v) {
        return matmul(v[0], v[1], {.transpose_a = ta, .transpose_b = tb});
      };
      for (std::size_t batch_a : {0U, 2U}) {
        for (std::size_t batch_b : {0U, 2U}) {
          row.on({stored(3, 5, ta, batch_a), stored(5, 4, tb, batch_b)}, f, product(ta, tb));
        }
      }
      row.on({stored(1, 6, ta, 0), stored(6, 2, tb, 0)}, f, product(ta, tb));
      row.on({stored(3, 1, ta, 0), stored(1, 2, tb, 0)}, f, product(ta, tb));
    }
  }
  const auto plain = [](const auto& v) { return matmul(v[0], v[1]); };
  row.on({{0, 3}, {3, 2}}, plain, product(false, false));
  row.on({{2, 3}, {3, 0}}, plain, product(false, false));
  row.on({{2, 0}, {0, 3}}, plain, product(false, false));  // an empty sum: zeros
  row.on({{0, 2, 3}, {3, 2}}, plain, product(false, false));
  // NaN is not lost to a factor of 0.
  row.at({from_values<double>({1, 2}, {0.0, 1.0}), from_values<double>({2, 1}, {kNaN, 1.0})}, plain,
         {from_values<double>({1, 1}, {kNaN})});
  const std::vector<std::vector<Shape>> bad{{{3, 5}, {4, 5}},       {{5}, {5, 4}},          {{3, 5}, {5}},
                                            {{2, 3, 5}, {3, 5, 4}}, {{2, 2, 3, 5}, {5, 4}}, {{}, {2, 2}},
                                            {{2, 3, 5}, {2, 3, 5}}};
  for (const auto& shapes : bad) row.rejects(Kind::shape, shapes, plain);
  row.rejects(Kind::shape, {{3, 5}, {5, 4}},
              [](const auto& v) { return matmul(v[0], v[1], {.transpose_a = true}); });
  return row;
}

Row linear_row() {
  Row row("linear");
  row.float_tolerance(5e-6);
  const Reference affine = [](const Tensors& in) -> Tensors {
    Shape shape = in[0].shape();
    shape.back() = in[1].shape()[0];
    return {build(shape, [&](const Position& p) {
      double total = in.size() == 3 ? element(in[2], {p.back()}) : 0.0;
      Position at_x = p;
      for (at_x.back() = 0; at_x.back() < in[1].shape()[1]; ++at_x.back()) {
        total += element(in[0], at_x) * element(in[1], {p.back(), at_x.back()});
      }
      return total;
    })};
  };
  const auto with_bias = [](const auto& v) { return linear(v[0], v[1], v[2]); };
  const auto without = [](const auto& v) { return linear(v[0], v[1]); };
  for (const Shape& x : {Shape{3, 5}, Shape{3, 2, 5}, Shape{5}, Shape{2, 1, 3, 5}, Shape{0, 5}}) {
    row.on({x, {4, 5}, {4}}, with_bias, affine);
    row.on({x, {4, 5}}, without, affine);
  }
  row.rejects(Kind::shape, {{3, 5}, {4, 6}, {4}}, with_bias);
  row.rejects(Kind::shape, {{3, 5}, {4, 5}, {5}}, with_bias);
  row.rejects(Kind::shape, {{3, 5}, {4, 5}, {1}}, with_bias);  // would broadcast: a mistake all the same
  row.rejects(Kind::shape, {{3, 5}, {4, 5}, {4, 1}}, with_bias);
  row.rejects(Kind::shape, {{3, 5}, {5}}, without);
  row.rejects(Kind::shape, {{}, {4, 5}}, without);
  return row;
}

}  // namespace

std::vector<Row> matmul_rows() { return {matmul_row(), linear_row()}; }

TEST_CASE("matrix products have the right value, gradients and errors") {
  for (const Row& row : matmul_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

// Beyond some size the BLAS takes over; its result must not depend on which side of that a product lies.
TEST_CASE("a large matrix product agrees with the naive one") {
  const Tensors in = distinct_inputs({{37, 61}, {61, 43}}, -1.0, 1.0);
  const Tensor<double> want = product(false, false)(in)[0];
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      CAPTURE(ta, tb);
      const Tensor<double> a = ta ? Tensor<double>(xt::transpose(in[0])) : in[0];
      const Tensor<double> b = tb ? Tensor<double>(xt::transpose(in[1])) : in[1];
      const MatmulOptions options{.transpose_a = ta, .transpose_b = tb};
      const Tensor<double> got = matmul(Var<double>(a), Var<double>(b), options).value();
      CHECK(xt::amax(xt::abs(got - want))() < 1e-13);
      const Tensor<float> in_float =
          matmul(Var<float>(convert_tensor<float>(a)), Var<float>(convert_tensor<float>(b)), options).value();
      CHECK(xt::amax(xt::abs(in_float - want))() < 1e-5);
    }
  }
}

}  // namespace unroll::test
