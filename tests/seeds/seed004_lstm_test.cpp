// Seeds 001 and 004: an LSTM over columns (n_x,m,T_x), gate weights W [a; x] + b, with a softmax at every
// step. Neither has its backward; here it is.
#include <catch2/catch.hpp>

#include "framework/gradcheck.hpp"
#include "seeds/columns_model.hpp"
#include "seeds/near.hpp"
#include "seeds/numpy_text.hpp"

using namespace unroll;
using namespace unroll::seeds;

namespace {

using Vars = std::vector<Var<double>>;

// np.random.seed(1) and the notebook's draws in its order. The cell draws a state c_prev, the sequence begins
// with 0.
Named draw(std::size_t steps, bool cell) {
  NumpyRng rng(1);
  Named p;
  const auto next = [&](const std::string& name, const Shape& shape) {
    p[name] = Var<double>(rng.randn(shape));
  };
  next("x", {3, 10, steps});
  next("a0", {5, 10});
  p["c0"] = Var<double>(zeros<double>({5, 10}));
  if (cell) next("c0", {5, 10});
  for (const std::string gate : {"f", "i", "o", "c"}) {
    next("W" + gate, {5, 8});
    next("b" + gate, {5, 1});
  }
  next("Wy", {2, 5});
  next("by", {2, 1});
  return p;
}

Tensor<double> row(const Var<double>& a, Index i) { return select(a, 0, i).value(); }

}  // namespace

TEST_CASE("seed 004's LSTM cell prints the published states and predictions") {
  for (const Path path : {Path::tape, Path::fused}) {
    const auto [a, y, c, c_last] = lstm_forward(draw(1, true), path);
    const Var<double> a_next = squeeze(a, {2}), c_next = squeeze(c, {2}), yt = squeeze(y, {2});
    CHECK(numpy_text(row(a_next, 4)) ==
          "[-0.66408471  0.0036921   0.02088357  0.22834167 -0.85575339  0.00138482\n"
          "  0.76566531  0.34631421 -0.00215674  0.43827275]");
    CHECK(numpy_text(row(c_next, 2)) ==
          "[ 0.63267805  1.00570849  0.35504474  0.20690913 -1.64566718  0.11832942\n"
          "  0.76449811 -0.0981561  -0.74348425 -0.26810932]");
    CHECK(numpy_text(row(yt, 1)) ==
          "[0.79913913 0.15986619 0.22412122 0.15606108 0.97057211 0.31146381\n"
          " 0.00943007 0.12666353 0.39380172 0.07828381]");
    CHECK(numpy_text(row(c_next, 3)) ==  // cache[1][3]
          "[-0.16263996  1.03729328  0.72938082 -0.54101719  0.02752074 -0.30821874\n"
          "  0.07651101 -1.03752894  1.41219977 -0.37647422]");
    CHECK(numpy_shape_text(c_next.shape()) == "(5, 10)");
    CHECK(numpy_shape_text(yt.shape()) == "(2, 10)");
    CHECK(difference(c_last.value(), c_next.value()) == 0.0);
  }
}

TEST_CASE("seed 004's LSTM over a sequence prints the published numbers") {
  for (const Path path : {Path::tape, Path::fused}) {
    const Named p = draw(7, false);
    const auto [a, y, c, c_last] = lstm_forward(p, path);
    CHECK(relative_error(a.value()(4, 3, 6), 0.1721177675329167) < 1e-13);
    CHECK(relative_error(y.value()(1, 4, 3), 0.9508734618501101) < 1e-13);
    CHECK(relative_error(c.value()(1, 2, 1), -0.8555449167181983) < 1e-13);
    CHECK(numpy_shape_text(a.shape()) == "(5, 10, 7)");
    CHECK(numpy_shape_text(y.shape()) == "(2, 10, 7)");
    CHECK(numpy_text(select(select(p.at("x"), 0, 1), 0, 1).value()) ==  // caches[1][1][1]
          "[ 0.82797464  0.23009474  0.76201118 -0.22232814 -0.20075807  0.18656139\n"
          "  0.41005165]");
  }
}

TEST_CASE(
    "the LSTM of seeds 001 and 004 has the backward that they lack, for every parameter, x, a0 and c0") {
  const Named p = draw(3, true);
  std::vector<std::string> names;
  std::vector<Tensor<double>> values;
  for (const auto& [name, var] : p) {
    names.push_back(name);
    values.push_back(var.value());
  }
  for (const Path path : {Path::tape, Path::fused}) {
    const auto report = gradcheck(GradcheckFunctions([&](const Vars& inputs) {
                                    Named given;
                                    for (std::size_t i = 0; i < names.size(); ++i)
                                      given[names[i]] = inputs[i];
                                    const ColumnsResult result = lstm_forward(given, path);
                                    return Vars{result.a, result.y, result.c_last};
                                  }),
                                  values);
    INFO(report.message);
    CHECK(report);
  }
}
