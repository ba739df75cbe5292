// Seed 000: a GRU cell and a model with a linear readout. As published it cannot run:
//   - forward() and backward() are functions inside __init__, and GRUModel a class inside it
//   - sizes come from global variables instead of the arguments
//   - r is computed, and the candidate does not use it: no reset gate
//   - forward() keeps the candidate as h_hat, backward() reads h_tilde
//   - forward() has z keep the old state, backward() differentiates the version in which z takes the new one
//   - what goes back to h_prev passes Wr and Wz (H,D) instead of Ur and Uz (H,H)
//   - no gradient of x; the gradients of the steps replace each other instead of adding up
//   - Wy is made (H,O) and used as (O,H)
// The two places where a reset gate is found and the two meanings of z give four right versions.
#include <catch2/catch.hpp>

#include "framework/gradcheck.hpp"
#include "framework/numpy_random.hpp"
#include "optim/sgd.hpp"
#include "seeds/literal.hpp"
#include "seeds/near.hpp"
#include "seeds/seed_layers.hpp"

using namespace unroll;
using namespace unroll::seeds;

namespace {

using Vars = std::vector<Var<double>>;
constexpr std::size_t kInput = 3, kHidden = 4, kOutput = 2, kSteps = 5;

struct Variant {
  GruReset reset;
  GruUpdate update;
};
constexpr Variant kVariants[] = {{GruReset::before, GruUpdate::z_keeps},
                                 {GruReset::before, GruUpdate::z_updates},
                                 {GruReset::after, GruUpdate::z_keeps},
                                 {GruReset::after, GruUpdate::z_updates}};

// W, U, b of z, r, h; Wy, by: as the notebook draws them (Wy in the shape in which it is used).
std::vector<Tensor<double>> draw_parameters(NumpyRng& rng) {
  std::vector<Tensor<double>> list;
  for (int gate = 0; gate < 3; ++gate) {
    list.push_back(rng.randn({kHidden, kInput}) * 0.5);
    list.push_back(rng.randn({kHidden, kHidden}) * 0.5);
    list.push_back(rng.randn({kHidden, 1}) * 0.1);
  }
  list.push_back(rng.randn({kOutput, kHidden}) * 0.5);
  list.push_back(zeros<double>({kOutput, 1}));
  return list;
}

struct Result {
  Var<double> h, y;  // columns (H,m,T) and (O,m,T)
};

// The notebook's GRUModel.forward: p as draw_parameters() lists it, x (D,m,T), h0 (H,m).
Result run_model(const Vars& p, const Var<double>& x, const Var<double>& h0, Variant variant, Path path) {
  const auto gru = make_gru({.z = gate_from_columns(p[0], p[1], p[2]),
                             .r = gate_from_columns(p[3], p[4], p[5]),
                             .h = gate_from_columns(p[6], p[7], p[8])},
                            variant.reset, variant.update, {.path = path});
  const auto h = gru(swap_columns_and_steps(x), {.states = {transpose(h0)}, .lengths = {}}).output;
  return {swap_columns_and_steps(h), swap_columns_and_steps(linear(h, p[9], reshape(p[10], {-1})))};
}

// One step, equation by equation.
Var<double> step(const Vars& p, const Var<double>& x, const Var<double>& h, Variant variant) {
  const auto sum_of = [&](std::size_t gate, const Var<double>& state_part) {
    return matmul(p[3 * gate], x) + state_part + p[3 * gate + 2];
  };
  const Var<double> z = sigmoid(sum_of(0, matmul(p[1], h))), r = sigmoid(sum_of(1, matmul(p[4], h)));
  const Var<double> state_part =
      variant.reset == GruReset::before ? matmul(p[7], r * h) : r * matmul(p[7], h);
  const Var<double> n = tanh(sum_of(2, state_part));
  return variant.update == GruUpdate::z_keeps ? z * h + (1.0 - z) * n : (1.0 - z) * h + z * n;
}

}  // namespace

TEST_CASE(
    "seed 000's GRU, corrected: all four variants follow their equations and have the right gradients") {
  NumpyRng rng(3);
  std::vector<Tensor<double>> inputs = draw_parameters(rng);
  inputs.push_back(rng.randn({kInput, 2, kSteps}));
  inputs.push_back(rng.randn({kHidden, 2}));
  const Vars constants(inputs.begin(), inputs.end());
  for (const Variant variant : kVariants) {
    Var<double> h = constants[12];
    for (Index t = 0; t < static_cast<Index>(kSteps); ++t)
      h = step(constants, select(constants[11], 2, t), h, variant);
    for (const Path path : {Path::tape, Path::fused}) {
      const Result got = run_model(constants, constants[11], constants[12], variant, path);
      CHECK(difference(select(got.h, 2, -1).value(), h.value()) < 1e-13);
      const auto report = gradcheck(GradcheckFunctions([&](const Vars& v) {
                                      const Result result = run_model(v, v[11], v[12], variant, path);
                                      return Vars{result.h, result.y};
                                    }),
                                    inputs);
      INFO(report.message);
      CHECK(report);
    }
  }
}

TEST_CASE("seed 000's GRU forward has no reset gate, which shows in the second step") {
  NumpyRng rng(4);
  const std::vector<Tensor<double>> p = draw_parameters(rng);
  const Tensor<double> x = rng.randn({kInput, 1, kSteps}), h0 = zeros<double>({kHidden, 1});
  const Var<double> literal(seed000_gru_forward({p[0], p[1], p[2], p[6], p[7], p[8]}, x, h0));
  const Var<double> right =
      run_model(Vars(p.begin(), p.end()), Var<double>(x), Var<double>(h0), kVariants[0], Path::fused).h;
  CHECK(difference(select(literal, 2, 0).value(), select(right, 2, 0).value()) < 1e-13);
  CHECK(difference(select(literal, 2, 1).value(), select(right, 2, 1).value()) > 1e-3);
}

TEST_CASE("seed 000's GRU model, corrected, learns in every variant") {
  for (const Variant variant : kVariants) {
    NumpyRng rng(5);
    Vars p;
    for (Tensor<double>& tensor : draw_parameters(rng)) p.push_back(parameter(std::move(tensor)));
    const Var<double> x(rng.randn({kInput, 1, kSteps})), target(rng.randn({kOutput, 1, kSteps}));
    const Var<double> h0(zeros<double>({kHidden, 1}));
    Sgd<double> sgd(p, {.lr = 0.1});
    double first = 0.0, last = 0.0;
    for (int epoch = 0; epoch < 300; ++epoch) {
      Tape tape;
      const Var<double> loss = 0.5 * sum(square(run_model(p, x, h0, variant, Path::automatic).y - target));
      (epoch == 0 ? first : last) = loss.item();
      tape.backward(loss);
      sgd.step();
    }
    CHECK(last < 0.05 * first);
  }
}
