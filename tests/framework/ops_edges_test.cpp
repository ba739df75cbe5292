// What ops do at the edges of their domains: infinite slopes, and what must not depend on them.
#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "tests/framework/zero_upstream.hpp"

using namespace unroll;
using Catch::Contains;
using test::kInf;
using test::kNaN;

namespace {

using Numbers = std::vector<double>;

Numbers numbers(const Tensor<double>& t) { return {t.begin(), t.end()}; }

// d sum(f(x)) / dx
template <class F>
Numbers slope(F f, const Tensor<double>& at) {
  const Var<double> x = parameter(at);
  Tape tape;
  tape.backward(sum(f(x)));
  return numbers(x.grad());
}

// d sum(slope) / dx
template <class F>
Numbers curvature(F f, const Tensor<double>& at) {
  const Var<double> x = parameter(at);
  Tape tape;
  const auto first = gradients<double>({sum(f(x))}, {x}, {}, /*create_graph=*/true);
  tape.backward(sum(first[0]));
  return numbers(x.grad());
}

}  // namespace

TEST_CASE("for every op, an upstream gradient of 0 gives 0 wherever its inputs are") {
  using namespace unroll::test;
  for (const auto& family : {arithmetic_rows(), pointwise_rows(), matmul_rows(), reduce_rows(), shape_rows(),
                             join_rows(), index_rows(), normalization_rows()}) {
    for (const Row& row : family) {
      if (row.name == "matmul" || row.name == "linear") continue;  // products of their BLAS: 0 inf is NaN
      for (std::size_t i = 0; i < row.cases.size(); ++i) {
        const Case& c = row.cases[i];
        INFO(row.name << ", case " << i);
        check_zero_upstream(c.op, distinct_inputs(c.shapes, c.low, c.high, c.gap));
      }
    }
  }
}

TEST_CASE("the larger of a distance and a bound has gradient 0 where the points coincide") {
  const auto distance = [](const Var<double>& p) {
    return maximum(sqrt(sum(square(p))), Var<double>(Tensor<double>(1e-10)));
  };
  CHECK(slope(distance, {0.0, 0.0}) == Numbers{0.0, 0.0});
  CHECK(curvature(distance, {0.0, 0.0}) == Numbers{0.0, 0.0});
}

TEST_CASE("a branch that where or masked_fill leaves out adds 0 to the gradient, whatever its slope") {
  const Mask first = test::mask({2}, {1, 0});
  const Var<double> other(Tensor<double>{5.0, 5.0});
  const auto left_out = [&](auto f) {
    return [&, f](const Var<double>& x) { return where(first, other, f(x)); };
  };
  const auto root = [](const Var<double>& x) { return sqrt(x); };
  CHECK(slope(left_out(root), {0.0, 4.0}) == Numbers{0.0, 0.25});
  CHECK(slope(left_out(root), {-1.0, 4.0}) == Numbers{0.0, 0.25});
  CHECK(curvature(left_out(root), {0.0, 4.0}) == Numbers{0.0, -1.0 / 32.0});
  const auto logarithm = [&](const Var<double>& x) { return masked_fill(log(x), first, 0.0); };
  CHECK(slope(logarithm, {0.0, 4.0}) == Numbers{0.0, 0.25});
  CHECK(curvature(logarithm, {0.0, 4.0}) == Numbers{0.0, -0.0625});
  const auto power = [](const Var<double>& x) { return pow(x, 0.5); };
  CHECK(slope(left_out(power), {0.0, 4.0}) == Numbers{0.0, 0.25});
  const auto reciprocal = [](const Var<double>& x) { return 1.0 / x; };
  CHECK(slope(left_out(reciprocal), {0.0, 4.0}) == Numbers{0.0, -0.0625});
  const auto self_quotient = [](const Var<double>& x) { return x / x; };
  CHECK(slope(left_out(self_quotient), {0.0, 4.0}) == Numbers{0.0, 0.0});
  const auto grown = [](const Var<double>& x) { return exp(x); };
  CHECK(slope(left_out(grown), {1e4, 0.0}) == Numbers{0.0, 1.0});
  const auto product = [](const Var<double>& x) { return x * Var<double>(Tensor<double>{kInf, 3.0}); };
  CHECK(slope(left_out(product), {0.0, 4.0}) == Numbers{0.0, 3.0});
  const auto over_zero = [](const Var<double>& x) { return x / 0.0; };
  CHECK(slope(left_out(over_zero), {0.0, 4.0}) == Numbers{0.0, kInf});
  const auto times_infinity = [](const Var<double>& x) { return x * kInf; };
  CHECK(slope(left_out(times_infinity), {0.0, 4.0}) == Numbers{0.0, kInf});
}

