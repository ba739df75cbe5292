#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

// Whole SIMD batches with a remainder, less than one batch, a scalar, no elements.
template <class F>
Row function_row(const char* name, F f, double (*reference)(double), double low, double high, double gap,
                 const std::vector<Point>& points) {
  Row row(name);
  row.within(low, high, gap);
  for (const Shape& shape : {Shape{3, 13}, Shape{2, 1, 3}, Shape{}, Shape{0, 3}}) {
    row.on({shape}, f, pointwise(reference));
  }
  row.at_points(f, points);
  return row;
}

double phi(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi); }
double normal_cdf_of(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

Row pow_row() {
  Row row("pow");
  const auto power = [](double exponent) {
    return [exponent](const auto& v) { return pow(v[0], exponent); };
  };
  const auto reference = [](double exponent) -> Reference {
    return [exponent](const Tensors& in) -> Tensors {
      return {build(in[0].shape(), [&](const Position& p) { return std::pow(element(in[0], p), exponent); })};
    };
  };
  for (double exponent : {2.0, 3.0, 1.0, 0.0, -1.0, -2.0}) {
    row.within(-2.0, 2.0, 0.3).on({{2, 3, 7}}, power(exponent), reference(exponent));
  }
  for (double exponent : {0.5, -0.5, 2.7}) {
    row.within(0.5, 2.0).on({{3, 5}}, power(exponent), reference(exponent));
  }
  row.at_points(power(2.0), {{0.0, 0.0, 0.0}, {-3.0, 9.0, -6.0}, {-kInf, kInf, -kInf}, {kNaN, kNaN, kNaN}});
  row.at_points(power(3.0), {{0.0, 0.0, 0.0}, {-2.0, -8.0, 12.0}});
  row.at_points(power(1.0), {{0.0, 0.0, 1.0}});
  row.at_points(power(0.0), {{0.0, 1.0, 0.0}, {5.0, 1.0, 0.0}});
  row.at_points(power(0.5), {{0.0, 0.0, kInf}, {-1.0, kNaN, kNaN}, {4.0, 2.0, 0.25}});
  row.at_points(power(-1.0), {{0.0, kInf, -kInf}, {-2.0, -0.5, -0.25}});
  return row;
}

Row leaky_relu_row() {
  const auto f = [](const auto& v) { return leaky_relu(v[0], 0.25); };
  Row row =
      function_row("leaky_relu", f, [](double x) { return x > 0.0 ? x : 0.25 * x; }, -2.0, 2.0, 0.01,
                   {{0.0, 0.0, 0.25}, {1000.0, 1000.0, 1.0}, {-1000.0, -250.0, 0.25}, {-kInf, -kInf, 0.25}});
  row.at_points([](const auto& v) { return leaky_relu(v[0]); }, {{-100.0, -1.0, 0.01}, {2.0, 2.0, 1.0}});
  row.at({Tensor<double>(kNaN)}, f, {Tensor<double>(kNaN)});
  return row;
}

Row elu_row() {
  const auto f = [](const auto& v) { return elu(v[0], 0.5); };
  Row row =
      function_row("elu", f, [](double x) { return x > 0.0 ? x : 0.5 * std::expm1(x); }, -2.0, 2.0, 0.01,
                   {{1000.0, 1000.0, 1.0},
                    {-1000.0, -0.5, 0.0},
                    {kInf, kInf, 1.0},
                    {-kInf, -0.5, 0.0},
                    {-1e-10, -5e-11, 0.5 - 5e-11},
                    {0.0, 0.0, 0.5}});
  row.at_points([](const auto& v) { return elu(v[0]); }, {{1000.0, 1000.0, 1.0}, {-1000.0, -1.0, 0.0}});
  row.at({Tensor<double>(kNaN)}, f, {Tensor<double>(kNaN)});
  return row;
}

Row clamp_row() {
  const auto f = [](const auto& v) { return clamp(v[0], -0.537, 1.037); };
  Row row =
      function_row("clamp", f, [](double x) { return std::min(std::max(x, -0.537), 1.037); }, -2.0, 2.0, 0.0,
                   {{kInf, 1.037, 0.0}, {-kInf, -0.537, 0.0}, {0.0, 0.0, 1.0}, {-1000.0, -0.537, 0.0}});
  // The edges belong to the range.
  row.at_points([](const auto& v) { return clamp(v[0], -0.5, 0.25); },
                {{-0.5, -0.5, 1.0}, {0.25, 0.25, 1.0}, {-0.5625, -0.5, 0.0}, {0.3125, 0.25, 0.0}});
  row.at_points([](const auto& v) { return clamp(v[0], -kInf, 0.0); },
                {{-1000.0, -1000.0, 1.0}, {1.0, 0.0, 0.0}});
  row.at({Tensor<double>(kNaN)}, f, {Tensor<double>(kNaN)});
  row.rejects(Kind::argument, {{2}}, [](const auto& v) { return clamp(v[0], 1.0, 0.0); });
  row.rejects(Kind::argument, {{2}}, [](const auto& v) { return clamp(v[0], kNaN, 0.0); });
  return row;
}

Row relu_row() {
  const auto f = [](const auto& v) { return relu(v[0]); };
  Row row = function_row(
      "relu", f, [](double x) { return x > 0.0 ? x : 0.0; }, -2.0, 2.0, 0.01,
      {{0.0, 0.0, 0.0}, {-0.0, 0.0, 0.0}, {1000.0, 1000.0, 1.0}, {kInf, kInf, 1.0}, {-kInf, 0.0, 0.0}});
  row.at({Tensor<double>(kNaN)}, f, {Tensor<double>(kNaN)});
  return row;
}

Row abs_row() {
  const auto f = [](const auto& v) { return abs(v[0]); };
  Row row = function_row("abs", f, [](double x) { return std::abs(x); }, -2.0, 2.0, 0.01,
                         {{0.0, 0.0, 0.0}, {-0.0, 0.0, 0.0}, {-kInf, kInf, -1.0}, {1000.0, 1000.0, 1.0}});
  row.at({Tensor<double>(kNaN)}, f, {Tensor<double>(kNaN)});
  return row;
}

Row gelu_row() {
  const auto f = [](const auto& v) { return gelu(v[0]); };
  return function_row("gelu", f, [](double x) { return x * normal_cdf_of(x); }, -4.0, 4.0, 0.0,
                      {{0.0, 0.0, 0.5},
                       {1000.0, 1000.0, 1.0},
                       {-1000.0, 0.0, 0.0},
                       {-2.0, -2.0 * normal_cdf_of(-2.0), normal_cdf_of(-2.0) - 2.0 * phi(2.0)},
                       {kNaN, kNaN, kNaN}});
}

}  // namespace

