#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

using Values = std::vector<double>;

double total(const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); }
double average(const Values& v) { return total(v) / static_cast<double>(v.size()); }
double largest(const Values& v) { return *std::max_element(v.begin(), v.end()); }
double smallest(const Values& v) { return *std::min_element(v.begin(), v.end()); }
double log_total(const Values& v) {
  double sum = 0.0;
  for (double x : v) sum += std::exp(x);
  return std::log(sum);
}
double length(const Values& v) { return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)); }

// f: (x, axes, keepdims) -> y
template <class F>
Row reduction_row(const char* name, F f, double (*reference)(const Values&)) {
  Row row(name);
  struct Choice {
    Shape shape;
    Axes axes;
    std::vector<std::size_t> reduced_axes;
  };
  const std::vector<Choice> choices{{{3, 5}, {}, {}},
                                    {{3, 5}, {0}, {0}},
                                    {{3, 5}, {1}, {1}},
                                    {{2, 3, 19}, {-1}, {2}},
                                    {{2, 3, 4}, {1}, {1}},
                                    {{2, 3, 4}, {0, 2}, {0, 2}},
                                    {{2, 3, 4}, {-1, 0}, {0, 2}},
                                    {{2, 3, 4}, {1, 2}, {1, 2}},
                                    {{2, 3, 4}, {0, 1, 2}, {0, 1, 2}},
                                    {{3, 1, 2}, {1}, {1}},
                                    {{7}, {0}, {0}},
                                    {{}, {}, {}},
                                    {{3, 0}, {0}, {0}}};
  for (const auto& [shape, axes, reduced_axes] : choices) {
    for (bool keepdims : {false, true}) {
      const auto reduce = [f, a = axes, keepdims](const auto& v) { return f(v[0], a, keepdims); };
      row.on({shape}, reduce, reduced(reduced_axes, keepdims, reference));
    }
  }
  row.rejects(Kind::shape, {{2, 3}}, [f](const auto& v) { return f(v[0], Axes{2}, false); });
  row.rejects(Kind::shape, {{2, 3}}, [f](const auto& v) { return f(v[0], Axes{-3}, false); });
  row.rejects(Kind::shape, {{2, 3}}, [f](const auto& v) { return f(v[0], Axes{1, -1}, false); });
  row.rejects(Kind::shape, {{}}, [f](const auto& v) { return f(v[0], Axes{0}, false); });
  return row;
}

Tensor<double> scalar(double x) { return Tensor<double>(x); }

Row sum_row() {
  const auto f = [](const auto& x, const Axes& axes, bool keep) { return sum(x, axes, keep); };
  const auto all = [](const auto& v) { return sum(v[0]); };
  Row row = reduction_row("sum", f, total);
  row.at({zeros<double>({0})}, all, {scalar(0.0)}, {zeros<double>({0})});
  row.at({zeros<double>({2, 0})}, [](const auto& v) { return sum(v[0], {1}); }, {zeros<double>({2})});
  row.at({{1.0, kNaN}}, all, {scalar(kNaN)}, {{1.0, 1.0}});
  row.at({{kInf, -kInf}}, all, {scalar(kNaN)});
  return row;
}

Row mean_row() {
  const auto f = [](const auto& x, const Axes& axes, bool keep) { return mean(x, axes, keep); };
  const auto all = [](const auto& v) { return mean(v[0]); };
  Row row = reduction_row("mean", f, average);
  row.at({{1.0, kNaN, 2.0, 3.0}}, all, {scalar(kNaN)}, {{0.25, 0.25, 0.25, 0.25}});
  row.at({zeros<double>({0})}, all, {scalar(kNaN)}, {zeros<double>({0})});
  return row;
}

template <class F>
void reject_empty(Row& row, F f) {
  row.rejects(Kind::shape, {{0}}, [f](const auto& v) { return f(v[0], Axes{}, false); });
  row.rejects(Kind::shape, {{2, 0}}, [f](const auto& v) { return f(v[0], Axes{1}, false); });
}

Row max_row() {
  const auto f = [](const auto& x, const Axes& axes, bool keep) { return max(x, axes, keep); };
  const auto all = [](const auto& v) { return max(v[0]); };
  Row row = reduction_row("max", f, largest);
  row.at({{2.0, 5.0, 5.0, -1.0}}, all, {scalar(5.0)}, {{0.0, 0.5, 0.5, 0.0}});
  row.at({Tensor<double>{{4.0, 1.0}, {4.0, 2.0}, {4.0, -3.0}}}, [](const auto& v) { return max(v[0], {0}); },
         {{4.0, 2.0}}, {Tensor<double>{{1.0 / 3, 0.0}, {1.0 / 3, 1.0}, {1.0 / 3, 0.0}}});
  row.at({{-kInf, -kInf}}, all, {scalar(-kInf)}, {{0.5, 0.5}});
  row.at({{1.0, kInf}}, all, {scalar(kInf)}, {{0.0, 1.0}});
  row.at({{1.0, kNaN, 3.0}}, all, {scalar(kNaN)});
  row.at({{kNaN, 1.0}}, all, {scalar(kNaN)});
  reject_empty(row, f);
  return row;
}

