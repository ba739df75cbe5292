// Optimizers from a file's options, which have PyTorch's names.
#pragma once

#include <memory>
#include <vector>

#include "json_options.hpp"
#include "optim/optim.hpp"

namespace unroll::oracle {

using Vars = std::vector<Var<double>>;
using OptimizerPtr = std::unique_ptr<Optimizer<double>>;

template <class Options>
void read_betas(JsonOptions& json, Options& options) {
  if (!json.has("betas")) return;
  const auto& betas = json.at("betas");
  json.want("betas", betas.is_array() && betas.size() == 2 && betas[0].is_number() && betas[1].is_number(),
            "two numbers");
  options.beta1 = betas[0].get<double>();
  options.beta2 = betas[1].get<double>();
}

template <class Options>
Options read_options(JsonOptions& json) {
  Options options;
  json.read("lr", options.lr);
  json.read("weight_decay", options.weight_decay);
  if constexpr (requires { options.maximize; }) json.read("maximize", options.maximize);
  if constexpr (requires { options.eps; }) json.read("eps", options.eps);
  if constexpr (requires { options.momentum; }) json.read("momentum", options.momentum);
  if constexpr (requires { options.dampening; }) json.read("dampening", options.dampening);
  if constexpr (requires { options.nesterov; }) json.read("nesterov", options.nesterov);
  if constexpr (requires { options.beta1; }) read_betas(json, options);
  if constexpr (requires { options.amsgrad; }) json.read("amsgrad", options.amsgrad);
  if constexpr (requires { options.momentum_decay; }) json.read("momentum_decay", options.momentum_decay);
  if constexpr (requires { options.alpha; }) json.read("alpha", options.alpha);
  if constexpr (requires { options.centered; }) json.read("centered", options.centered);
  if constexpr (requires { options.rho; }) json.read("rho", options.rho);
  if constexpr (requires { options.lr_decay; }) json.read("lr_decay", options.lr_decay);
  if constexpr (requires { options.initial_accumulator_value; }) {
    json.read("initial_accumulator_value", options.initial_accumulator_value);
  }
  for (const char* key : {"foreach", "fused", "capturable", "differentiable"}) json.ignore(key);
  json.finish();
  return options;
}

template <template <class> class Kind, class Options>
OptimizerPtr make_optimizer_of(const std::vector<Vars>& groups, std::vector<JsonOptions>& options) {
  if (groups.size() ==
      1) {  // by the constructor for one group, which takes the options beside the parameters
    return std::make_unique<Kind<double>>(groups[0], read_options<Options>(options[0]));
  }
  std::vector<ParameterGroup<double, Options>> list;
  for (std::size_t i = 0; i < groups.size(); ++i)
    list.push_back({groups[i], read_options<Options>(options[i])});
  return std::make_unique<Kind<double>>(list);
}

// One set of options for each group. Throws FixtureError for an optimizer or an option that is not known.
inline OptimizerPtr make_optimizer(const std::string& kind, const std::vector<Vars>& groups,
                                   std::vector<JsonOptions> options) {
  if (kind == "sgd") return make_optimizer_of<Sgd, SgdOptions>(groups, options);
  if (kind == "adam") return make_optimizer_of<Adam, AdamOptions>(groups, options);
  if (kind == "adamw") return make_optimizer_of<AdamW, AdamWOptions>(groups, options);
  if (kind == "nadam") return make_optimizer_of<NAdam, NAdamOptions>(groups, options);
  if (kind == "rmsprop") return make_optimizer_of<RmsProp, RmsPropOptions>(groups, options);
  if (kind == "adagrad") return make_optimizer_of<Adagrad, AdagradOptions>(groups, options);
  if (kind == "adadelta") return make_optimizer_of<Adadelta, AdadeltaOptions>(groups, options);
  throw FixtureError(fmt::format("config.optimizer \"{}\" is not known", kind));
}

}  // namespace unroll::oracle
