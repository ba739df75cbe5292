// What an optimizer keeps and nothing feeds any more decays to 0, and not to subnormal numbers, which are
// slow.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "framework/tape.hpp"
#include "optim/optim.hpp"

using namespace unroll;

namespace {

// One gradient of 0.3, then zeros.
template <class S, class O>
TensorMap<S> state_after(O optimizer, const Var<S>& p, int steps) {
  for (int i = 0; i < steps; ++i) {
    Tape tape;
    tape.backward(p, Var<S>(full<S>(p.shape(), i == 0 ? S(0.3) : S(0))));
    optimizer.step();
  }
  return optimizer.state();
}

template <class S, class O, class Options>
void check_decays(const Options& options, int steps, const std::vector<std::string>& names) {
  const Var<S> p = parameter(ones<S>({11}), "p");
  const auto state = state_after<S>(O({p}, options), p, steps);
  for (const std::string& name : names) {
    CAPTURE(name);
    for (const S v : state.at("p." + name)) CHECK(v == S(0));
  }
}

}  // namespace

TEST_CASE("decaying state ends at 0") {
  check_decays<float, Sgd<float>>(SgdOptions{.momentum = 0.9}, 1500, {"momentum_buffer"});
  check_decays<float, Sgd<float>>(SgdOptions{.momentum = 0.9, .nesterov = true}, 1500, {"momentum_buffer"});
  check_decays<float, Adam<float>>(AdamOptions{.beta2 = 0.9}, 1500, {"exp_avg", "exp_avg_sq"});
  check_decays<float, Adam<float>>(AdamOptions{.beta2 = 0.9, .amsgrad = true}, 1500,
                                   {"exp_avg", "exp_avg_sq"});
  check_decays<float, AdamW<float>>(AdamWOptions{.beta2 = 0.9}, 1500, {"exp_avg", "exp_avg_sq"});
  check_decays<float, NAdam<float>>(NAdamOptions{.beta2 = 0.9}, 1500,
                                    {"exp_avg", "exp_avg_sq", "mu_product"});
  check_decays<float, RmsProp<float>>(RmsPropOptions{.alpha = 0.9, .momentum = 0.9, .centered = true}, 1500,
                                      {"square_avg", "grad_avg", "momentum_buffer"});
  check_decays<float, Adadelta<float>>(AdadeltaOptions{}, 1500, {"square_avg", "acc_delta"});
  check_decays<double, Adam<double>>(AdamOptions{.beta2 = 0.9}, 9000, {"exp_avg", "exp_avg_sq"});
}

TEST_CASE("without eps nothing that is divided by becomes 0 on the way") {
  const Var<float> p = parameter(ones<float>({3}), "p");
  state_after<float>(Adam<float>({p}, {.beta2 = 0.9, .eps = 0.0}), p, 1500);
  for (const float v : p.value()) CHECK(std::isfinite(v));
}

TEST_CASE("NaN stays in the state") {
  const Var<float> p = parameter(ones<float>({3}), "p");
  Adam<float> adam({p});
  Tape tape;
  tape.backward(p, Var<float>(full<float>({3}, std::numeric_limits<float>::quiet_NaN())));
  adam.step();
  CHECK(std::isnan(adam.state().at("p.exp_avg")(0)));
  CHECK(std::isnan(adam.state().at("p.exp_avg_sq")(0)));
}
