// Seeds 001 and 004: an RNN over columns (n_x,m,T_x) with a softmax at every step.
//
// 001's backward is right for the upstream gradient of the hidden states alone; it gives nothing for Wya and
// by.
#include <catch2/catch.hpp>

#include "framework/gradcheck.hpp"
#include "layers/losses.hpp"
#include "seeds/columns_model.hpp"
#include "seeds/near.hpp"
#include "seeds/numpy_text.hpp"

using namespace unroll;
using namespace unroll::seeds;

namespace {

using Vars = std::vector<Var<double>>;

// np.random.seed(1) and the notebook's draws in its order; T = 0 for one step, which has no time axis there.
Named draw(std::size_t steps, bool leaves = false) {
  NumpyRng rng(1);
  Named p;
  const auto next = [&](const char* name, const Shape& shape) {
    Tensor<double> values = rng.randn(shape);
    p[name] = leaves ? parameter(std::move(values), name) : Var<double>(std::move(values));
  };
  next("x", {3, 10, steps});
  next("a0", {5, 10});
  next("Waa", {5, 5});
  next("Wax", {5, 3});
  next("Wya", {2, 5});
  next("ba", {5, 1});
  next("by", {2, 1});
  return p;
}

Tensor<double> row(const Var<double>& a, Index i) { return select(a, 0, i).value(); }
Tensor<double> row(const Var<double>& a, Index i, Index j) { return select(select(a, 0, i), 0, j).value(); }

}  // namespace

TEST_CASE("seed 004's RNN cell prints the published activations and predictions") {
  for (const Path path : {Path::tape, Path::fused}) {
    const auto [a, y, c, c_last] = rnn_forward(draw(1), path);
    const Var<double> a_next = squeeze(a, {2}), yt_pred = squeeze(y, {2});
    CHECK(numpy_text(row(a_next, 4)) ==
          "[ 0.59584544  0.18141802  0.61311866  0.99808218  0.85016201  0.99980978\n"
          " -0.18887155  0.99815551  0.6531151   0.82872037]");
    CHECK(numpy_shape_text(a_next.shape()) == "(5, 10)");
    CHECK(numpy_text(row(yt_pred, 1)) ==
          "[0.9888161  0.01682021 0.21140899 0.36817467 0.98988387 0.88945212\n"
          " 0.36920224 0.9966312  0.9982559  0.17746526]");
    CHECK(numpy_shape_text(yt_pred.shape()) == "(2, 10)");
  }
}

TEST_CASE("seed 004's RNN over a sequence prints the published activations and predictions") {
  for (const Path path : {Path::tape, Path::fused}) {
    const Named p = draw(4);
    const auto [a, y, c, c_last] = rnn_forward(p, path);
    CHECK(numpy_text(row(a, 4, 1)) == "[-0.99999375  0.77911235 -0.99861469 -0.99833267]");
    CHECK(numpy_shape_text(a.shape()) == "(5, 10, 4)");
    CHECK(numpy_text(row(y, 1, 3)) == "[0.79560373 0.86224861 0.11118257 0.81515947]");
    CHECK(numpy_shape_text(y.shape()) == "(2, 10, 4)");
    CHECK(numpy_text(row(p.at("x"), 1, 3)) == "[-1.1425182  -0.34934272 -0.20889423  0.58662319]");
  }
}

TEST_CASE("seed 001's rnn_backward, step by step, is what the library gives for the same upstream gradient") {
  const std::size_t steps = 4;
  const Var<double> da(NumpyRng(2).randn({5, 10, steps}));
  for (const Path path : {Path::tape, Path::fused}) {
    const Named p = draw(steps, true);
    Tape tape;
    const Var<double> a = rnn_forward(p, path).a;
    tape.backward(a, da);
    tape.stop();

    // rnn_cell_backward over the steps from the last to the first.
    Vars dx(steps);
    Var<double> d_wax(zeros<double>({5, 3})), d_waa(zeros<double>({5, 5})), d_ba(zeros<double>({5, 1}));
    Var<double> da_prev(zeros<double>({5, 10}));
    for (Index t = static_cast<Index>(steps) - 1; t >= 0; --t) {
      const Var<double> before = t > 0 ? select(a, 2, t - 1) : p.at("a0");
      const Var<double> d = (select(da, 2, t) + da_prev) * (1.0 - square(select(a, 2, t)));
      dx[static_cast<std::size_t>(t)] = matmul(p.at("Wax"), d, {.transpose_a = true});
      d_wax = d_wax + matmul(d, select(p.at("x"), 2, t), {.transpose_b = true});
      d_waa = d_waa + matmul(d, before, {.transpose_b = true});
      d_ba = d_ba + sum(d, {1}, true);
      da_prev = matmul(p.at("Waa"), d, {.transpose_a = true});
    }
    CHECK(difference(p.at("x").grad(), stack(dx, 2).value()) < 1e-13);
    CHECK(difference(p.at("a0").grad(), da_prev.value()) < 1e-13);
    CHECK(difference(p.at("Wax").grad(), d_wax.value()) < 1e-13);
    CHECK(difference(p.at("Waa").grad(), d_waa.value()) < 1e-13);
    CHECK(difference(p.at("ba").grad(), d_ba.value()) < 1e-13);
  }
}

TEST_CASE("the RNN of seeds 001 and 004 has the gradients that 001 lacks: dWya and dby through the softmax") {
  const Named p = draw(4);
  std::vector<std::string> names;
  std::vector<Tensor<double>> values;
  for (const auto& [name, var] : p) {
    names.push_back(name);
    values.push_back(var.value());
  }
  for (const Path path : {Path::tape, Path::fused}) {
    // gradcheck draws random upstream gradients for both outputs.
    const auto report = gradcheck(GradcheckFunctions([&](const Vars& inputs) {
                                    Named given;
                                    for (std::size_t i = 0; i < names.size(); ++i)
                                      given[names[i]] = inputs[i];
                                    const ColumnsResult result = rnn_forward(given, path);
                                    return Vars{result.a, result.y};
                                  }),
                                  values);
    INFO(report.message);
    CHECK(report);
  }
}
