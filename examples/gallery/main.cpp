// The gallery's cells at work: two tasks of long memory, and what a step costs on each path.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <map>

#include "examples/adding_problem/problem.hpp"
#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/tables.hpp"

namespace unroll::examples {
namespace {

constexpr const char* kDescription =
    "Trains a cell of the gallery, or the library's LSTM, to read handwritten digits pixel by pixel (64 "
    "steps) or "
    "to solve the adding problem, or measures a step on each path.\n\n"
    "The table in examples/README.md (X 1, 2, 3):\n"
    "  gallery --cell CELL --task digits --seed X\n"
    "  gallery --cell CELL --task adding --seed X\n"
    "  gallery --cell CELL --task cost";

struct Options {
  std::string cell = "mingru", task = "digits";
  std::optional<Index> seed, epochs, hidden;
};

// Two layers and a linear one on their last state.
template <class Layer>
struct Model {
  using Scalar = float;
  Layer layer;
  Linear<float> head;

  Model(Index input, Index hidden, Index outputs, Rng& rng) : head(hidden, outputs, rng) {
    typename Layer::CellOptions cell{.input = input, .hidden = hidden};
    if constexpr (requires { cell.forget_bias; }) cell.forget_bias = 1.0;
    layer = Layer(cell, {.layers = 2}, rng);
  }
  Var<float> scores(const Var<float>& x) const { return head(last(layer(x))); }
  Var<float> operator()(const Batch<float>& batch) const { return scores(Var<float>(batch.values)); }
  static void each(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

template <class Layer>
int read_digits(const Options& o) {
  constexpr Index kPixels = 64;
  const Standardizer<float> pixels(zeros<float>({1}), full<float>({1}, 16.0F));
  const auto data = encode_table<float>(read_table(std::string(UNROLL_EXAMPLE_DATA) + "/digits.csv"),
                                        {.steps = kPixels, .standardizer = pixels});
  const auto seed = static_cast<std::uint64_t>(o.seed.value_or(1));
  Rng rng(seed);
  Model<Layer> model(1, o.hidden.value_or(64), std::ssize(data.encoder.labels().names()), rng);
  Adam<float> adam(parameters(model), {.lr = 3e-3});
  Trainer trainer(model, adam, CrossEntropyLoss(), {.epochs = o.epochs.value_or(40), .clip_norm = 1.0},
                  Accuracy());
  const auto result =
      trainer.fit(Batches<float>(data.train, {.batch_size = 32, .shuffle = true, .seed = seed}),
                  Batches<float>(data.valid, {.batch_size = 1000}));
  const double accuracy =
      score(trainer.evaluate(Batches<float>(data.test, {.batch_size = 1000})), "accuracy");
  fmt::print("{} digits seed {}: test accuracy {:.2f}%\n", o.cell, seed, 100.0 * accuracy);
  return result.interrupted() ? Interrupt::kExitStatus : 0;
}

template <class Layer>
int add_numbers(const Options& o) {
  constexpr std::size_t kLength = 200, kStepsAnEpoch = 250;
  const auto seed = static_cast<std::uint64_t>(o.seed.value_or(1));
  Rng rng(seed);
  AddingProblem fresh{rng.next(), kLength, 50, kStepsAnEpoch}, valid{rng.next(), kLength, 50, 20};
  Model<Layer> model(2, o.hidden.value_or(64), 1, rng);
  Adam<float> adam(parameters(model), {.lr = 3e-3});
  const auto loss = [](const Model<Layer>& m, const AddingProblem::Batch& b) {
    return mse_loss(m.scores(Var<float>(b.x)), Var<float>(b.targets));
  };
  TrainOptions options{.epochs = o.epochs.value_or(20), .clip_norm = 1.0, .restore_best = false};
  Trainer trainer(model, adam, loss, options);
  double error = 0.0;
  options.on_epoch = [&](const EpochReport& report) {
    error = score(report.valid, "loss");
    if (error < 1e-3) trainer.stop();
  };
  trainer.set_options(options);
  const TrainResult result = trainer.fit(fresh, valid);
  if (result.interrupted()) return Interrupt::kExitStatus;
  fmt::print("{} adding seed {}: error {:.5f}, {} {} steps\n", o.cell, seed, error,
             error < 1e-3 ? "solved after" : "not solved in", result.steps);
  return 0;
}

// The time of a training step of one layer, T = 200, B = 32, I = H = 64, per step of time.
template <class Layer>
int measure(const Options& o) {
  constexpr std::size_t kT = 200, kB = 32, kH = 64;
  Rng rng(1);
  Layer layer({.input = kH, .hidden = kH}, rng);
  const Var<float> x(random_normal<float>({kT, kB, kH}, 0.0, 1.0, rng));
  std::vector<Path> paths{Path::tape, Path::compiled};
  if constexpr (requires { layer.cells()[0].kernel(); }) paths.push_back(Path::fused);
  std::map<Path, std::vector<double>> times;
  for (int k = 0; k < 15; ++k) {
    for (const Path path : paths) {  // in turn, as the machine's speed changes
      layer.set_path(path);
      const auto start = std::chrono::steady_clock::now();
      const Tape tape;
      Tape::current()->backward(mean(square(layer(x).output)));
      const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
      times[path].push_back(taken.count() / kT);
    }
  }
  std::size_t numbers = 0;
  const auto state = zero_state(layer.cells()[0], 1);
  for_each_in_state(state, [&](const auto& var) { numbers += var.size(); });
  fmt::print("{}: {} numbers of state for {} units;", o.cell, numbers, kH);
  for (const Path path : paths) {
    std::vector<double>& of = times[path];
    std::nth_element(of.begin(), of.begin() + 7, of.end());
    fmt::print(" {} {:.1f} us", to_string(path), of[7]);
  }
  fmt::print("\n");
  return 0;
}

template <class Layer>
int run_task(const Options& o) {
  if (o.task == "digits") return read_digits<Layer>(o);
  return o.task == "adding" ? add_numbers<Layer>(o) : measure<Layer>(o);
}

int run(int argc, const char* const* argv) {
  Options options;
  const std::map<std::string, int (*)(const Options&)> cells{
      {"lstm", run_task<Lstm<float>>},
      {"mingru", run_task<Recurrent<gallery::MinGruCell<float>>>},
      {"sru", run_task<Recurrent<gallery::SruCell<float>>>},
      {"indrnn", run_task<Recurrent<gallery::IndRnnCell<float>>>},
      {"slstm", run_task<Recurrent<gallery::SlstmCell<float>>>}};
  CLI::App app(kDescription, "gallery");
  app.add_option("--cell", options.cell, "lstm, mingru, sru, indrnn or slstm (default mingru)")
      ->check(CLI::IsMember({"lstm", "mingru", "sru", "indrnn", "slstm"}));
  app.add_option("--task", options.task, "digits, adding or cost (default digits)")
      ->check(CLI::IsMember({"digits", "adding", "cost"}));
  add_whole_number(app, "--seed", options.seed, "the same seed gives the same numbers (default 1)", 0,
                   1000000000);
  add_whole_number(app, "--epochs", options.epochs, "digits 40; adding 20, of 250 steps", 1, 1000000);
  add_whole_number(app, "--hidden", options.hidden, "hidden units (default 64)", 1, 8192);
  if (!parse_command_line(app, argc, argv)) return 0;
  return cells.at(options.cell)(options);
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("gallery", [&] { return unroll::examples::run(argc, argv); });
}
