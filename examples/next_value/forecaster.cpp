#include "examples/next_value/forecaster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "examples/support/cells.hpp"
#include "framework/errors.hpp"
#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "optim/adam.hpp"
#include "training/data/standardizer.hpp"
#include "training/trainer.hpp"

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
  Features(const Series& series, const Part& train) : period_(series.period), standard_(fit(series, train)) {}

  std::size_t size() const noexcept { return period_ > 0 ? 3 : 1; }
  double deviation() const noexcept { return standard_.scale()(0); }
  double standardize(double value) const noexcept { return (value - standard_.mean()(0)) / deviation(); }
  double restore(double standardized) const noexcept {
    return standard_.mean()(0) + deviation() * standardized;
  }
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
  static Standardizer<double> fit(const Series& series, const Part& train) {
    const auto begin = series.values.begin();
    Tensor<double> values(Shape{train.size(), 1});
    std::copy(begin + static_cast<std::ptrdiff_t>(train.first),
              begin + static_cast<std::ptrdiff_t>(train.last), values.data());
    if (std::all_of(values.data(), values.data() + values.size(),
                    [&](double v) { return v == values(0, 0); }))
      throw ArgumentError(
          fmt::format("{}: want training values that differ, got {}", series.source, values(0, 0)));
    return Standardizer<double>::fit(values);
  }

  std::size_t period_;
  Standardizer<double> standard_;
};

struct Window {
  Tensor<float> x;  // (T,B,I)
  Tensor<float> y;  // (T,B,1)
  Index unscored;   // first steps, without loss
  std::size_t size() const { return x.shape()[1]; }
};

// Windows of the training part that begin at random steps; a function of seed, epoch and number.
struct RandomWindows {
  const Series& series;
  const Features& features;
  const Recipe& recipe;
  std::int64_t epoch = 1;

  std::size_t size() const { return static_cast<std::size_t>(recipe.updates); }
  void start_epoch(std::int64_t e) { epoch = e; }
  Window batch(std::size_t i) const {
    Rng rng(recipe.seed * 1000003 + static_cast<std::uint64_t>(epoch) * size() + i);
    const Part& train = series.train;
    const std::size_t width = features.size(), steps = recipe.window;
    Window batch{empty<float>({steps, recipe.batch, width}), empty<float>({steps, recipe.batch, 1}),
                 static_cast<Index>(recipe.warmup)};
    for (std::size_t b = 0; b < recipe.batch; ++b) {
      const std::size_t start =
          train.first + static_cast<std::size_t>(rng.below(static_cast<Index>(train.size() - steps)));
      for (std::size_t t = 0; t < steps; ++t) {
        const double noise = recipe.noise > 0.0 ? rng.normal(0.0, recipe.noise) : 0.0;
        features.write(batch.x.data() + (t * recipe.batch + b) * width, start + t,
                       features.standardize(series.values[start + t]) + noise);
        batch.y(t, b, 0) = static_cast<float>(features.standardize(series.values[start + t + 1]));
      }
    }
    return batch;
  }
};

// The validation part, read from the beginning of the series on.
struct ValidationWindow {
  const Series& series;
  const Features& features;

  std::size_t size() const { return 1; }
  void start_epoch(std::int64_t) {}
  Window batch(std::size_t) const {
    const std::size_t count = series.valid.last - 1;
    Window batch{empty<float>({count, 1, features.size()}), empty<float>({count, 1, 1}),
                 static_cast<Index>(series.valid.first - 1)};
    for (std::size_t i = 0; i < count; ++i) {
      features.write(batch.x.data() + i * features.size(), i, features.standardize(series.values[i]));
      batch.y(i, 0, 0) = static_cast<float>(features.standardize(series.values[i + 1]));
    }
    return batch;
  }
};

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

  const auto loss = [](Network<Layer>& model, const Window& batch) {
    const Range scored{batch.unscored, std::nullopt};
    return mse_loss(slice(model(Var<float>(batch.x)).next, 0, scored), slice(Var<float>(batch.y), 0, scored));
  };
  const bool validated = series.valid.size() > 0;
  Trainer trainer(network, adam, loss,
                  {.epochs = recipe.epochs,
                   .clip_norm = recipe.clip,
                   .restore_best = validated,
                   .progress = observer.progress});
  const RandomWindows windows{series, features, recipe};
  const TrainResult result = validated
                                 ? trainer.fit(RandomWindows(windows), ValidationWindow{series, features})
                                 : trainer.fit(RandomWindows(windows));
  if (validated) trainer.restore_best();  // after Ctrl-C, too
  for (const unroll::EpochReport& epoch : result.history) {
    outcome.history.push_back(
        {epoch.epoch, score(epoch.train, "loss"),
         validated ? features.deviation() * std::sqrt(score(epoch.valid, "loss")) : std::nan(""),
         epoch.best});
  }
  outcome.best_epoch = validated ? result.best_epoch : static_cast<Index>(result.history.size());

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
