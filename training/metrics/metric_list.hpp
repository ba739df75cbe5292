// The metrics of a trainer: how each reads a batch, and all of them by name; named() renames one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "framework/errors.hpp"
#include "framework/var.hpp"
#include "training/metrics/metrics.hpp"
#include "training/trainer/train_options.hpp"

namespace unroll {

// A metric under another name and, optionally, with another update than training/metrics/metrics.hpp has:
//   named("top5", Accuracy({.top_k = 5}))
//   named("rmse", Rmse(), [](Rmse& m, const auto& result, const Batch& b) { m.update(..., ...); })
template <class M, class Update = std::nullptr_t>
struct Named {
  std::string name;
  M metric;
  Update update_with = {};

  std::string metric_name() const { return name; }
  double value() const { return metric.value(); }
  std::string state() const { return metric.state(); }
  void load_state(const std::string& state) { metric.load_state(state); }
};
template <class M>
Named<M> named(std::string name, M metric) {
  return {std::move(name), std::move(metric)};
}
template <class M, class Update>
Named<M, Update> named(std::string name, M metric, Update update) {
  return {std::move(name), std::move(metric), std::move(update)};
}

namespace detail {

template <class M>
inline constexpr bool is_named = false;
template <class M, class U>
inline constexpr bool is_named<Named<M, U>> = true;

template <class T>
decltype(auto) tensor_of(const T& value) {
  if constexpr (requires { value.value(); }) {
    return value.value();
  } else {
    return (value);
  }
}

template <class>
inline constexpr bool never = false;

// One batch's share of a metric.
template <class M, class Result, class Batch>
void update_metric(M& metric, const Result& result, const Batch& batch, double loss, double weight) {
  if constexpr (is_named<M>) {
    if constexpr (requires { metric.update_with(metric.metric, result, batch); }) {
      metric.update_with(metric.metric, result, batch);
    } else {
      update_metric(metric.metric, result, batch, loss, weight);
    }
  } else if constexpr (requires { metric.update(result, batch); }) {
    metric.update(result, batch);
  } else if constexpr (requires { metric.update(tensor_of(result.outputs), tensor_of(result.targets)); }) {
    metric.update(tensor_of(result.outputs), tensor_of(result.targets));
  } else if constexpr (requires { metric.update(loss, weight); }) {
    if (weight != 0.0) metric.update(loss, weight);
  } else {
    static_assert(
        never<M>,
        "this metric reads outputs and targets: the loss has to return LossOutput{loss, outputs, targets} "
        "with tensors that its update() takes");
  }
}

template <class M>
std::string metric_name(const M& metric) {
  if constexpr (is_named<M>) {
    return metric.metric_name();
  } else {
    return std::string(M::kName);
  }
}
template <class M>
constexpr Goal metric_goal() {
  if constexpr (is_named<M>) {
    return decltype(M::metric)::kGoal;
  } else {
    return M::kGoal;
  }
}

template <class... M>
class MetricList {
 public:
  explicit MetricList(M... metrics) : metrics_(std::move(metrics)...) {
    std::map<std::string, int> seen{{"loss", 1}};
    each(*this, [&](const auto& metric) {
      if (++seen[metric_name(metric)] == 1) return;
      throw ArgumentError("[Trainer] metrics: expected distinct names, got '" + metric_name(metric) +
                          "' twice (named(\"...\", metric) gives another)");
    });
  }

  template <class Result, class Batch>
  void update(const Result& result, const Batch& batch, double loss, double weight) {
    each(*this, [&](auto& metric) { update_metric(metric, result, batch, loss, weight); });
  }

  void append_values(Scores& scores) const {
    each(*this, [&](const auto& metric) { scores.push_back({metric_name(metric), metric.value()}); });
  }
  std::optional<Goal> goal(const std::string& name) const {
    std::optional<Goal> found;
    each(*this, [&]<class T>(const T& metric) {
      if (metric_name(metric) == name) found = metric_goal<T>();
    });
    return found;
  }

  std::map<std::string, std::string> states() const {
    std::map<std::string, std::string> states;
    each(*this, [&](const auto& metric) { states[metric_name(metric)] = metric.state(); });
    return states;
  }
  void load_states(const std::map<std::string, std::string>& states) {
    MetricList loaded = *this;
    each(loaded, [&](auto& metric) {
      const auto found = states.find(metric_name(metric));
      if (found == states.end()) {
        throw ArgumentError("[Trainer] metrics: expected a state of '" + metric_name(metric) + "', got none");
      }
      metric.load_state(found->second);
    });
    *this = std::move(loaded);
  }

 private:
  static void each(auto& self, auto&& f) {
    std::apply([&](auto&... metric) { (f(metric), ...); }, self.metrics_);
  }
  std::tuple<M...> metrics_;
};

}  // namespace detail
}  // namespace unroll
