// What all optimizers share: missing gradients, tied parameters, options, saved state.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "tests/optim/gradients.hpp"
#include "tests/optim/optimizer_table.hpp"

using namespace unroll;
using namespace optimizer_table;

TEST_CASE("a parameter without a gradient stays, with its state, and does not age") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(21);
    const auto optimizer = r.make(parameters);
    const auto alone = two_parameters<double>(21);
    const auto optimizer_alone = r.make({alone[1]});
    Rng rng(4);
    for (int t = 0; t < 4; ++t) {
      Tape tape;
      const Tensor<double> before = parameters[1].value();
      const auto g = random_normal<double>({2, 3}, 0.0, 1.0, rng);
      set_gradient(tape, parameters[0], random_normal<double>({19}, 0.0, 1.0, rng));
      if (t % 2 == 1) {
        set_gradient(tape, parameters[1], g);
        set_gradient(tape, alone[1], g);
        optimizer_alone->step();
      }
      optimizer->step();
      if (t % 2 == 0) CHECK(same_bits(parameters[1].value(), before));
    }
    // the two updates that it had are the first two of an optimizer of its own
    CHECK(same_bits(parameters[1].value(), alone[1].value()));
    CHECK(optimizer->step_count() == 4);
  }
}

TEST_CASE("a step without any gradient says where it belongs") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(1);
    const auto optimizer = r.make(parameters);
    CHECK_THROWS_AS(optimizer->step(), TapeError);
    {
      Tape tape;
      set_gradient(tape, parameters[0], ones<double>({19}));
    }
    CHECK_THROWS_WITH(optimizer->step(),
                      Catch::Contains("none for any of 2") && Catch::Contains("inside the tape's scope"));
    CHECK(optimizer->step_count() == 0);
  }
}

TEST_CASE("a tied parameter is updated once") {
  const Var<double> p = parameter(Tensor<double>{1.0, 2.0});
  Sgd<double> sgd({p, p}, {.lr = 0.5});
  CHECK(sgd.parameters().size() == 1);
  Tape tape;
  set_gradient(tape, p, Tensor<double>{1.0, 1.0});
  sgd.step();
  CHECK(p.value() == Tensor<double>{0.5, 1.5});
}

TEST_CASE("a tape refuses to go backward after a step has changed what it recorded") {
  const Var<double> p = parameter(Tensor<double>{1.0, 2.0}, "weight");
  Sgd<double> sgd({p}, {.lr = 0.5});
  Tape tape;
  const auto loss = square(p);
  tape.backward(loss, Var<double>(ones<double>({2})));
  sgd.step();
  CHECK_THROWS_WITH(tape.backward(loss, Var<double>(ones<double>({2}))), Catch::Contains("'weight'"));
}

TEST_CASE("optimizers refuse what is not a list of parameters") {
  CHECK_THROWS_WITH(Adam<double>(std::vector<Var<double>>()),
                    Catch::Contains("[Adam]") && Catch::Contains("at least one"));
  CHECK_THROWS_WITH(Adam<double>({Var<double>()}), Catch::Contains("an empty handle at position 0"));
  const Var<double> p = parameter(ones<double>({1}));
  CHECK_THROWS_WITH(Sgd<double>({p, Var<double>(ones<double>({1}))}),
                    Catch::Contains("a constant at position 1"));
}

TEST_CASE("a parameter that has changed its shape is refused before anything changes") {
  auto parameters = two_parameters<double>(2);
  Adam<double> adam(parameters);
  parameters[1].mutable_value() = zeros<double>({3, 2});
  Tape tape;
  set_gradient(tape, parameters[0], ones<double>({19}));
  set_gradient(tape, parameters[1], ones<double>({3, 2}));
  const Tensor<double> before = parameters[0].value();
  CHECK_THROWS_AS(adam.step(), ShapeError);
  CHECK_THROWS_WITH(adam.step(),
                    Catch::Contains("'b'") && Catch::Contains("(2,3)") && Catch::Contains("(3,2)"));
  CHECK(parameters[0].value() == before);
}

