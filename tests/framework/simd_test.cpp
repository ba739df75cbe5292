// The instruction sets of the kernels: they can be chosen, and give the same results but for rounding.
#include "framework/simd.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "framework/errors.hpp"
#include "framework/ops.hpp"
#include "framework/random.hpp"

namespace unroll {
namespace {

// Goes back to the set that was in use.
struct Restore {
  std::string before{simd_isa()};
  ~Restore() { set_simd_isa(before); }
};

template <class S>
struct Computed {
  std::string what;
  Tensor<S> value;
  double bound;  // in units in the last place of the largest element
};

template <class S>
class Results {
 public:
  void keep(const char* what, const Var<S>& y, double bound) {
    list_.push_back({std::string(what) + " of " + to_string(y.shape()), y.value(), bound});
  }

  // Every kernel on vectors of n, which reach every length of the last, partial batch.
  void vectors(std::size_t n, Rng& rng) {
    const Var<S> x(random_normal<S>({n}, 0.0, 1.5, rng)), y(random_normal<S>({n}, 0.0, 1.5, rng));
    const Var<S> positive = abs(x) + 0.1;
    // name, function and bound
    keep("add", x + y, 0);
    keep("sub", x - y, 0);
    keep("mul", x * y, 0);
    keep("div", x / positive, 0);
    keep("neg", -x, 0);
    keep("plus", x + 0.3, 0);
    keep("minus", x - 0.3, 0);
    keep("from", 0.3 - x, 0);
    keep("times", x * 0.3, 0);
    keep("over", x / 0.3, 0);
    keep("into", 0.3 / positive, 0);
    keep("maximum", maximum(x, y), 0);
    keep("minimum", minimum(x, y), 0);
    keep("exp", exp(x), 2);
    keep("log", log(positive), 3);
    keep("sqrt", sqrt(positive), 0);
    keep("square", square(x), 0);
    keep("abs", abs(x), 0);
    keep("sin", sin(x), 3);
    keep("cos", cos(x), 3);
    keep("tanh", tanh(x), 3);
    keep("sigmoid", sigmoid(x), 4);
    keep("relu", relu(x), 0);
    keep("leaky_relu", leaky_relu(x, 0.1), 0);
    keep("elu", elu(x, 0.7), 4);
    keep("gelu", gelu(x), 40);
    keep("normal_cdf", normal_cdf(x), 40);
    keep("softplus", softplus(x), 4);
    keep("clamp", clamp(x, -0.5, 0.7), 0);
    const Mask chosen = x.value() > S(0);
    keep("where", where(chosen, x, y), 0);
    keep("masked_fill", masked_fill(x, chosen, 0.5), 0);
    keep("dropout", dropout(x, 0.4, rng), 0);
    keep("sum", sum(x), 30);
    keep("norm", norm(x), 30);
    if (n == 0) return;
    keep("max", max(x), 0);
    keep("min", min(x), 0);
    keep("logsumexp", logsumexp(x), 30);
    keep("softmax", softmax(x, 0), 30);
    keep("log_softmax", log_softmax(x, 0), 30);
    keep("layer_norm", layer_norm(x, Var<S>(), Var<S>(), 1e-5), 60);
  }

  // Kernels with rows: broadcasting, reductions over either axis, products with either operand transposed.
  void matrices(std::size_t rows, std::size_t n, Rng& rng) {
    const Var<S> x(random_normal<S>({rows, n}, 0.0, 1.0, rng)), row(random_normal<S>({n}, 0.0, 1.0, rng)),
        column(random_normal<S>({rows, 1}, 0.0, 1.0, rng)), w(random_normal<S>({n, 5}, 0.0, 1.0, rng));
    keep("row added", x + row, 0);
    keep("from a row", row - x, 0);
    keep("column times", column * x, 0);
    keep("over a column", x / (abs(column) + 0.1), 0);
    keep("outer product", column * row, 0);
    const Mask chosen = column.value() > S(0);
    keep("where by a column", where(chosen, x, row), 0);
    for (const Index axis : {0, 1}) {
      keep("sum", sum(x, {axis}), 30);
      keep("max", max(x, {axis}), 0);
      keep("logsumexp", logsumexp(x, {axis}), 30);
      keep("softmax", softmax(x, axis), 30);
      keep("log_softmax", log_softmax(x, axis), 30);
    }
    keep("layer_norm", layer_norm(x, row, row, 1e-5), 60);
    keep("matmul", matmul(x, w), 60);
    keep("matmul, wide", matmul(x, Var<S>(random_normal<S>({n, 37}, 0.0, 1.0, rng))), 60);
    keep("linear", linear(x, transpose(w, 0, 1)), 60);
  }

  const std::vector<Computed<S>>& list() const { return list_; }

 private:
  std::vector<Computed<S>> list_;
};

template <class S>
std::vector<Computed<S>> all_results(const std::string& isa) {
  set_simd_isa(isa);
  Rng rng(7);
  Results<S> results;
  for (std::size_t n = 0; n <= 40; ++n) results.vectors(n, rng);
  for (const std::size_t n : {63U, 64U, 65U, 127U, 1023U, 1024U, 1025U, 5000U}) results.vectors(n, rng);
  for (const std::size_t rows : {1U, 2U, 3U, 4U, 7U, 130U}) {
    for (const std::size_t n : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 15U, 16U, 17U, 33U})
      results.matrices(rows, n, rng);
  }
  return results.list();
}

template <class S>
void compare() {
  const Restore restore;
  const std::vector<std::string> isas = simd_isas();
  const auto want = all_results<S>(isas.front());
  REQUIRE(want.size() > 2000);
  for (std::size_t k = 1; k < isas.size(); ++k) {
    const auto got = all_results<S>(isas[k]);
    REQUIRE(got.size() == want.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const Tensor<S>&a = want[i].value, &b = got[i].value;
      REQUIRE(a.shape() == b.shape());
      double size = 0.0, error = 0.0;
      for (std::size_t j = 0; j < a.size(); ++j) {
        size = std::max(size, std::abs(static_cast<double>(a.data()[j])));
        error =
            std::max(error, std::abs(static_cast<double>(a.data()[j]) - static_cast<double>(b.data()[j])));
        if (std::isnan(a.data()[j]) || std::isnan(b.data()[j]))
          error = std::numeric_limits<double>::infinity();
      }
      different += error > 0.0;
      INFO(want[i].what << " with " << isas[k] << ": off by " << error << " at size " << size);
      CHECK(error <= want[i].bound * size * std::numeric_limits<S>::epsilon());
    }
    CHECK(different > 100);  // so these are different kernels
  }
}

}  // namespace

TEST_CASE("results under all instruction sets differ by rounding only") {
  if (simd_isas().size() == 1) WARN("there is one instruction set here, nothing to compare");
  compare<float>();
  compare<double>();
}

TEST_CASE("every instruction set of this machine can be chosen") {
  const Restore restore;
  for (const std::string& isa : simd_isas()) {
    set_simd_isa(isa);
    CHECK(simd_isa() == isa);
  }
}

TEST_CASE("an instruction set that is not there is refused") {
  const std::string before(simd_isa());
  CHECK_THROWS_AS(set_simd_isa("sse17"), ArgumentError);
  CHECK_THROWS_WITH(set_simd_isa(""), Catch::Contains("[set_simd_isa] name: expected one of"));
  CHECK(simd_isa() == before);
  const std::vector<std::string> isas = simd_isas();
  if (isas.size() == 2) {
    CHECK_THROWS_WITH(set_simd_isa("avx512"), Catch::Contains("does not support"));
  }
}

}  // namespace unroll