std::vector<Row> pointwise_rows() {
  return {
      function_row(
          "exp", [](const auto& v) { return exp(v[0]); }, [](double x) { return std::exp(x); }, -2.0, 2.0,
          0.0,
          {{0.0, 1.0, 1.0},
           {1000.0, kInf, kInf},
           {-1000.0, 0.0, 0.0},
           {kInf, kInf, kInf},
           {-kInf, 0.0, 0.0},
           {kNaN, kNaN, kNaN}}),
      function_row(
          "log", [](const auto& v) { return log(v[0]); }, [](double x) { return std::log(x); }, 0.2, 3.0, 0.0,
          {{1.0, 0.0, 1.0}, {0.0, -kInf, kInf}, {kInf, kInf, 0.0}, {-1.0, kNaN, -1.0}, {kNaN, kNaN, kNaN}}),
      function_row(
          "sqrt", [](const auto& v) { return sqrt(v[0]); }, [](double x) { return std::sqrt(x); }, 0.2, 3.0,
          0.0, {{4.0, 2.0, 0.25}, {0.0, 0.0, kInf}, {kInf, kInf, 0.0}, {-1.0, kNaN, kNaN}}),
      function_row(
          "square", [](const auto& v) { return square(v[0]); }, [](double x) { return x * x; }, -2.0, 2.0,
          0.0, {{0.0, 0.0, 0.0}, {-3.0, 9.0, -6.0}, {-kInf, kInf, -kInf}, {kNaN, kNaN, kNaN}}),
      pow_row(),
      abs_row(),
      function_row(
          "sin", [](const auto& v) { return sin(v[0]); }, [](double x) { return std::sin(x); }, -4.0, 4.0,
          0.0, {{0.0, 0.0, 1.0}, {kInf, kNaN, kNaN}, {kNaN, kNaN, kNaN}}),
      function_row(
          "cos", [](const auto& v) { return cos(v[0]); }, [](double x) { return std::cos(x); }, -4.0, 4.0,
          0.0, {{0.0, 1.0, 0.0}, {-kInf, kNaN, kNaN}, {kNaN, kNaN, kNaN}}),
      function_row(
          "tanh", [](const auto& v) { return tanh(v[0]); }, [](double x) { return std::tanh(x); }, -3.0, 3.0,
          0.0,
          {{0.0, 0.0, 1.0},
           {1000.0, 1.0, 0.0},
           {-1000.0, -1.0, 0.0},
           {kInf, 1.0, 0.0},
           {-kInf, -1.0, 0.0},
           {kNaN, kNaN, kNaN}}),
      function_row(
          "sigmoid", [](const auto& v) { return sigmoid(v[0]); },
          [](double x) { return 1.0 / (1.0 + std::exp(-x)); }, -4.0, 4.0, 0.0,
          {{0.0, 0.5, 0.25},
           {1000.0, 1.0, 0.0},
           {-1000.0, 0.0, 0.0},
           {kInf, 1.0, 0.0},
           {-kInf, 0.0, 0.0},
           {kNaN, kNaN, kNaN}}),
      relu_row(),
      leaky_relu_row(),
      elu_row(),
      gelu_row(),
      function_row("normal_cdf", [](const auto& v) { return normal_cdf(v[0]); }, normal_cdf_of, -4.0, 4.0,
                   0.0,
                   {{0.0, 0.5, phi(0.0)},
                    {1000.0, 1.0, 0.0},
                    {-1000.0, 0.0, 0.0},
                    {kInf, 1.0, 0.0},
                    {-kInf, 0.0, 0.0},
                    {kNaN, kNaN, kNaN}}),
      function_row(
          "softplus", [](const auto& v) { return softplus(v[0]); },
          [](double x) { return std::log1p(std::exp(x)); }, -4.0, 4.0, 0.0,
          {{0.0, std::numbers::ln2, 0.5},
           {1000.0, 1000.0, 1.0},
           {-1000.0, 0.0, 0.0},
           {kInf, kInf, 1.0},
           {-kInf, 0.0, 0.0},
           {kNaN, kNaN, kNaN}}),
      clamp_row(),
  };
}

TEST_CASE("every element-wise function has the right value and gradients") {
  for (const Row& row : pointwise_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

}  // namespace unroll::test
