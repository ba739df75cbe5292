#include "examples/next_value/forecaster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>

#include "examples/support/cells.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/progress.hpp"
#include "framework/errors.hpp"
#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "optim/adam.hpp"
#include "optim/clip.hpp"

namespace unroll::examples::next_value {

namespace {

// A recurrent layer whose outputs correct persistence.
template <class Layer>
struct Network {
  Layer recurrent;
  Linear<float> head;
  static void each(auto& self, auto&& visit) {
    visit("recurrent", self.recurrent);
    visit("head", self.head);
  }

  using States = unroll::States<typename Layer::State>;
  struct Result {
    Var<float> next;  // (T,B,1)
    States states;
  };
  // x (T,B,I), the value in column 0 -> the forecast of the value one step later.
  Result operator()(const Var<float>& x, const States& states = {}) const {
    auto [h, after] = recurrent(x, {.states = states});
    return {slice(x, -1, {0, 1}) + head(h), std::move(after)};
  }
};

// What the network reads at every step: the value, and where the season stands one step later.
class Features {
 public:
  Features(const Series& series, const Part& train) : period_(series.period) {
    const auto first = series.values.begin() + static_cast<std::ptrdiff_t>(train.first);
    const auto last = series.values.begin() + static_cast<std::ptrdiff_t>(train.last);
    const double n = static_cast<double>(train.size());
    mean_ = std::accumulate(first, last, 0.0) / n;
    const double variance =
        std::accumulate(first, last, 0.0,
                        [this](double sum, double v) { return sum + (v - mean_) * (v - mean_); }) /
        n;
    if (!(variance > 0.0 && std::isfinite(variance))) {
      throw ArgumentError(
          fmt::format("{}: want training values of a variance above 0, got {}", series.source, variance));
    }
    deviation_ = std::sqrt(variance);
  }

  std::size_t size() const noexcept { return period_ > 0 ? 3 : 1; }
  double deviation() const noexcept { return deviation_; }
  double standardize(double value) const noexcept { return (value - mean_) / deviation_; }
  double restore(double standardized) const noexcept { return mean_ + deviation_ * standardized; }
  // Writes the features of step i, whose value is given.
  void write(float* to, std::size_t i, double standardized) const {
    to[0] = static_cast<float>(standardized);
    if (period_ == 0) return;
    const double angle =
        2.0 * std::numbers::pi * static_cast<double>((i + 1) % period_) / static_cast<double>(period_);
    to[1] = static_cast<float>(std::sin(angle));
    to[2] = static_cast<float>(std::cos(angle));
  }