TEST_CASE("optimizers refuse options out of range") {
  const std::vector<Var<double>> p{parameter(ones<double>({1}))};
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const double bad : {-1.0, nan, inf}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Sgd<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Sgd<double>(p, {.momentum = bad}), ArgumentError);
    CHECK_THROWS_AS(Sgd<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.beta1 = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.beta2 = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(AdamW<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(AdamW<double>(p, {.beta1 = bad}), ArgumentError);
    CHECK_THROWS_AS(AdamW<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.alpha = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.momentum = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.lr_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.initial_accumulator_value = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(Adadelta<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Adadelta<double>(p, {.rho = bad}), ArgumentError);
    CHECK_THROWS_AS(Adadelta<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(Adadelta<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(NAdam<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(NAdam<double>(p, {.beta1 = bad}), ArgumentError);
    CHECK_THROWS_AS(NAdam<double>(p, {.beta2 = bad}), ArgumentError);
    CHECK_THROWS_AS(NAdam<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(NAdam<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(NAdam<double>(p, {.momentum_decay = bad}), ArgumentError);
  }
  CHECK_THROWS_WITH(Adam<double>(p, {.beta2 = 1.0}),
                    Catch::Contains("[Adam] beta2: expected a number in [0, 1), got 1"));
  CHECK_THROWS_WITH(Adadelta<double>(p, {.rho = 1.5}),
                    Catch::Contains("[Adadelta] rho: expected a number in [0, 1], got 1.5"));
  CHECK_NOTHROW(Adadelta<double>(p, {.rho = 1.0}));
  CHECK_THROWS_AS(Sgd<double>(p, {.dampening = 1.5}), ArgumentError);
  CHECK_THROWS_WITH(Sgd<double>(p, {.nesterov = true}), Catch::Contains("nesterov"));
  CHECK_THROWS_AS(Sgd<double>(p, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}), ArgumentError);
  Adam<double> adam(p, {.lr = 0.1});
  CHECK_THROWS_AS(adam.set_lr(-0.1), ArgumentError);
  CHECK(adam.lr() == 0.1);
}

TEST_CASE("options can change between steps, but not what is kept") {
  const Var<double> p = parameter(ones<double>({1}));
  Sgd<double> sgd({p}, {.lr = 0.5, .momentum = 0.5});
  sgd.set_lr(0.25);
  CHECK(sgd.options().lr == 0.25);
  SgdOptions options = sgd.options();
  options.momentum = 0.75;
  sgd.set_options(options);
  CHECK(sgd.options().momentum == 0.75);
  options.momentum = 0.0;
  CHECK_THROWS_WITH(sgd.set_options(options), Catch::Contains("[Sgd.set_options]"));
  CHECK(sgd.options().momentum == 0.75);
  for (int t = 0; t < 2; ++t) {  // 1 - 0.25 = 0.75, then b = 0.75 + 1
    Tape tape;
    set_gradient(tape, p, ones<double>({1}));
    sgd.step();
  }
  CHECK(p.value()(0) == 0.75 - 0.25 * 1.75);
}

TEST_CASE("training goes on bit for bit from a saved state") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(31);
    const auto copies = two_parameters<double>(31);
    const auto first = r.make(parameters);
    const auto second = r.make(copies);
    Rng rng(17);
    for (int t = 0; t < 6; ++t) {
      if (t == 3) {
        for (std::size_t k = 0; k < copies.size(); ++k) {
          Var<double> copy = copies[k];
          copy.mutable_value() = parameters[k].value();
        }
        second->load_state(first->state());
        CHECK(second->step_count() == 3);
      }
      Tape tape;
      for (std::size_t k = 0; k < parameters.size(); ++k) {
        const auto g = random_normal<double>(parameters[k].shape(), 0.0, 1.0, rng);
        set_gradient(tape, parameters[k], g);
        if (t >= 3) set_gradient(tape, copies[k], g);
      }
      first->step();
      if (t >= 3) second->step();
    }
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      CHECK(same_bits(parameters[k].value(), copies[k].value()));
    }
  }
}

TEST_CASE("a saved state has names and is checked when it is loaded") {
  const Var<double> w = parameter(zeros<double>({2, 3}), "lstm.weight"), b = parameter(zeros<double>({2})),
                    c = parameter(zeros<double>({4}), "lstm.weight");
  Adam<double> adam({w, b, c});
  const auto state = adam.state();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  CHECK(names == std::vector<std::string>{"#1.exp_avg", "#1.exp_avg_sq", "#1.step", "lstm.weight#2.exp_avg",
                                          "lstm.weight#2.exp_avg_sq", "lstm.weight#2.step",
                                          "lstm.weight.exp_avg", "lstm.weight.exp_avg_sq", "lstm.weight.step",
                                          "step_count"});
  CHECK(state.at("lstm.weight.exp_avg").shape() == Shape{2, 3});

  auto broken = state;
  broken.erase("#1.exp_avg");
  CHECK_THROWS_WITH(adam.load_state(broken), Catch::Contains("'#1.exp_avg'"));
  broken = state;
  broken["head.bias.exp_avg"] = zeros<double>({1});
  CHECK_THROWS_WITH(adam.load_state(broken), Catch::Contains("'head.bias.exp_avg'"));
  broken = state;
  broken["lstm.weight.exp_avg"] = zeros<double>({3, 2});
  CHECK_THROWS_AS(adam.load_state(broken), ShapeError);
  for (const double bad : {-1.0, 0.5, std::numeric_limits<double>::quiet_NaN()}) {
    broken = state;
    broken["lstm.weight.step"] = Tensor<double>(bad);
    CHECK_THROWS_AS(adam.load_state(broken), ArgumentError);
  }
}

TEST_CASE("a centered RmsProp survives a variance that rounding makes negative") {
  // Constant gradients: the mean square and the squared mean become equal, but for their last bits.
  const Var<float> p = parameter(ones<float>({64}));
  RmsProp<float> optimizer({p}, {.lr = 1e-6, .alpha = 0.5, .centered = true});
  Tensor<float> g(Shape{64});
  for (std::size_t i = 0; i < 64; ++i) g(i) = 0.1F + 0.013F * static_cast<float>(i);
  for (int t = 0; t < 100; ++t) {
    Tape tape;
    set_gradient(tape, p, g);
    optimizer.step();
  }
  for (const float value : p.value()) CHECK(std::isfinite(value));
}

namespace {

// A user's own optimizer: a struct of options and one function.
struct SignOptions {
  static constexpr const char* kName = "SignDescent";
  double lr = 0.1;
  void check() const { require_at_least(kName, "lr", lr, 0.0); }
  std::vector<StateInfo> state() const { return {}; }
};
class SignDescent final : public ConfiguredOptimizer<double, SignOptions> {
 public:
  using ConfiguredOptimizer<double, SignOptions>::ConfiguredOptimizer;

 private:
  void update(const SignOptions& options, const ParameterUpdate<double>& u) override {
    for (std::size_t i = 0; i < u.value.size(); ++i)
      u.value[i] -= options.lr * (u.gradient[i] > 0.0 ? 1.0 : -1.0);
  }
};

}  // namespace

TEST_CASE("a user writes an optimizer as one function") {
  const Var<double> p = parameter(Tensor<double>{1.0, -1.0});
  SignDescent optimizer({p}, {.lr = 0.25});
  Tape tape;
  set_gradient(tape, p, Tensor<double>{7.0, -7.0});
  optimizer.step();
  CHECK(p.value() == Tensor<double>{0.75, -0.75});
}
