// Forecasts like a device: trains a model, freezes it, primes it with the past, then calls it for every
// value.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "examples/support/cli.hpp"
#include "examples/support/tables.hpp"
#include "framework/quoted.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr Index kWindow = 48;

struct Options {
  std::string data = std::string(UNROLL_EXAMPLE_DATA) + "/elnino_sst.csv";
  std::optional<Index> updates, hidden, repeat, seed;
  GivenTable table;
};

// x_{t+1} = x_t + W h_t + b
struct Model {
  using Scalar = float;
  Lstm<float> lstm;
  Linear<float> head;

  Model(Index hidden, Rng& rng) : lstm({.input = 1, .hidden = hidden}, rng), head(hidden, 1, rng) {}
  // x (T,B,1) -> the next values (T,B,1)
  Var<float> operator()(const Var<float>& x) const { return x + head(lstm(x).output); }
  static void each(auto& self, auto&& visit) {
    visit("lstm", self.lstm);
    visit("head", self.head);
  }
};

// A device calls this with every new value for a forecast of the next: it does not allocate, lock or throw.
class Forecaster {
 public:
  explicit Forecaster(Stream<float> stream) : stream_(std::move(stream)) {}
  float operator()(float value) noexcept { return value + stream_.step({&value, 1})[0]; }

 private:
  Stream<float> stream_;
};

// Trains on windows of the values (N,1), drawn at random: all updates are one epoch.
TrainResult train(Model& model, const Tensor<float>& values, Index updates, std::uint64_t seed) {
  Batches<float> batches(windows(values, {.length = kWindow, .target = WindowTarget::every_step}),
                         {.batch_size = 16, .shuffle = true, .seed = seed, .num_samples = 16 * updates});
  Adam<float> adam(parameters(model), {.lr = 5e-3});
  const auto loss = [](const Model& m, const Batch<float>& batch) {
    return mse_loss(m(Var<float>(batch.values)), Var<float>(batch.targets));
  };
  return Trainer(model, adam, loss, {.clip_norm = 1.0, .progress = false}).fit(batches);
}

bool parse(int argc, const char* const* argv, Options& options) {
  CLI::App app(
      "Trains a small LSTM on monthly sea surface temperatures, freezes it and forecasts month by month, "
      "with the times of the calls.",
      "streaming");
  add_whole_number(app, "--updates", options.updates, "of the training (default 400)", 1, 100000);
  add_whole_number(app, "--hidden", options.hidden, "hidden units (default 32)", 1, 8192);
  add_whole_number(app, "--repeat", options.repeat, "runs through the months (default 100)", 1, 10000);
  add_whole_number(app, "--seed", options.seed, "the same seed gives the same numbers (default 1)", 0, 9999);
  app.add_option("--data", options.data, "file of temperatures (default: the shipped one)")
      ->type_name("FILE");
  add_table_options(app, options.table);
  return parse_command_line(app, argc, argv);
}

int run(int argc, const char* const* argv) {
  Options options;
  if (!parse(argc, argv, options)) return 0;
  const Series series = read_series(read_given(options.data, options.table), "sst");
  const SeriesPart tested = series.part("test");
  const Index known = series.part("train").last;
  if (known <= kWindow || tested.size() < 2) {
    throw FileError(
        fmt::format("{}: expected more than {} rows 'train' and at least 2 rows 'test', got {} and {}",
                    escaped(options.data), kWindow, series.part("train").size(), tested.size()));
  }
  const auto now = static_cast<std::size_t>(tested.first), end = static_cast<std::size_t>(tested.last - 1);
  const auto values = convert_tensor<float>(from_values<double>({series.values.size(), 1}, series.values));
  const auto first_rows = [](const Tensor<float>& x, Index n) { return slice(Var<float>(x), 0, {0, n}); };
  const auto standard = Standardizer<float>::fit(first_rows(values, known).value());
  const Tensor<float> x = standard.transform(values);

  const auto seed = static_cast<std::uint64_t>(options.seed.value_or(1));
  Rng rng(seed);
  Model model(options.hidden.value_or(32), rng);
  const Index updates = options.updates.value_or(400);
  if (train(model, first_rows(x, known).value(), updates, seed).interrupted()) return Interrupt::kExitStatus;

  // The sequence forward, for comparison; its first part primes the stream.
  const Var<float> forecasts = model(reshape(Var<float>(x), {-1, 1, 1}));
  const auto past = model.lstm(reshape(first_rows(x, static_cast<Index>(now)), {-1, 1, 1}));
  Stream<float> primed = freeze(model.lstm, model.head);
  primed.set_states(past.states);

  const double deviation = standard.scale()(0);
  std::vector<double> microseconds;
  double error = 0.0, persistence = 0.0, difference = 0.0;
  const auto part = [&](float e) { return std::pow(deviation * e, 2) / static_cast<double>(end - now); };
  for (Index round = 0; round < options.repeat.value_or(100); ++round) {
    Forecaster forecast(primed.clone());
    for (std::size_t t = now; t < end; ++t) {
      const float value = x(t, 0), following = x(t + 1, 0);
      const auto start = std::chrono::steady_clock::now();
      const float next = forecast(value);
      const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
      microseconds.push_back(taken.count());
      difference = std::max(difference, static_cast<double>(std::abs(next - forecasts.data()[t])));
      error += round == 0 ? part(next - following) : 0.0;
      persistence += round == 0 ? part(value - following) : 0.0;
    }
  }
  std::sort(microseconds.begin(), microseconds.end());
  const auto percentile = [&](double p) {
    return microseconds[static_cast<std::size_t>(p * static_cast<double>(microseconds.size() - 1))];
  };
  fmt::print("Sea surface temperature, degrees C, {}\n", series.label({"", tested.first + 1, tested.last}));
  fmt::print("error one month ahead (RMSE)   {:.3f}, last value again {:.3f}\n", std::sqrt(error),
             std::sqrt(persistence));
  fmt::print("difference from the sequence   {:.1e} standard deviations at most\n", difference);
  fmt::print("a call takes                   p50 {:.2f} us, p99 {:.2f} us, at most {:.2f} us ({} calls)\n",
             percentile(0.5), percentile(0.99), microseconds.back(), microseconds.size());
  return 0;
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("streaming", [&] { return unroll::examples::run(argc, argv); });
}