 private:
  std::size_t period_;
  double mean_, deviation_;
};

struct Batch {
  Tensor<float> x;  // (T,B,I)
  Tensor<float> y;  // (T,B,1)
};

// Windows of the training part that begin at random steps.
Batch random_windows(const Series& series, const Features& features, const Recipe& recipe, Rng& rng) {
  const Part& train = series.train;
  const std::size_t width = features.size(), steps = recipe.window;
  Batch batch{empty<float>({steps, recipe.batch, width}), empty<float>({steps, recipe.batch, 1})};
  for (std::size_t b = 0; b < recipe.batch; ++b) {
    const std::size_t start =
        train.first + static_cast<std::size_t>(rng.below(static_cast<Index>(train.size() - steps)));
    for (std::size_t t = 0; t < steps; ++t) {
      const std::size_t i = start + t;
      const double noise = recipe.noise > 0.0 ? rng.normal(0.0, recipe.noise) : 0.0;
      features.write(batch.x.data() + (t * recipe.batch + b) * width, i,
                     features.standardize(series.values[i]) + noise);
      batch.y(t, b, 0) = static_cast<float>(features.standardize(series.values[i + 1]));
    }
  }
  return batch;
}

// Mean squared error of the steps after the warm-up.
Var<float> window_loss(const Var<float>& prediction, const Var<float>& target, std::size_t warmup) {
  const Range scored{static_cast<Index>(warmup), std::nullopt};
  return mse_loss(slice(prediction, 0, scored), slice(target, 0, scored));
}

// One pass over values 0 .. count-1: element i is the forecast of value i. Leaves the state after the last
// one.
template <class Layer>
OneStep one_pass(const Network<Layer>& network, const Series& series, const Features& features,
                 std::size_t count, typename Network<Layer>::States& states) {
  Tensor<float> x(Shape{count, 1, features.size()});
  for (std::size_t i = 0; i < count; ++i) {
    features.write(x.data() + i * features.size(), i, features.standardize(series.values[i]));
  }
  auto result = network(Var<float>(std::move(x)));
  states = std::move(result.states);
  // Element i of the output is the forecast of value i + 1.
  OneStep forecast{std::numeric_limits<double>::quiet_NaN()};
  for (std::size_t i = 0; i < count; ++i) {
    forecast.push_back(features.restore(static_cast<double>(result.next.data()[i])));
  }
  return forecast;
}

// Closed loop: every forecast is the next input.
template <class Layer>
std::vector<double> forecast_ahead(const Network<Layer>& network, const Features& features, std::size_t end,
                                   double first, typename Network<Layer>::States states,
                                   std::size_t horizon) {
  std::vector<double> ahead{first};
  while (ahead.size() < horizon) {
    Tensor<float> x(Shape{1, 1, features.size()});
    features.write(x.data(), end + ahead.size() - 1, features.standardize(ahead.back()));
    auto result = network(Var<float>(std::move(x)), states);
    states = std::move(result.states);
    ahead.push_back(features.restore(static_cast<double>(result.next.item())));
  }
  return ahead;
}

template <class Layer>
Outcome run(const Series& series, const Recipe& recipe, std::size_t horizon, const Observer& observer) {
  Rng rng(recipe.seed);
  const Features features(series, series.train);
  Network<Layer> network{Layer({.input = static_cast<Index>(features.size()), .hidden = recipe.hidden}, rng),
                         Linear<float>(recipe.hidden, 1, rng)};
  Adam<float> adam(parameters(network), {.lr = recipe.lr, .weight_decay = recipe.weight_decay});
  Outcome outcome;
  typename Network<Layer>::States states;
  if (observer.on_start) observer.on_start(summary(network));

  const Interrupt interrupt;
  Progress progress(static_cast<std::size_t>(recipe.epochs * recipe.updates));
  std::optional<Network<Layer>> best;
  double best_rmse = std::numeric_limits<double>::infinity();
  for (Index epoch = 1; epoch <= recipe.epochs; ++epoch) {
    double loss_sum = 0.0;
    for (Index update = 0; update < recipe.updates; ++update) {
      const Batch batch = random_windows(series, features, recipe, rng);
      Tape tape;
      const auto loss = window_loss(network(batch.x).next, batch.y, recipe.warmup);
      tape.backward(loss);
      clip_grad_norm(adam.parameters(), recipe.clip);
      adam.step();
      loss_sum += static_cast<double>(loss.item());
      progress.update(static_cast<std::size_t>((epoch - 1) * recipe.updates + update + 1),
                      fmt::format("epoch {}/{}", epoch, recipe.epochs), static_cast<double>(loss.item()));
    }
    EpochReport report{epoch, loss_sum / static_cast<double>(recipe.updates), std::nan("")};
    if (series.valid.size() > 0) {
      report.valid_rmse =
          rmse(series, one_pass(network, series, features, series.valid.last - 1, states), series.valid);
      if (report.valid_rmse < best_rmse) {
        report.best = true;
        best_rmse = report.valid_rmse;
        best = clone(network);
        outcome.best_epoch = epoch;
      }
    }
    outcome.history.push_back(report);
    progress.clear();
    if (observer.on_epoch) observer.on_epoch(report);
    if (Interrupt::requested()) break;
  }
  if (best) network = std::move(*best);
  if (outcome.best_epoch == 0) outcome.best_epoch = outcome.history.back().epoch;

  outcome.one_step = one_pass(network, series, features, series.size(), states);
  const double first = outcome.one_step.back();
  outcome.one_step.pop_back();
  outcome.ahead = forecast_ahead(network, features, series.size(), first, std::move(states), horizon);
  return outcome;
}

}  // namespace

Outcome train_and_forecast(const Series& series, const Recipe& recipe, std::size_t horizon,
                           const Observer& observer) {
  if (horizon < 1 || recipe.epochs < 1 || recipe.updates < 1 || recipe.batch < 1) {
    throw ArgumentError("[next_value] want horizon, epochs, updates and batch >= 1");
  }
  if (recipe.warmup >= recipe.window || recipe.window >= series.train.size()) {
    throw ArgumentError(
        fmt::format("{}: want windows longer than the warm-up of {} steps and shorter than the training "
                    "part of {} values, got {}",
                    series.source, recipe.warmup, series.train.size(), recipe.window));
  }
  return with_layer(recipe.cell,
                    [&]<class Layer>() { return run<Layer>(series, recipe, horizon, observer); });
}

}  // namespace unroll::examples::next_value
