// The adding problem: which layer remembers two numbers over T steps?
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "examples/adding_problem/problem.hpp"
#include "examples/support/cells.hpp"
#include "examples/support/cli.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr std::size_t kStepsAnEpoch = 250;
constexpr const char* kDescription =
    "The adding problem (Le et al. 2015, Arjovsky et al. 2016): T steps of a number from 0 to 1 and a mark,\n"
    "which is 1 in one step of each half; the answer is the sum of the two marked numbers. Always answering\n"
    "1 has a mean squared error of 0.167; the problem is solved below 0.001 on 1000 fresh sequences.\n\n"
    "The rows of the table in examples/README.md (X 1, 2, 3):\n"
    "  adding_problem --cell lstm --seed X\n"
    "  adding_problem --cell gru --seed X\n"
    "  adding_problem --cell rnn --seed X";

template <class Layer>
struct Model {
  using Scalar = float;
  Layer layer;
  Linear<float> head;

  Model(Index hidden, Rng& rng) : head(hidden, 1, rng) {
    typename Layer::CellOptions options{.input = 2, .hidden = hidden};
    if constexpr (requires { options.forget_bias; }) options.forget_bias = 1.0;
    layer = Layer(options, rng);
  }
  Var<float> operator()(const Var<float>& x) const { return head(last(layer(x))); }

  static void each(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

template <class Layer>
int train(const TrainingOptions& o, std::size_t length) {
  const auto start = std::chrono::steady_clock::now();
  const auto batch = static_cast<std::size_t>(o.batch.value_or(50));
  Rng rng(o.seed);
  AddingProblem fresh{rng.next(), length, batch, kStepsAnEpoch};
  AddingProblem valid{rng.next(), length, 50, 20};
  Model<Layer> model(o.hidden.value_or(64), rng);
  Adam<float> adam(parameters(model), {.lr = o.lr.value_or(5e-3)});
  const auto loss = [](const Model<Layer>& m, const AddingProblem::Batch& b) {
    return mse_loss(m(Var<float>(b.x)), Var<float>(b.targets));
  };
  TrainOptions options{
      .epochs = o.epochs.value_or(20), .clip_norm = 1.0, .restore_best = false, .progress = false};
  Trainer trainer(model, adam, loss, options);
  bool solved = false;
  options.on_epoch = [&](const EpochReport& report) {
    const double error = score(report.valid, "loss");
    fmt::print("step {:>5}  error {:.5f}\n", report.step, error);
    std::fflush(stdout);
    solved = error < 1e-3;
    if (solved) trainer.stop();
  };
  trainer.set_options(options);
  const TrainResult result = trainer.fit(fresh, valid);
  if (result.interrupted()) return Interrupt::kExitStatus;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  fmt::print("{} T {} seed {}: {} {} steps, {:.1f} s\n", o.cell, length, o.seed,
             solved ? "solved after" : "not solved in", result.steps, taken.count());
  return 0;
}

int run(int argc, const char* const* argv) {
  TrainingOptions options;
  std::optional<Index> length;
  CLI::App app(kDescription, "adding_problem");
  add_training_options(app, options,
                       {.epochs = "20, of 250 steps", .hidden = "64", .batch = "50", .lr = "0.005"});
  add_whole_number(app, "--length", length, "steps T of a sequence (default 100)", 2, 100000);
  if (!parse_command_line(app, argc, argv)) return 0;
  return with_layer(options.cell, [&]<class Layer>() {
    return train<Layer>(options, static_cast<std::size_t>(length.value_or(100)));
  });
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("adding_problem", [&] { return unroll::examples::run(argc, argv); });
}