TEST_CASE("a constant piece of a function has gradient 0 under an infinite slope") {
  const auto root_of = [](auto f) { return [f](const Var<double>& x) { return sqrt(f(x)); }; };
  CHECK(slope(root_of([](const auto& x) { return relu(x); }), {-1.0, 0.0, 4.0}) == Numbers{0.0, 0.0, 0.25});
  CHECK(slope(root_of([](const auto& x) { return clamp(x, 0.0, 9.0); }), {-1.0, 4.0, 16.0}) ==
        Numbers{0.0, 0.25, 0.0});
  CHECK(slope(root_of([](const auto& x) { return abs(x); }), {0.0, -4.0}) == Numbers{0.0, -0.25});
  CHECK(slope(root_of([](const auto& x) { return maximum(x, Var<double>(zeros<double>({2}))); }),
              {-1.0, 4.0}) == Numbers{0.0, 0.25});
  CHECK(slope(root_of([](const auto& x) { return min(x, {0}); }), {0.0, 4.0}) == Numbers{kInf, 0.0});
  CHECK(slope(root_of([](const auto& x) { return norm(x); }), {0.0, 0.0}) == Numbers{0.0, 0.0});
  CHECK(slope(root_of([](const auto& x) { return pow(x, 0.0) - 1.0; }), {0.0, 2.0}) == Numbers{0.0, 0.0});
}

TEST_CASE("an infinite slope stays infinite where the result depends on it") {
  CHECK(slope([](const auto& x) { return sqrt(x); }, {0.0}) == Numbers{kInf});
  CHECK(slope([](const auto& x) { return log(x); }, {0.0}) == Numbers{kInf});
  CHECK(std::isnan(slope([](const auto& x) { return log(square(x)); }, {0.0})[0]));
  CHECK(std::isnan(slope([](const auto& x) { return norm(x); }, {kInf, 1.0})[0]));
}

TEST_CASE("logsumexp and softmax of infinite elements") {
  const auto total = [](const Var<double>& x) { return logsumexp(x); };
  CHECK(slope(total, {-kInf, -kInf}) == Numbers{0.0, 0.0});
  const Numbers of_infinity = slope(total, {kInf, 1.0});
  CHECK(std::isnan(of_infinity[0]));
  CHECK(of_infinity[1] == 0.0);
  // A line of nothing but -inf is NaN; the other line's gradient does not know of it.
  const Mask first = test::mask({2, 1}, {1, 0});
  for (const bool logarithm : {false, true}) {
    const auto second_line = [&](const Var<double>& x) {
      return masked_fill(square(logarithm ? log_softmax(x) : softmax(x)), first, 0.0);
    };
    const Tensor<double> beside{{-kInf, -kInf}, {0.5, 2.0}}, alone{{0.0, 0.0}, {0.5, 2.0}};
    CHECK(slope(second_line, beside) == slope(second_line, alone));
    CHECK(curvature(second_line, beside) == curvature(second_line, alone));
  }
}

