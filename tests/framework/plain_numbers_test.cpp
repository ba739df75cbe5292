// What a user's op in plain numbers is made of: map, first_order, tensors from numbers, one vector of all.
#include <catch2/catch.hpp>
#include <xtensor/xmath.hpp>

#include "framework/errors.hpp"
#include "framework/flatten.hpp"
#include "framework/gradcheck.hpp"
#include "framework/map.hpp"
#include "framework/ops.hpp"
#include "framework/random.hpp"

using namespace unroll;

TEMPLATE_TEST_CASE("map gives the bits of the ops, one function or several, in place or not", "", float,
                   double) {
  using S = TestType;
  Rng rng(7);
  const std::pair<Elementwise, Var<S> (*)(const Var<S>&)> functions[] = {
      {Elementwise::negate, [](const Var<S>& x) { return -x; }},
      {Elementwise::exp, [](const Var<S>& x) { return exp(x); }},
      {Elementwise::log, [](const Var<S>& x) { return log(x); }},
      {Elementwise::sqrt, [](const Var<S>& x) { return sqrt(x); }},
      {Elementwise::square, [](const Var<S>& x) { return square(x); }},
      {Elementwise::abs, [](const Var<S>& x) { return abs(x); }},
      {Elementwise::sin, [](const Var<S>& x) { return sin(x); }},
      {Elementwise::cos, [](const Var<S>& x) { return cos(x); }},
      {Elementwise::tanh, [](const Var<S>& x) { return tanh(x); }},
      {Elementwise::sigmoid, [](const Var<S>& x) { return sigmoid(x); }},
      {Elementwise::gelu, [](const Var<S>& x) { return gelu(x); }},
      {Elementwise::normal_cdf, [](const Var<S>& x) { return normal_cdf(x); }},
      {Elementwise::softplus, [](const Var<S>& x) { return softplus(x); }},
      {Elementwise::relu, [](const Var<S>& x) { return relu(x); }}};
  for (const std::size_t n : std::vector<std::size_t>{0, 1, 7, 512, 1300}) {
    const Var<S> x(random_uniform<S>({n}, 0.1, 3.0, rng));
    std::vector<S> y(n);
    for (const auto& [f, op] : functions) {
      map<S>({f}, {x.data(), n}, y);
      const Var<S> expected = op(x);
      CHECK(std::equal(y.begin(), y.end(), expected.data()));
    }
    map<S>({}, {x.data(), n}, y);
    CHECK(std::equal(y.begin(), y.end(), x.data()));
    map<S>({Elementwise::square, Elementwise::negate, Elementwise::exp}, y, y);
    const Var<S> chained = exp(-square(x));
    CHECK(std::equal(y.begin(), y.end(), chained.data()));
  }
  std::vector<S> two(2), three(3);
  CHECK_THROWS_WITH(map<S>({Elementwise::exp}, two, three),
                    "[map] y: expected 2 numbers (as many as x), got 3");
  const S signs[] = {S(-2), S(0), S(3)};
  map<S>({Elementwise::sign}, signs, three);
  CHECK(three == std::vector<S>{-1, 0, 1});
}

TEST_CASE("a rule in plain numbers throws where it would be recorded, and only there") {
  const Var<double> x = parameter(Tensor<double>{0.5, -2.0});
  const auto cube = [](const Var<double>& in, bool declared) {
    Var<double> y(Tensor<double>(in.value() * in.value() * in.value()));
    const auto rule = [in](const Var<double>& g) {
      return Var<double>(Tensor<double>(g.value() * 3.0 * in.value() * in.value()));
    };
    return declared ? record("cube", y, input(in, first_order(rule))) : record("cube", y, input(in, rule));
  };
  CHECK(gradcheck([&](const std::vector<Var<double>>& v) { return cube(v[0], true); }, {x.value()}));
  const Tape tape;
  const Var<double> y = sum(cube(x, true));
  CHECK((gradients<double>({y}, {x})[0].value() == Tensor<double>{0.75, 12.0}));
  CHECK_THROWS_WITH(
      gradients<double>({y}, {x}, {}, true),
      "[cube] rule: expected one written with ops, got one in plain numbers (first_order), which has "
      "no second derivatives (call gradients() without create_graph, or write the rule with ops)");
  // Where nothing leads through the rule it is not asked.
  CHECK((gradients<double>({sum(x * x)}, {x}, {}, true)[0].value() == Tensor<double>{1.0, -4.0}));
}

TEST_CASE("tensors are made from a pointer and from a span") {
  const double numbers[] = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0};
  const Tensor<double> expected{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}};
  CHECK((from_values(Shape{2, 3}, numbers) == expected));
  CHECK((from_values(Shape{2, 3}, std::span<const double>(numbers)) == expected));
  CHECK_THROWS_WITH(from_values(Shape{2, 2}, std::span<const double>(numbers)),
                    "[from_values] values: expected 4 elements for shape (2,2), got 6");
}

TEST_CASE("parameters become one vector and back, gradients too") {
  const std::vector<Var<float>> parts{parameter(Tensor<float>{{1.0F, 2.0F}, {3.0F, 4.0F}}),
                                      parameter(Tensor<float>(5.0F)), parameter(Tensor<float>{6.0F, 7.0F})};
  CHECK((flatten(parts) == Tensor<float>{1, 2, 3, 4, 5, 6, 7}));
  Tape tape;
  tape.backward(sum(parts[0] * parts[0]) + parts[1] * 3.0);
  CHECK((flatten_gradients(parts) == Tensor<float>{2, 4, 6, 8, 3, 0, 0}));
  unflatten(Tensor<float>(flatten(parts) * 2.0F), parts);
  CHECK((parts[0].value() == Tensor<float>{{2, 4}, {6, 8}}));
  CHECK((parts[2].value() == Tensor<float>{12, 14}));
  CHECK_THROWS_WITH(unflatten(Tensor<float>{1.0F, 2.0F}, parts),
                    "[unflatten] flat: expected 7 elements (of all values together), got 2");
  // A gradient of another shape is none of this parameter's.
  Var<float> grown = parts[2];
  grown.mutable_value() = ones<float>({3});
  Var<float> first = parts[0];
  first.mutable_grad() = ones<float>({2});
  CHECK_THROWS_WITH(flatten_gradients(parts),
                    "[flatten_gradients] gradient of '': expected the parameter's shape (2,2), got (2)");
  // Changed values make the tape's record out of date.
  CHECK_THROWS_AS(tape.backward(sum(parts[0] * parts[0])), TapeError);
}
