// A model of an amplifier or an effect, learned from a dry and a wet recording.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deploy/export_c.hpp"
#include "deploy/nam.hpp"
#include "deploy/rtneural.hpp"
#include "examples/amp_model/circuit.hpp"
#include "examples/support/cli.hpp"
#include "framework/quoted.hpp"
#include "training/audio/streamed_esr_loss.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr const char* kDescription =
    "Learns what an amplifier or an effect does from a dry and a wet recording (WAV), and writes the model "
    "as\n"
    "NAME.nam, NAME.json (RTNeural), NAME.safetensors and NAME.c. Without recordings it makes a pair: "
    "played\n"
    "strings and the circuit of an overdrive pedal.\n\n"
    "  amp_model --dry dry.wav --wet wet.wav --name my_amp --plot my_amp.png";

struct Options {
  std::string dry, wet, name = "amp", plot;
  std::uint64_t seed = 1;
  std::optional<Index> hidden, epochs;
  std::optional<double> lr;
};

bool parse(int argc, const char* const* argv, Options& o) {
  CLI::App app(kDescription, "amp_model");
  CLI::Option* dry = app.add_option("--dry", o.dry, "what went into the amplifier")->type_name("WAV");
  CLI::Option* wet = app.add_option("--wet", o.wet, "what came out, as long")->type_name("WAV");
  dry->needs(wet);
  wet->needs(dry);
  app.add_option("--name", o.name, "begins the names of all files")->capture_default_str();
  app.add_option("--plot", o.plot, "a picture of waveforms and of the ratio per epoch")->type_name("PNG");
  app.add_option("--seed", o.seed, "of the initial weights")->capture_default_str();
  add_whole_number(app, "--hidden", o.hidden, "units of the LSTM (default 16)", 1, 1024);
  add_whole_number(app, "--epochs", o.epochs, "passes over the recording (default 60)", 1, 1000000);
  add_number_above(app, "--lr", o.lr, "learning rate of Adam (default 0.008)", 0.0, 1.0);
  return parse_command_line(app, argc, argv);
}