TEST_CASE("layer_norm of a row that is left out has gradient 0 also without eps") {
  const Mask first = test::mask({2, 1}, {1, 0});
  const auto second_row = [&](const Var<double>& x) {
    return masked_fill(square(layer_norm(x, {}, {}, 0.0)) * x, first, 0.0);
  };
  const Tensor<double> beside{{3.0, 3.0, 3.0}, {0.5, 2.0, 1.0}}, alone{{1.0, 2.0, 4.0}, {0.5, 2.0, 1.0}};
  CHECK(slope(second_row, beside) == slope(second_row, alone));
  CHECK(curvature(second_row, beside) == curvature(second_row, alone));
}

TEST_CASE("a scalar has no axis to choose, and the message says so") {
  const Var<double> x(Tensor<double>(1.0));
  CHECK_THROWS_WITH(softmax(x),
                    Contains("[softmax] axis: expected one of the tensor's, got -1 (a scalar has none)"));
  CHECK_THROWS_WITH(sum(x, {0}),
                    Contains("[sum] axis: expected one of the tensor's, got 0 (a scalar has none)"));
}

TEST_CASE("sizes whose product wraps around are refused") {
  const Var<float> four(ones<float>({4})), none(zeros<float>({0}));
  constexpr Index kLarge = Index{1} << 62;
  CHECK_THROWS_AS(reshape(four, {kLarge + 1, 4}), ShapeError);
  CHECK_THROWS_AS(reshape(none, {kLarge, kLarge, 0}), ShapeError);
  CHECK_THROWS_AS(pad(four, 0, kLarge, kLarge), ShapeError);
  CHECK_THROWS_AS(pad(four, 0, std::numeric_limits<Index>::max(), std::numeric_limits<Index>::max()),
                  ShapeError);
  CHECK_THROWS_AS(
      broadcast_to(Var<float>(Tensor<float>(1.0F)), Shape{std::size_t{1} << 32, std::size_t{1} << 32}),
      ShapeError);
}

TEST_CASE("messages name a few of many numbers") {
  const Var<float> x(ones<float>({4}));
  const std::vector<Index> many(1000, 1);
  const auto message = [](auto f) {
    try {
      f();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  for (const std::string& text :
       {message([&] { split(x, many); }), message([&] { reshape(x, many); }),
        message([&] { permute(x, many); }), message([&] { squeeze(x, Axes(1000, 0)); }),
        message([&] { sum(x, Axes(1000, 0)); })}) {
    INFO(text);
    CHECK_THAT(text, Contains("1000 in all"));
    CHECK(text.size() < 200);
  }
}

TEST_CASE("tensors without elements are joined, cut and padded like others") {
  const Var<double> flat = parameter(zeros<double>({0, 3})), thin = parameter(zeros<double>({3, 0}));
  Tape tape;
  CHECK(concat({flat, flat}, 1).shape() == Shape{0, 6});
  CHECK(concat({flat, flat, flat}, 0).shape() == Shape{0, 3});
  CHECK((concat({thin, Var<double>(ones<double>({3, 2})), thin}, 1).value() == ones<double>({3, 2})));
  CHECK(stack({flat, flat, flat}, 1).shape() == Shape{0, 3, 3});
  CHECK(split(flat, {1, 2}, 1)[1].shape() == Shape{0, 2});
  CHECK(unbind(flat, 1)[2].shape() == Shape{0});
  CHECK(pad(flat, 1, 1, 2).shape() == Shape{0, 6});
  CHECK((pad(flat, 0, 1, 1, 5.0).value() == full<double>({2, 3}, 5.0)));
  CHECK(slice(flat, 1, {1, 3}).shape() == Shape{0, 2});
  tape.backward(sum(concat({flat, pad(flat, 1, 2, 0), flat}, 1)) + sum(pad(thin, 1, 0, 4)));
  CHECK(flat.grad().shape() == Shape{0, 3});
  CHECK(thin.grad().shape() == Shape{3, 0});
}
