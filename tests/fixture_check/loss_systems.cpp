// loss_cross_entropy, loss_bce_with_logits, loss_regression: several cases in one file.
#include <fmt/format.h>

#include "layers/losses.hpp"
#include "registry.hpp"

namespace unroll::oracle {
namespace {

using LossFunction = std::function<Var<double>(const Var<double>& x)>;

std::string reduction_of(Fixture& fixture, const std::string& name) {
  return fixture.get_or<std::string>(name + ".reduction", "mean");
}

Reduction read_reduction(Fixture& fixture, const std::string& name) {
  const std::string reduction = reduction_of(fixture, name);
  if (reduction == "mean") return Reduction::mean;
  if (reduction == "sum") return Reduction::sum;
  if (reduction == "none") return Reduction::none;
  throw FixtureError(
      fmt::format("config.{}.reduction: expected mean, sum or none, got \"{}\"", name, reduction));
}

Var<double> constant(Fixture& fixture, const std::string& name) { return Var<double>(fixture.tensor(name)); }

// An input of the case that an option switches on; without the option it is enough that the file has it.
bool has_input(Fixture& fixture, const std::string& name, const char* option, const char* array) {
  const std::string key = name + "." + option, path = "inputs/" + name + "/" + array;
  const bool on = fixture.get_or(key, fixture.has(path));
  if (on && !fixture.has(path)) throw FixtureError(path + " is missing");
  return on;
}

LossFunction cross_entropy_case(Fixture& fixture, const std::string& name) {
  const std::string inputs = "inputs/" + name + "/";
  CrossEntropyOptions options{.reduction = read_reduction(fixture, name)};
  options.label_smoothing = fixture.get_or(name + ".label_smoothing", 0.0);
  if (has_input(fixture, name, "weighted", "weight")) {
    options.class_weights = fixture.array(inputs + "weight").values;
  }
  if (fixture.has_option(name + ".ignore_index"))
    options.ignore_index = fixture.get<Index>(name + ".ignore_index");
  const auto kind = fixture.get<std::string>(name + ".target_kind");
  if (kind == "class index") {
    return [=, labels = fixture.array(inputs + "target").indices()](const Var<double>& x) {
      return cross_entropy(x, labels, options);
    };
  }
  if (kind == "class probabilities") {
    return [=, target = constant(fixture, inputs + "target")](const Var<double>& x) {
      return cross_entropy(x, target, options);
    };
  }
  throw FixtureError(fmt::format("config.{}.target_kind \"{}\" is not known", name, kind));
}

LossFunction bce_case(Fixture& fixture, const std::string& name) {
  const std::string inputs = "inputs/" + name + "/";
  BceOptions<double> options{.reduction = read_reduction(fixture, name)};
  const Var<double> target = constant(fixture, inputs + "target");
  if (has_input(fixture, name, "weighted", "weight")) options.weight = constant(fixture, inputs + "weight");
  if (has_input(fixture, name, "pos_weight", "pos_weight")) {
    options.pos_weight = constant(fixture, inputs + "pos_weight");
  }
  return [=](const Var<double>& x) { return bce_with_logits(x, target, options); };
}

LossFunction regression_case(Fixture& fixture, const std::string& name) {
  const auto kind = fixture.get<std::string>(name + ".kind");
  const Reduction reduction = read_reduction(fixture, name);
  const Var<double> target = constant(fixture, "inputs/" + name + "/target");
  if (kind == "mse") return [=](const Var<double>& x) { return mse_loss(x, target, reduction); };
  if (kind == "l1") return [=](const Var<double>& x) { return l1_loss(x, target, reduction); };
  if (kind == "huber") {
    return [=, delta = fixture.get_or(name + ".delta", 1.0)](const Var<double>& x) {
      return huber_loss(x, target, delta, reduction);
    };
  }
  if (kind == "smooth_l1") {
    return [=, beta = fixture.get_or(name + ".beta", 1.0)](const Var<double>& x) {
      return smooth_l1_loss(x, target, beta, reduction);
    };
  }
  throw FixtureError(fmt::format("config.{}.kind \"{}\" is not known", name, kind));
}

Handler loss_handler(LossFunction (*make)(Fixture&, const std::string&)) {
  return [make](Fixture& fixture, Check& check) {
    const std::vector<std::string> cases = fixture.cases();
    if (cases.empty()) throw FixtureError("config: expected one object per case");
    // The same gradient twice: by backward(), and by rules that are themselves recorded.
    for (const bool recorded : {false, true}) {
      check.path(recorded ? "tape, recorded gradients" : "tape", [&](Comparison& compare) {
        for (const std::string& name : cases) {
          const LossFunction loss_of = make(fixture, name);
          const Var<double> x = leaf(fixture, "inputs/" + name + "/x");
          Tape tape;
          const Var<double> loss = loss_of(x);
          compare.equal("outputs/" + name + "/loss", loss);
          Var<double> upstream(ones<double>(loss.shape()));
          if (reduction_of(fixture, name) == "none") {
            upstream = constant(fixture, "inputs/" + name + "/upstream");
          }
          if (recorded) {
            compare.equal("grads/" + name + "/x",
                          gradients<double>({loss}, {x}, {upstream}, /*create_graph=*/true)[0]);
          } else {
            tape.backward(loss, upstream);
            compare.equal("grads/" + name + "/x", gradient(x));
          }
        }
      });
    }
  };
}

}  // namespace

void add_loss_systems(Registry& registry) {
  registry["loss_cross_entropy"] = loss_handler(cross_entropy_case);
  registry["loss_bce_with_logits"] = loss_handler(bce_case);
  registry["loss_regression"] = loss_handler(regression_case);
}

}  // namespace unroll::oracle
