#include <catch2/catch.hpp>
#include <cmath>

#include "examples/custom_layer/gradient_check.hpp"
#include "examples/custom_layer/minimal_gated_unit.hpp"
#include "tests/examples/program.hpp"

using namespace unroll;
using namespace unroll::examples;

namespace {

// The identity with a gradient that is 1 % too large.
Var<double> wrong_identity(const Var<double>& x) {
  Var<double> y(Tensor<double>(x.value()));
  return record("wrong_identity", std::move(y), input(x, [](const Var<double>& up) { return up * 1.01; }));
}

// A cell whose second gate has a slightly wrong gradient.
template <class S>
struct WrongCell : MinimalGatedUnit<S> {
  using MinimalGatedUnit<S>::MinimalGatedUnit;
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    return MinimalGatedUnit<S>::step(x, wrong_identity(h));
  }
};

}  // namespace

TEST_CASE("the minimal gated unit's step is its equations") {
  Rng rng(3);
  const MinimalGatedUnit<double> cell({.input = 2, .hidden = 3}, rng);
  const Tensor<double> x = random_normal<double>({4, 2}, 0.0, 1.0, rng),
                       h = random_normal<double>({4, 3}, 0.0, 1.0, rng);
  const Var<double> next = cell.step(Var<double>(x), Var<double>(h));
  REQUIRE(next.shape() == Shape{4, 3});

  const auto product = [](const Linear<double>& layer, std::size_t unit, const std::vector<double>& in) {
    double sum = layer.bias.data()[unit];
    for (std::size_t k = 0; k < in.size(); ++k) sum += layer.weight.data()[unit * in.size() + k] * in[k];
    return sum;
  };
  for (std::size_t b = 0; b < 4; ++b) {
    std::vector<double> gate(3);
    for (std::size_t j = 0; j < 3; ++j) {
      const double a = product(cell.forget, j, {h(b, 0), h(b, 1), h(b, 2), x(b, 0), x(b, 1)});
      gate[j] = 1.0 / (1.0 + std::exp(-a));
    }
    for (std::size_t j = 0; j < 3; ++j) {
      const double n = std::tanh(product(
          cell.fresh, j, {gate[0] * h(b, 0), gate[1] * h(b, 1), gate[2] * h(b, 2), x(b, 0), x(b, 1)}));
      CHECK(next.value()(b, j) == Approx((1.0 - gate[j]) * h(b, j) + gate[j] * n).epsilon(1e-12));
    }
  }
}

TEST_CASE("a user's cell has right gradients, first and second, of a step and through time") {
  Rng rng(5);
  const auto reports = check_gradients<MinimalGatedUnit>(CellSizes{.input = 3, .hidden = 4}, rng);
  INFO(reports.first.message << "\n" << reports.second.message << "\n" << reports.sequence.message);
  CHECK(reports);
}

TEST_CASE("the checks find a wrong gradient in a user's cell") {
  Rng rng(5);
  const Recurrent<WrongCell<double>> layer(CellSizes{.input = 3, .hidden = 4}, rng);
  CHECK_FALSE(verify(layer, random_normal<double>({5, 3, 3}, 0.0, 1.0, rng)));
  std::vector<Tensor<double>> inputs{random_normal<double>({3, 3}, 0.0, 1.0, rng),
                                     random_normal<double>({3, 4}, 0.0, 1.0, rng)};
  for (const auto& parameter : parameters(layer.cells()[0])) inputs.push_back(parameter.value());
  const auto report = gradcheck(as_function(layer.cells()[0]), inputs);
  CHECK_FALSE(report);
  CHECK(report.input == 1);
}

TEST_CASE("a user's cell gets stacking, both directions, ragged batches and conversion from the layer") {
  Rng rng(9);
  const Recurrent<MinimalGatedUnit<float>> layer({.input = 2, .hidden = 3},
                                                 {.layers = 2, .bidirectional = true}, rng);
  const auto report = verify(layer, random_normal<float>({4, 3, 2}, 0.0, 1.0, rng), {.lengths = {2, 4, 0}});
  INFO(report.message);
  CHECK(report);
  CHECK(parameter_count(layer) == 2 * (2 * 3 * 5 + 2 * 3) + 2 * (2 * 3 * 9 + 2 * 3));
  CHECK(named_parameters(layer)[0].name == "forget_l0.weight");
}

TEST_CASE("custom_layer checks, trains and scores its cell, the same for the same seed") {
  const ProgramResult result =
      run_example("custom_layer", "--epochs 3 --hidden 24 --layers 2 --bidirectional --seed 4");
  CHECK(result.status == 0);
  CHECK(result.out.find("gradient through time       ok") != std::string::npos);
  CHECK(result.err.find("epoch 3/3") != std::string::npos);
  const std::size_t at = result.out.find("test accuracy ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(result.out.substr(at + 14)) > 60.0);
  CHECK(run_example("custom_layer", "--epochs 3 --hidden 24 --layers 2 --bidirectional --seed 4").out ==
        result.out);
}

TEST_CASE("custom_layer answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  const std::string header = read_text(std::string(UNROLL_EXAMPLE_DATA) + "/digits.csv");
  const std::string first = header.substr(0, header.find('\n') + 1);
  std::string row = "train,12";
  for (int i = 0; i < 64; ++i) row += ",0";
  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--hidden 0", "--hidden"},
      {"--epochs x", "--epochs"},
      {"--data " + folder.path("none.csv"), "none.csv"},
      {"--data " + folder.write("label.csv", first + row + "\n"), "label.csv:2"},
      {"--data " + folder.write("split.csv", first + "other" + row.substr(5) + "\n"), "train"},
      {"--data " + folder.write("columns.csv", "split,label\ntrain,1\n"), "r0c0"},
  };
  for (const auto& c : cases) {
    const ProgramResult result = run_example("custom_layer", c.arguments);
    CAPTURE(c.arguments, result.err);
    CHECK(result.status == 1);
    CHECK(result.error_lines() == 1);
    CHECK(result.err.find(c.want) != std::string::npos);
  }
}