struct Model : MoveOnly {
  using Scalar = float;
  Lstm<float> layer;
  Linear<float> head;
  Model(Index hidden, Rng& rng)
      : layer({.input = 1, .hidden = hidden, .forget_bias = 1.0}, rng), head(hidden, 1, rng) {}
  Var<float> operator()(const Var<float>& x) const { return head(layer(x).output); }
  static void each(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

struct Pair {
  Recording<float> dry, wet;
};

Pair read_pair(const Options& o) {
  if (o.dry.empty()) {
    fmt::print("no recordings: 60 s of strings, sweeps and noise through an overdrive circuit\n");
    Pair pair{play(60.0, 1), {}};
    pair.wet = distort(pair.dry);
    save_wav(o.name + "_dry.wav", pair.dry.samples, pair.dry.sample_rate);
    save_wav(o.name + "_wet.wav", pair.wet.samples, pair.wet.sample_rate);
    return pair;
  }
  Pair pair{load_wav<float>(o.dry), load_wav<float>(o.wet)};
  for (const auto& [file, recording] : {std::pair(&o.dry, &pair.dry), std::pair(&o.wet, &pair.wet)}) {
    if (const std::size_t channels = recording->samples.shape()[1]; channels != 1)
      throw FileError(fmt::format("{}: expected one channel, got {}", escaped(*file), channels));
  }
  const std::size_t dry = pair.dry.samples.size(), wet = pair.wet.samples.size();
  if (dry != wet)
    throw FileError(
        fmt::format("{}: expected {} steps, as the dry recording has, got {}", escaped(o.wet), dry, wet));
  return pair;
}

// Seconds of sound per second of one core.
double real_time_factor(const Model& model, const Recording<float>& dry) {
  Stream<float> stream = freeze(model.layer, model.head);
  const std::size_t steps = dry.samples.size();
  std::vector<float> y(steps);
  const auto begin = std::chrono::steady_clock::now();
  stream.block(std::span(dry.samples.data(), steps), y);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(steps) / dry.sample_rate / seconds.count();
}

void draw(const std::string& file, const Model& model, const Pair& valid, const TrainResult& result) {
  const NoGrad constants;
  const Var<float> y = model(Var<float>(reshape(Var<float>(valid.dry.samples), {-1, 1, 1})));
  // A fiftieth of a second around the loudest sample.
  const Tensor<float>& wet = valid.wet.samples;
  const auto loudest = static_cast<std::size_t>(
      std::max_element(wet.begin(), wet.end(), [](float a, float b) { return std::abs(a) < std::abs(b); }) -
      wet.begin());
  const auto length = static_cast<std::size_t>(valid.wet.sample_rate / 50.0);
  const std::size_t first = loudest < length / 2 ? 0 : loudest - length / 2;
  PlotCurve target{.label = "amplifier"}, learned{.label = "model"}, ratio{.label = "", .points = true};
  for (std::size_t i = first; i < std::min(first + length, wet.size()); ++i) {
    target.x.push_back(1000.0 * static_cast<double>(i - first) / valid.wet.sample_rate);
    target.y.push_back(static_cast<double>(wet.data()[i]));
    learned.y.push_back(static_cast<double>(y.value().data()[i]));
  }
  learned.x = target.x;
  for (const EpochReport& epoch : result.history) {
    ratio.x.push_back(static_cast<double>(epoch.epoch));
    ratio.y.push_back(score(epoch.valid, "loss"));
  }
  Plot plot{.title = "amp_model"};
  plot.panels.push_back({.title = "the loudest moment", .x_label = "ms", .curves = {target, learned}});
  plot.panels.push_back({.title = "error-to-signal ratio of the last tenth",
                         .x_label = "epoch",
                         .curves = {ratio},
                         .log_y = true});
  draw_plot(file, plot);
}

int train(const Options& o) {
  const Pair pair = read_pair(o);
  const std::size_t steps = pair.dry.samples.shape()[0], split = steps - steps / 10;
  const auto cut = [&](std::size_t first, std::size_t last) {
    return Pair{part(pair.dry, first, last), part(pair.wet, first, last)};
  };
  const Pair learned = cut(0, split), valid = cut(split, steps);
  Rng rng(o.seed);
  Model model(o.hidden.value_or(16), rng);
  Adam<float> adam(parameters(model));
  RecordingWindows<float> windows(learned.dry, learned.wet);
  RecordingWindows<float> rest(valid.dry, valid.wet,
                               {.streams = 1,
                                .window = 48000,
                                .warm_up = static_cast<Index>(std::min(steps / 20, std::size_t{4800}))});
  TrainOptions options{.epochs = o.epochs.value_or(60), .clip_norm = 1.0};
  const auto all = static_cast<std::int64_t>(windows.size()) * options.epochs;
  options.lr = CosineSchedule{o.lr.value_or(8e-3), all};
  options.best_file = o.name + ".safetensors";
  Trainer trainer(model, adam, StreamedEsrLoss<Lstm<float>>{}, options);
  const TrainResult result = trainer.fit(windows, rest);
  if (result.interrupted()) return Interrupt::kExitStatus;

  StreamedEsrLoss<Lstm<float>> plain;
  plain.options.pre_emphasis = 0.0;
  Trainer judge(model, adam, plain);
  fmt::print("best epoch {}; of the last tenth: ESR {:.5f}, with pre-emphasis {:.5f}\n", result.best_epoch,
             score(judge.evaluate(rest), "loss"), result.best_score);
  save_nam(o.name + ".nam", model.layer, model.head,
           {.sample_rate = pair.dry.sample_rate, .metadata = R"({"modeled_by":"amp_model"})"});
  save_rtneural(o.name + ".json", model.layer, model.head);
  export_c(model.layer, model.head, o.name + ".c",
           {.comment = "x: a sample of the dry signal, y: the wet one"});
  fmt::print("wrote {0}.nam, {0}.json, {0}.safetensors, {0}.c and {0}.h\n", escaped(o.name));
  fmt::print("a stream runs {:.0f} times as fast as the sound\n", real_time_factor(model, valid.dry));
  if (!o.plot.empty()) draw(o.plot, model, valid, result);
  return 0;
}

int run(int argc, const char* const* argv) {
  Options o;
  if (!parse(argc, argv, o)) return 0;
  if (!o.plot.empty()) {
    require_plot_path(o.plot);
    require_gnuplot();
  }
  require_c_names(o.name + ".c");
  return train(o);
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("amp_model", [&] { return unroll::examples::run(argc, argv); });
}
