// Seed 000: the scalar RNN that predicts the next value, its three trainings.
#include <fmt/format.h>

#include "layers/losses.hpp"
#include "optim/sgd.hpp"
#include "registry.hpp"
#include "seeds/literal.hpp"
#include "seeds/seed_layers.hpp"

namespace unroll::oracle {
namespace {

constexpr const char* kNames[] = {"wx", "wh", "bh", "Wy", "by"};
using Leaves = std::map<std::string, Var<double>>;

Leaves read_parameters(Fixture& fixture) {
  Leaves leaves;
  for (const char* name : kNames) {
    want_shape(fixture, std::string("params/") + name, {});
    leaves[name] = leaf(fixture, std::string("params/") + name);
  }
  return leaves;
}

struct Run {
  Var<double> h, y;  // (T)
};

// x (T), h0 scalar: an RNN layer of one input and one unit, and a linear readout.
Run run(const Leaves& p, const Var<double>& x, const Var<double>& h0, Path path) {
  const auto rnn = seeds::make_rnn(
      {reshape(p.at("wx"), {1, 1}), reshape(p.at("wh"), {1, 1}), reshape(p.at("bh"), {1})}, {.path = path});
  const auto result = rnn(reshape(x, {-1, 1, 1}), {.states = {reshape(h0, {1, 1})}, .lengths = {}});
  const Var<double> h = reshape(result.output, {-1});
  return {h, h * p.at("Wy") + p.at("by")};
}

// scale * mean (y - target)^2, after every epoch one p -= lr dp.
Tensor<double> train(const Leaves& p, const Var<double>& x, const Var<double>& target, const Var<double>& h0,
                     Path path, double lr, std::size_t epochs, double gradient_scale) {
  std::vector<Var<double>> list;
  for (const char* name : kNames) list.push_back(p.at(name));
  Sgd<double> sgd(list, {.lr = lr});
  Tensor<double> losses(Shape{epochs});
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    Tape tape;
    const Var<double> loss = 0.5 * mse_loss(run(p, x, h0, path).y, target);
    losses.data()[epoch] = loss.item();
    tape.backward(gradient_scale * loss);
    sgd.step();
  }
  return losses;
}

void check_scalar_rnn(Fixture& fixture, Check& check) {
  const auto steps = fixture.get<std::size_t>("T"), epochs = fixture.get<std::size_t>("epochs");
  const auto lr = fixture.get<double>("lr");
  if (steps == 0) throw FixtureError("config.T: expected at least 1");
  want_shape(fixture, "inputs/seq", {steps + 1});
  want_shape(fixture, "inputs/h0", {});
  const Var<double> sequence(fixture.tensor("inputs/seq"));
  const Var<double> inputs = slice(sequence, 0, {0, -1}), target = slice(sequence, 0, {1, std::nullopt});

  check.both_paths([&](Comparison& compare, Path path) {
    const Var<double> h0 = leaf(fixture, "inputs/h0");
    {
      Leaves leaves = read_parameters(fixture);
      const Var<double> x = leaves["x"] = parameter(inputs.value());
      leaves["h0"] = h0;
      Tape tape;
      const Run result = run(leaves, x, h0, path);
      const Var<double> loss = 0.5 * mse_loss(result.y, target);
      compare.equal("outputs/h", result.h);
      compare.equal("outputs/y", result.y);
      compare.equal("outputs/loss", loss);
      tape.backward(loss);
      for (const auto& [name, var] : leaves) compare.equal("grads/" + name, gradient(var));
    }
    // The seed's gradient is that of the sum; the loss is the mean.
    const std::pair<const char*, double> trainings[] = {{"correct", 1.0},
                                                        {"sum_gradient", static_cast<double>(steps)}};
    for (const auto& [name, scale] : trainings) {
      const Leaves p = read_parameters(fixture);
      const std::string prefix = std::string("outputs/") + name;
      compare.equal(prefix + "_loss_per_epoch",
                    train(p, inputs, target, h0.detach(), path, lr, epochs, scale));
      for (const auto& [parameter_name, var] : p) compare.equal(prefix + "_final_" + parameter_name, var);
    }
  });

  check.only("literal", [&](Comparison& compare) {
    const auto value = [&](const char* name) {
      return fixture.array(std::string("params/") + name).values[0];
    };
    seeds::ScalarRnn p{value("wx"), value("wh"), value("bh"), value("Wy"), value("by")};
    const std::vector<double> losses = seeds::seed000_train(p, fixture.array("inputs/seq").values,
                                                            fixture.array("inputs/h0").values[0], lr, epochs);
    compare.equal("outputs/literal_loss_per_epoch", from_values<double>({epochs}, losses));
    const std::pair<const char*, double> finals[] = {
        {"wx", p.wx}, {"wh", p.wh}, {"bh", p.bh}, {"Wy", p.wy}, {"by", p.by}};
    for (const auto& [name, v] : finals) {
      compare.equal(std::string("outputs/literal_final_") + name, full<double>({}, v));
    }
    Printed printed;
    for (std::size_t epoch = 0; epoch < epochs; epoch += 50) {
      printed[fmt::format("epoch {} loss", epoch)] = full<double>({}, losses[epoch]);
    }
    compare.published(printed);
  });
}

}  // namespace

void add_scalar_system(Registry& registry) { registry["scalar_rnn"] = check_scalar_rnn; }

}  // namespace unroll::oracle