Row min_row() {
  const auto f = [](const auto& x, const Axes& axes, bool keep) { return min(x, axes, keep); };
  const auto all = [](const auto& v) { return min(v[0]); };
  Row row = reduction_row("min", f, smallest);
  row.at({{2.0, -5.0, -5.0, -1.0}}, all, {scalar(-5.0)}, {{0.0, 0.5, 0.5, 0.0}});
  row.at({{1.0, kNaN, 3.0}}, all, {scalar(kNaN)});
  row.at({{kInf, kInf}}, all, {scalar(kInf)}, {{0.5, 0.5}});
  reject_empty(row, f);
  return row;
}

Row logsumexp_row() {
  const auto f = [](const auto& x, const Axes& axes, bool keep) { return logsumexp(x, axes, keep); };
  const auto all = [](const auto& v) { return logsumexp(v[0]); };
  Row row = reduction_row("logsumexp", f, log_total);
  row.at({{1e4, 1e4}}, all, {scalar(1e4 + std::log(2.0))}, {{0.5, 0.5}});
  row.at({{-1e4, -1e4 + 0.5}}, all, {scalar(-1e4 + std::log(1.0 + std::exp(0.5)))});
  row.at({{1e4, -1e4}}, all, {scalar(1e4)}, {{1.0, 0.0}});
  row.at({{-kInf, 1.0}}, all, {scalar(1.0)}, {{0.0, 1.0}});
  row.at({{-kInf, -kInf}}, all, {scalar(-kInf)});
  row.at({{kInf, 1.0}}, all, {scalar(kInf)});
  row.at({{kNaN, 1.0}}, all, {scalar(kNaN)});
  row.at({zeros<double>({0})}, all, {scalar(-kInf)});
  return row;
}

Row norm_row() {
  const auto f = [](const auto& x, const Axes& axes, bool keep) { return norm(x, axes, keep); };
  Row row = reduction_row("norm", f, length);
  row.at({{3.0, -4.0}}, [](const auto& v) { return norm(v[0]); }, {scalar(5.0)}, {{0.6, -0.8}});
  row.at({{0.0, 0.0}}, [](const auto& v) { return norm(v[0]); }, {scalar(0.0)}, {{0.0, 0.0}});
  row.at({Tensor<double>{{0.0, 0.0}, {0.0, 2.0}}}, [](const auto& v) { return norm(v[0], {1}); },
         {{0.0, 2.0}}, {Tensor<double>{{0.0, 0.0}, {0.0, 1.0}}});
  row.at({{kNaN, 1.0}}, [](const auto& v) { return norm(v[0]); }, {scalar(kNaN)});
  row.at({zeros<double>({0})}, [](const auto& v) { return norm(v[0]); }, {scalar(0.0)});
  return row;
}

Values running_total(const Values& v) {
  Values result(v.size());
  std::partial_sum(v.begin(), v.end(), result.begin());
  return result;
}

Row cumsum_row() {
  Row row("cumsum");
  row.on(
      {{7}}, [](const auto& v) { return cumsum(v[0], 0); }, along(0, running_total));
  row.on(
      {{2, 3, 5}}, [](const auto& v) { return cumsum(v[0], 0); }, along(0, running_total));
  row.on(
      {{2, 3, 5}}, [](const auto& v) { return cumsum(v[0], 1); }, along(1, running_total));
  row.on(
      {{2, 3, 19}}, [](const auto& v) { return cumsum(v[0], -1); }, along(2, running_total));
  row.on(
      {{0, 3}}, [](const auto& v) { return cumsum(v[0], 0); }, along(0, running_total));
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return cumsum(v[0], 2); });
  row.rejects(Kind::shape, {{}}, [](const auto& v) { return cumsum(v[0], 0); });
  return row;
}

