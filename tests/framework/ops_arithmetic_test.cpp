#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "framework/gradcheck.hpp"
#include "framework/random.hpp"
#include "ops_table.hpp"

namespace unroll::test {
namespace {

// Equal shapes, a suffix, a prefix, both sides broadcast, a scalar on either side, no elements.
const std::vector<std::vector<Shape>> kPairs{
    {{3, 5}, {3, 5}},
    {{2, 3, 7}, {2, 3, 7}},
    {{2, 3, 4}, {4}},
    {{2, 3, 4}, {2, 1, 1}},
    {{5}, {2, 3, 5}},
    {{1, 1, 5}, {5}},
    {{3, 2}, {1, 3, 2}},
    {{3, 1}, {1, 3}},
    {{}, {1, 1}},
    {{3, 1, 4}, {2, 1}},
    {{3, 4}, {}},
    {{}, {2, 3}},
    {{2, 1, 3, 1}, {4, 1, 5}},
    {{}, {}},
    {{0, 3}, {3}},
    {{2, 1}, {2, 0}},
};

template <class F>
Row binary_row(const char* declared, const char* in_messages, F f, double (*reference)(double, double),
               double gap = 0.0) {
  Row row(declared, in_messages);
  row.within(-2.0, 2.0, gap);
  for (const auto& shapes : kPairs) row.on(shapes, f, pairwise(reference));
  row.rejects(Kind::shape, {{3, 4}, {3}}, f);
  row.rejects(Kind::shape, {{2, 3, 4}, {3, 3, 4}}, f);
  row.rejects(Kind::shape, {{0}, {2}}, f);
  return row;
}

// With a constant there is no shape to get wrong.
template <class F>
Row constant_row(const char* declared, F f, double (*reference)(double), double gap = 0.0) {
  Row row(declared);
  row.within(-2.0, 2.0, gap);
  row.on({{2, 3, 7}}, f, pointwise(reference))
      .on({{}}, f, pointwise(reference))
      .on({{0, 2}}, f, pointwise(reference));
  return row;
}

Row divide_row() {
  const auto divide = [](const auto& v) { return v[0] / v[1]; };
  Row row = binary_row(
      "operator/(Var,Var)", "div", divide, [](double a, double b) { return a / b; }, 0.5);
  row.at({{1.0, -1.0, 0.0, 1.0, kInf}, {0.0, 0.0, 0.0, kInf, kInf}}, divide,
         {{kInf, -kInf, kNaN, 0.0, kNaN}});
  return row;
}

Row maximum_row() {
  const auto f = [](const auto& v) { return maximum(v[0], v[1]); };
  Row row = binary_row("maximum", "maximum", f, [](double a, double b) { return std::max(a, b); });
  // Ties, also between infinities, share the gradient; NaN wins on either side.
  row.at({{1.0, 2.0, 0.0, kInf, -kInf, kInf}, {1.0, -3.0, -0.0, kInf, -kInf, -kInf}}, f,
         {{1.0, 2.0, 0.0, kInf, -kInf, kInf}},
         {{0.5, 1.0, 0.5, 0.5, 0.5, 1.0}, {0.5, 0.0, 0.5, 0.5, 0.5, 0.0}});
  row.at({{kNaN, 1.0, kNaN}, {1.0, kNaN, kInf}}, f, {{kNaN, kNaN, kNaN}});
  // A tie against a broadcast operand: its shares add up.
  row.at({{2.0, 2.0, 1.0}, Tensor<double>(2.0)}, f, {{2.0, 2.0, 2.0}},
         {{0.5, 0.5, 0.0}, Tensor<double>(2.0)});
  return row;
}

Row minimum_row() {
  const auto f = [](const auto& v) { return minimum(v[0], v[1]); };
  Row row = binary_row("minimum", "minimum", f, [](double a, double b) { return std::min(a, b); });
  row.at({{1.0, 2.0, 0.0, kInf, -kInf, kInf}, {1.0, -3.0, -0.0, kInf, -kInf, -kInf}}, f,
         {{1.0, -3.0, 0.0, kInf, -kInf, -kInf}},
         {{0.5, 0.0, 0.5, 0.5, 0.5, 0.0}, {0.5, 1.0, 0.5, 0.5, 0.5, 1.0}});
  row.at({{kNaN, 1.0, kNaN}, {1.0, kNaN, -kInf}}, f, {{kNaN, kNaN, kNaN}});
  return row;
}

Row where_row() {
  Row row("where");
  const auto chosen = [](const Mask& c, const Shape& out) {
    return [c, out](const Tensors& in) -> Tensors {
      const Tensor<double> numbers = convert_tensor<double>(c);
      return {build(
          out, [&](const Position& p) { return element(element(numbers, p) != 0.0 ? in[0] : in[1], p); })};
    };
  };
  const Mask row_mask = mask({3}, {1, 0, 1});
  const Mask full_mask = mask({2, 3}, {1, 0, 0, 0, 1, 0});
  const Mask column_mask = mask({2, 1}, {0, 1});
  const Mask scalar_mask = mask({}, {1});
  row.on(
      {{2, 3}, {2, 3}}, [=](const auto& v) { return where(full_mask, v[0], v[1]); },
      chosen(full_mask, {2, 3}));
  row.on(
      {{2, 3}, {3}}, [=](const auto& v) { return where(row_mask, v[0], v[1]); }, chosen(row_mask, {2, 3}));
  row.on(
      {{4, 1, 3}, {2, 1}}, [=](const auto& v) { return where(full_mask, v[0], v[1]); },
      chosen(full_mask, {4, 2, 3}));
  row.on(
      {{}, {3}}, [=](const auto& v) { return where(column_mask, v[0], v[1]); }, chosen(column_mask, {2, 3}));
  row.on(
      {{2}, {}}, [=](const auto& v) { return where(scalar_mask, v[0], v[1]); }, chosen(scalar_mask, {2}));
  // What is not taken may be anything, and gets exactly 0, also through an op with an infinite slope.
  row.at({{1.0, kNaN, 3.0}, {kNaN, 2.0, kInf}}, [=](const auto& v) { return where(row_mask, v[0], v[1]); },
         {{1.0, 2.0, 3.0}}, {{1.0, 0.0, 1.0}, {0.0, 1.0, 0.0}});
  const auto bad_mask = [](const auto& v) { return where(mask({4}, {1, 0, 1, 0}), v[0], v[1]); };
  row.rejects(Kind::shape, {{2, 3}, {3}}, bad_mask);
  row.rejects(Kind::shape, {{4}, {3}}, bad_mask);
  return row;
}

}  // namespace

std::vector<Row> arithmetic_rows() {
  return {
      binary_row(
          "operator+(Var,Var)", "add", [](const auto& v) { return v[0] + v[1]; },
          [](double a, double b) { return a + b; }),
      binary_row(
          "operator-(Var,Var)", "sub", [](const auto& v) { return v[0] - v[1]; },
          [](double a, double b) { return a - b; }),
      binary_row(
          "operator*(Var,Var)", "mul", [](const auto& v) { return v[0] * v[1]; },
          [](double a, double b) { return a * b; }),
      divide_row(),
      constant_row(
          "operator-(Var)", [](const auto& v) { return -v[0]; }, [](double a) { return -a; }),
      constant_row(
          "operator+(Var,double)", [](const auto& v) { return v[0] + 0.3; },
          [](double a) { return a + 0.3; }),
      constant_row(
          "operator+(double,Var)", [](const auto& v) { return 0.3 + v[0]; },
          [](double a) { return 0.3 + a; }),
      constant_row(
          "operator-(Var,double)", [](const auto& v) { return v[0] - 0.3; },
          [](double a) { return a - 0.3; }),
      constant_row(
          "operator-(double,Var)", [](const auto& v) { return 0.3 - v[0]; },
          [](double a) { return 0.3 - a; }),
      constant_row(
          "operator*(Var,double)", [](const auto& v) { return v[0] * 0.3; },
          [](double a) { return a * 0.3; }),
      constant_row(
          "operator*(double,Var)", [](const auto& v) { return 0.3 * v[0]; },
          [](double a) { return 0.3 * a; }),
      constant_row(
          "operator/(Var,double)", [](const auto& v) { return v[0] / 0.3; },
          [](double a) { return a / 0.3; }),
      constant_row(
          "operator/(double,Var)", [](const auto& v) { return 0.3 / v[0]; }, [](double a) { return 0.3 / a; },
          0.5),
      maximum_row(),
      minimum_row(),
      where_row(),
  };
}

TEST_CASE("every arithmetic op has the right value, gradients and errors") {
  for (const Row& row : arithmetic_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

TEST_CASE("a parameter without a leading axis of 1 gets the sum of its gradients, step after step") {
  Rng rng(21);
  const auto values = [&](Shape shape) { return random_normal<double>(shape, 0.0, 1.0, rng); };
  const auto steps = [](const std::vector<Var<double>>& v) {
    Var<double> h = v[0];
    for (int t = 0; t < 3; ++t) h = tanh(h * v[1] + v[2] - v[3] * h) * v[4];
    return h;
  };
  for (const Shape& narrow : {Shape{4}, Shape{1, 4}, Shape{}, Shape{1}}) {
    for (const Shape& h : {Shape{1, 4}, Shape{2, 4}, Shape{1, 1, 4}}) {
      const std::vector<Tensor<double>> inputs{values(h), values(narrow), values(narrow), values(narrow),
                                               values(h)};
      for (const auto& report : {gradcheck(steps, inputs), gradgradcheck(steps, inputs)}) {
        INFO(to_string(narrow) << " and " << to_string(h) << ": " << report.message);
        CHECK(report);
      }
    }
  }
}

TEST_CASE("an operand used twice gets both gradients") {
  const Var<double> x = parameter(Tensor<double>{2.0, -3.0});
  Tape tape;
  tape.backward(x * x + x / x - x, Var<double>(ones<double>({2})));
  CHECK(x.grad() == Tensor<double>{3.0, -7.0});
}

}  // namespace unroll::test
