// Seed 000: the GRU over columns with a linear readout, in its four corrected variants.
#include <fmt/format.h>

#include "optim/sgd.hpp"
#include "registry.hpp"
#include "seeds/literal.hpp"
#include "seeds/seed_layers.hpp"

namespace unroll::oracle {
namespace {

struct Sizes {
  std::size_t input, batch, steps, hidden, output;
};

struct Variant {
  GruReset reset;
  GruUpdate update;
};
const std::map<std::string, Variant> kVariants{{"before_keep", {GruReset::before, GruUpdate::z_keeps}},
                                               {"before_update", {GruReset::before, GruUpdate::z_updates}},
                                               {"after_keep", {GruReset::after, GruUpdate::z_keeps}},
                                               {"after_update", {GruReset::after, GruUpdate::z_updates}}};

// y = Wy h + by for every step of h (H,m,T).
Var<double> read_out(const Var<double>& h, const Var<double>& wy, const Var<double>& by) {
  return seeds::swap_columns_and_steps(linear(seeds::swap_columns_and_steps(h), wy, reshape(by, {-1})));
}

void check_variant(Fixture& fixture, Comparison& compare, const std::string& name, const Sizes& s,
                   Path path) {
  const Variant variant = kVariants.at(name);
  std::map<std::string, Var<double>> parameters, inputs;
  const auto param = [&](const std::string& key, const Shape& shape) -> const Var<double>& {
    want_shape(fixture, "params/" + key, shape);
    return parameters[key] = leaf(fixture, "params/" + key);
  };
  Tape tape;
  const auto gate = [&](const std::string& key) {
    return seeds::gate_from_columns(param("W" + key, {s.hidden, s.input}),
                                    param("U" + key, {s.hidden, s.hidden}), param("b" + key, {s.hidden, 1}));
  };
  seeds::GruGates gates{.z = gate("z"), .r = gate("r"), .h = gate("h")};
  if (variant.reset == GruReset::after)
    gates.candidate_state_bias = reshape(param("bhn", {s.hidden, 1}), {-1});
  const auto gru = seeds::make_gru(gates, variant.reset, variant.update, {.path = path});
  want_shape(fixture, "inputs/x", {s.input, s.batch, s.steps});
  want_shape(fixture, "inputs/h0", {s.hidden, s.batch});
  want_shape(fixture, "inputs/target", {s.output, s.batch, s.steps});
  const Var<double> x = inputs["x"] = leaf(fixture, "inputs/x");
  const Var<double> h0 = inputs["h0"] = leaf(fixture, "inputs/h0");
  const auto steps = gru(seeds::swap_columns_and_steps(x), {.states = {transpose(h0)}, .lengths = {}});
  const Var<double> h = seeds::swap_columns_and_steps(steps.output);
  const Var<double> y = read_out(h, param("Wy", {s.output, s.hidden}), param("by", {s.output, 1}));
  Var<double> loss = 0.5 * sum(square(y - Var<double>(fixture.tensor("inputs/target"))));
  if (has_upstream(fixture, "dh")) {
    want_shape(fixture, "cotangents/dh", h.shape());
    loss = loss + sum(Var<double>(fixture.tensor("cotangents/dh")) * h);
  }
  compare.equal("outputs/" + name + "/h", h);
  compare.equal("outputs/" + name + "/y", y);
  compare.equal("outputs/" + name + "/loss", loss);
  tape.backward(loss);
  std::vector<Var<double>> list;
  for (const auto* leaves : {&parameters, &inputs}) {
    for (const auto& [key, var] : *leaves) compare.equal("grads/" + name + "/" + key, gradient(var));
  }
  if (!fixture.has_option("lr")) return;
  for (const auto& [key, var] : parameters) list.push_back(var);
  Sgd<double> sgd(list, {.lr = fixture.get<double>("lr")});
  sgd.step();
  for (const auto& [key, var] : parameters) compare.equal("outputs/" + name + "/updated_" + key, var);
}

void check_gru(Fixture& fixture, Check& check) {
  const Sizes s{fixture.get<std::size_t>("D"), fixture.get<std::size_t>("m"), fixture.get<std::size_t>("T"),
                fixture.get<std::size_t>("H"), fixture.get<std::size_t>("O")};
  const auto& variants = fixture.option("variants");
  if (!variants.is_array() || variants.empty())
    throw FixtureError("config.variants: expected a list of names");
  for (const auto& variant : variants) {
    if (!variant.is_string() || kVariants.count(variant.get<std::string>()) == 0) {
      throw FixtureError(fmt::format("config.variants: {} is not known", variant.dump()));
    }
  }
  check.both_paths([&](Comparison& compare, Path path) {
    for (const auto& variant : variants) check_variant(fixture, compare, variant.get<std::string>(), s, path);
  });
  if (fixture.names("literal").empty()) return;
  check.only("literal", [&](Comparison& compare) {
    const auto param = [&](const char* name) { return fixture.tensor(std::string("params/") + name); };
    const Tensor<double> h = seeds::seed000_gru_forward(
        {param("Wz"), param("Uz"), param("bz"), param("Wh"), param("Uh"), param("bh")},
        fixture.tensor("inputs/x"), fixture.tensor("inputs/h0"));
    const std::string prefix = "literal/seed_forward_without_reset_gate/";
    compare.equal(prefix + "h", h);
    compare.equal(prefix + "y", read_out(Var<double>(h), Var<double>(param("Wy")), Var<double>(param("by"))));
  });
}

}  // namespace

void add_gru_system(Registry& registry) { registry["gru_columns"] = check_gru; }

}  // namespace unroll::oracle