// Reduces with kept sizes, then drops the leading axes: what broadcasting from shape would have repeated.
Row sum_to_row() {
  Row row("sum_to");
  const auto to = [&row](const Shape& from, const Shape& shape, std::vector<std::size_t> axes) {
    row.on(
        {from}, [shape](const auto& v) { return sum_to(v[0], shape); },
        [=](const Tensors& in) -> Tensors {
          if (axes.empty()) return in;
          const Tensor<double> kept = reduced(axes, true, total)(in)[0];
          return {build(shape, [&](const Position& p) {
            Position q(from.size() - p.size(), 0);
            q.insert(q.end(), p.begin(), p.end());
            return element(kept, q);
          })};
        });
  };
  to({2, 3, 4}, {3, 4}, {0});
  to({2, 3, 4}, {4}, {0, 1});
  to({2, 3, 4}, {}, {0, 1, 2});
  to({2, 3, 4}, {2, 1, 4}, {1});
  to({2, 3, 4}, {3, 1}, {0, 2});
  to({2, 3, 4}, {1, 1, 1}, {0, 1, 2});
  to({2, 3, 4}, {2, 3, 4}, {});
  to({3, 1, 4}, {1, 4}, {0});
  to({5, 37}, {37}, {0});
  to({5, 37}, {5, 1}, {1});
  to({0, 3}, {3}, {0});
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return sum_to(v[0], {2}); });
  row.rejects(Kind::shape, {{3}}, [](const auto& v) { return sum_to(v[0], {2, 3}); });
  row.rejects(Kind::shape, {{1, 3}}, [](const auto& v) { return sum_to(v[0], {2, 3}); });
  return row;
}

Values soft(const Values& v) {
  Values result;
  for (double x : v) result.push_back(std::exp(x - log_total(v)));
  return result;
}
Values log_soft(const Values& v) {
  Values result;
  for (double x : v) result.push_back(x - log_total(v));
  return result;
}

template <class F>
Row softmax_like_row(const char* name, F f, Values (*reference)(const Values&)) {
  Row row(name);
  row.on(
      {{3, 5}}, [f](const auto& v) { return f(v[0], -1); }, along(1, reference));
  row.on(
      {{2, 3, 19}}, [f](const auto& v) { return f(v[0], 2); }, along(2, reference));
  row.on(
      {{2, 3, 4}}, [f](const auto& v) { return f(v[0], 0); }, along(0, reference));
  row.on(
      {{2, 3, 4}}, [f](const auto& v) { return f(v[0], 1); }, along(1, reference));
  row.on(
      {{4}}, [f](const auto& v) { return f(v[0], 0); }, along(0, reference));
  row.on(
      {{3, 1}}, [f](const auto& v) { return f(v[0], 1); }, along(1, reference));
  row.on(
      {{0, 3}}, [f](const auto& v) { return f(v[0], 1); }, along(1, reference));
  row.rejects(Kind::shape, {{2, 3}}, [f](const auto& v) { return f(v[0], 2); });
  row.rejects(Kind::shape, {{}}, [f](const auto& v) { return f(v[0], -1); });
  return row;
}

Row softmax_row() {
  const auto f = [](const auto& v) { return softmax(v[0]); };
  Row row = softmax_like_row(
      "softmax", [](const auto& x, Index axis) { return softmax(x, axis); }, soft);
  row.at({{1e4, 1e4}}, f, {{0.5, 0.5}}, {{0.0, 0.0}});
  row.at({{1e4, -1e4}}, f, {{1.0, 0.0}}, {{0.0, 0.0}});
  row.at({{0.0, -kInf, 0.0}}, f, {{0.5, 0.0, 0.5}}, {{0.0, 0.0, 0.0}});
  row.at({{0.0, kNaN}}, f, {{kNaN, kNaN}});
  return row;
}

Row log_softmax_row() {
  const auto f = [](const auto& v) { return log_softmax(v[0]); };
  Row row = softmax_like_row(
      "log_softmax", [](const auto& x, Index axis) { return log_softmax(x, axis); }, log_soft);
  row.at({{1e4, 1e4}}, f, {{-std::log(2.0), -std::log(2.0)}}, {{0.0, 0.0}});
  row.at({{1e4, -1e4}}, f, {{0.0, -2e4}}, {{-1.0, 1.0}});
  // A class ruled out by -inf leaves the others' gradients finite.
  row.at({{0.0, -kInf, 0.0}}, f, {{-std::log(2.0), -kInf, -std::log(2.0)}}, {{-0.5, 1.0, -0.5}});
  row.at({{0.0, kNaN}}, f, {{kNaN, kNaN}});
  return row;
}

}  // namespace

std::vector<Row> reduce_rows() {
  return {sum_row(),  mean_row(),   max_row(),    min_row(),     logsumexp_row(),
          norm_row(), cumsum_row(), sum_to_row(), softmax_row(), log_softmax_row()};
}

TEST_CASE("every reduction has the right value, gradients and errors") {
  for (const Row& row : reduce_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

// Of many equal terms, single precision keeps more when it sums in pieces than one after the other.
TEST_CASE("a long sum in float stays accurate") {
  const std::size_t n = 1'000'000;
  const double got = sum(Var<float>(full<float>({n}, 0.1F))).item();
  CHECK(std::abs(got - 0.1F * static_cast<double>(n)) < 1e-5 * 0.1 * static_cast<double>(n));
}

}  // namespace unroll::test
