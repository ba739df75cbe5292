// optimizer_lstm_trajectory: an LSTM with a linear head, trained for some steps by one optimizer.
#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "layers/lstm.hpp"
#include "optimizer_options.hpp"
#include "registry.hpp"

namespace unroll::oracle {
namespace {

// 0 or null: no clipping.
double read_max_norm(Fixture& fixture) {
  return fixture.option("clip_max_norm").is_null() ? 0.0 : fixture.get<double>("clip_max_norm");
}

// The value of one parameter after every step (steps, its shape).
Tensor<double> over_steps(const std::vector<Tensor<double>>& values) {
  Vars vars;
  for (const Tensor<double>& value : values) vars.emplace_back(value);
  return stack(vars, 0).value();
}

void check_trajectory(Fixture& fixture, Check& check) {
  const auto kind = fixture.get<std::string>("optimizer");
  const nlohmann::json& hyper = fixture.option("hyper");
  const auto steps = fixture.get<std::size_t>("steps"), batch = fixture.get<std::size_t>("N"),
             length = fixture.get<std::size_t>("T"), input = fixture.get<std::size_t>("D"),
             hidden = fixture.get<std::size_t>("H"), output = fixture.get<std::size_t>("O");
  const double max_norm = read_max_norm(fixture);
  want_shape(fixture, "inputs/x", {batch, length, input});
  want_shape(fixture, "inputs/target", {batch, length, output});
  const Var<double> x(fixture.tensor("inputs/x")), target(fixture.tensor("inputs/target"));

  check.both_paths([&](Comparison& compare, Path path) {
    Rng rng(0);
    Lstm<double> lstm({.input = static_cast<Index>(input), .hidden = static_cast<Index>(hidden)},
                      {.batch_first = true, .path = path}, rng);
    Linear<double> head(static_cast<Index>(hidden), static_cast<Index>(output), rng);
    std::vector<std::string> names;
    Vars parameters;
    const auto load = [&](const std::string& name, auto& var) {
      want_shape(fixture, "params/" + name, var.shape());
      var = leaf(fixture, "params/" + name);
      names.push_back(name);
      parameters.push_back(var);
    };
    for_each_parameter(lstm, load, "lstm");
    for_each_parameter(head, load, "head");

    const OptimizerPtr optimizer = make_optimizer(kind, {parameters}, {{hyper, "config.hyper"}});
    Tensor<double> losses(Shape{steps}), norms(Shape{steps});
    std::vector<std::vector<Tensor<double>>> after(names.size());
    for (std::size_t step = 0; step < steps; ++step) {
      Tape tape;
      const Var<double> loss = mse_loss(head(lstm(x).output), target);
      losses.data()[step] = loss.item();
      tape.backward(loss);
      for (std::size_t i = 0; step == 0 && i < names.size(); ++i) {
        compare.equal("grads/first_step_unclipped/" + names[i], gradient(parameters[i]));
      }
      norms.data()[step] = max_norm > 0.0 ? clip_grad_norm(parameters, max_norm) : grad_norm(parameters);
      optimizer->step();
      for (std::size_t i = 0; i < names.size(); ++i) after[i].push_back(parameters[i].value());
    }
    compare.equal("outputs/loss_before_step", losses);
    compare.equal("outputs/grad_norm_before_clipping", norms);
    for (std::size_t i = 0; i < names.size(); ++i) {
      compare.equal("outputs/params_after_step/" + names[i], over_steps(after[i]));
    }
  });
}

}  // namespace

void add_optimizer_systems(Registry& registry) { registry["optimizer_lstm_trajectory"] = check_trajectory; }

}  // namespace unroll::oracle
