// Forecasts as a device would: a model is trained, frozen, primed with the past, then called for every value.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "examples/next_value/series.hpp"
#include "examples/support/cli.hpp"
#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "optim/optim.hpp"

namespace unroll::examples {
namespace {

constexpr std::size_t kWindow = 48, kBatch = 16;

struct Options {
  std::string data = std::string(UNROLL_EXAMPLE_DATA) + "/elnino_sst.csv";
  std::optional<Index> updates, hidden, repeat, seed;
};

// x_{t+1} = x_t + W h_t + b
struct Model {
  using Scalar = float;
  Lstm<float> lstm;
  Linear<float> head;
  static void each(auto& self, auto&& visit) {
    visit("lstm", self.lstm);
    visit("head", self.head);
  }
};

// What a device calls with every new value for a forecast of the next: it does not allocate, lock or throw.
class Forecaster {
 public:
  explicit Forecaster(Stream<float> stream) : stream_(std::move(stream)) {}
  float operator()(float value) noexcept { return value + stream_.step({&value, 1})[0]; }

 private:
  Stream<float> stream_;
};

// Learns from windows of the steps 0 .. last-1.
void train(const Model& model, const Tensor<float>& x, std::size_t last, Index updates, Rng& rng) {
  Adam<float> adam(parameters(model), {.lr = 5e-3});
  for (Index update = 0; update < updates && !Interrupt::requested(); ++update) {
    Tensor<float> in = empty<float>({kWindow, kBatch, 1}), change = empty<float>({kWindow, kBatch, 1});
    for (std::size_t b = 0; b < kBatch; ++b) {
      const auto first = static_cast<std::size_t>(rng.below(static_cast<Index>(last - kWindow)));
      for (std::size_t t = 0; t < kWindow; ++t) {
        in(t, b, 0) = x(first + t, 0, 0);
        change(t, b, 0) = x(first + t + 1, 0, 0) - x(first + t, 0, 0);
      }
    }
    Tape tape;
    tape.backward(mse_loss(model.head(model.lstm(Var<float>(in)).output), Var<float>(change)));
    clip_grad_norm(adam.parameters(), 1.0);
    adam.step();
  }
}

bool parse(int argc, const char* const* argv, Options& options) {
  CLI::App app(
      "Trains a small LSTM on monthly sea surface temperatures, freezes it and forecasts month by month, "
      "with "
      "the times of the calls.",
      "streaming");
  app.set_help_flag("-h,--help", "print this and leave");
  add_whole_number(app, "--updates", options.updates, "of the training (default 400)", 1, 1000000);
  add_whole_number(app, "--hidden", options.hidden, "hidden units (default 32)", 1, 8192);
  add_whole_number(app, "--repeat", options.repeat, "runs through the months (default 100)", 1, 10000);
  add_whole_number(app, "--seed", options.seed, "the same seed gives the same numbers (default 1)", 0, 9999);
  app.add_option("--data", options.data, "the file of temperatures; default: the shipped")->type_name("FILE");
  return parse_command_line(app, argc, argv);
}

int run(int argc, const char* const* argv) {
  Options options;
  if (!parse(argc, argv, options)) return 0;
  const auto series = next_value::load_elnino(options.data);
  const std::size_t known = series.train.last, now = series.tests[0].first, end = series.tests[0].last - 1;
  if (known <= kWindow || now >= end) {
    throw FileError(fmt::format("{}: want more than {} rows 'train' and 2 rows 'test' or more, got {} and {}",
                                options.data, kWindow, known, series.tests[0].size()));
  }
  double mean = 0.0, square = 0.0;
  for (std::size_t t = 0; t < known; ++t) {
    mean += series.values[t] / static_cast<double>(known);
    square += series.values[t] * series.values[t] / static_cast<double>(known);
  }
  const double deviation = std::sqrt(std::max(square - mean * mean, 1e-12));
  Tensor<float> x = empty<float>({series.size(), 1, 1});
  for (std::size_t t = 0; t < series.size(); ++t) {
    x(t, 0, 0) = static_cast<float>((series.values[t] - mean) / deviation);
  }

  Rng rng(static_cast<std::uint64_t>(options.seed.value_or(1)));
  Model model;
  model.lstm = {{.input = 1, .hidden = options.hidden.value_or(32)}, rng};
  model.head = {static_cast<Index>(model.lstm.output_size()), 1, rng};
  const Interrupt interrupt;
  train(model, x, known, options.updates.value_or(400), rng);

  // The sequence forward, for comparison; its first part primes the stream.
  const Var<float> whole(x);
  const auto past = model.lstm(slice(whole, 0, {0, static_cast<Index>(now)}));
  const Var<float> change = model.head(model.lstm(whole).output);
  Stream<float> primed = freeze(model.lstm, model.head);
  primed.set_states(past.states);

  std::vector<double> microseconds;
  double error = 0.0, persistence = 0.0, difference = 0.0;
  const auto part = [&](float e) { return std::pow(deviation * e, 2) / static_cast<double>(end - now); };
  for (Index round = 0; round < options.repeat.value_or(100); ++round) {
    Forecaster forecast(primed.clone());
    for (std::size_t t = now; t < end; ++t) {
      const float value = x(t, 0, 0), following = x(t + 1, 0, 0);
      const auto start = std::chrono::steady_clock::now();
      const float next = forecast(value);
      const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
      microseconds.push_back(taken.count());
      difference = std::max(difference, static_cast<double>(std::abs(next - (value + change.data()[t]))));
      error += round == 0 ? part(next - following) : 0.0;
      persistence += round == 0 ? part(value - following) : 0.0;
    }
  }
  std::sort(microseconds.begin(), microseconds.end());
  const auto percentile = [&](double p) {
    return microseconds[static_cast<std::size_t>(p * static_cast<double>(microseconds.size() - 1))];
  };
  fmt::print("{}, {}\n", series.name, series.label({"", now + 1, end + 1}));
  fmt::print("error one month ahead (RMSE)   {:.3f}, last value again {:.3f}\n", std::sqrt(error),
             std::sqrt(persistence));
  fmt::print("difference from the sequence   {:.1e} standard deviations at most\n", difference);
  fmt::print("a call takes                   p50 {:.2f} us, p99 {:.2f} us, at most {:.2f} us ({} calls)\n",
             percentile(0.5), percentile(0.99), microseconds.back(), microseconds.size());
  return Interrupt::requested() ? Interrupt::kExitStatus : 0;
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("streaming", [&] { return unroll::examples::run(argc, argv); });
}
