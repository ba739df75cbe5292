// A custom recurrent cell: checks its gradients, then trains it to read digits row by row.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/tables.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr const char* kDescription =
    "A custom recurrent cell, the minimal gated unit: checks its gradients, then trains it to read "
    "handwritten digits, one row of pixels at a time.\n\n"
    "The scores in examples/README.md (X 1, 2, 3):\n"
    "  custom_layer --seed X";

// Minimal gated unit (Zhou, Wu, Zhang and Zhou 2016): a GRU with one gate. Copy it, rename it, change step():
// a cell needs nothing else.
//   f  = sigmoid(W_f [h, x] + b_f)
//   n  = tanh(W_n [f h, x] + b_n)
//   h' = (1-f) h + f n
template <class S>
struct MinimalGatedUnit {
  static constexpr const char* kName = "MinimalGatedUnit";
  CellSizes options;
  Linear<S> forget, fresh;  // W_f b_f, W_n b_n

  MinimalGatedUnit() = default;
  MinimalGatedUnit(CellSizes n, Rng& rng)
      : options(n), forget(n.hidden + n.input, n.hidden, rng), fresh(n.hidden + n.input, n.hidden, rng) {}

  // Returns the next h: x (B,I), h (B,H).
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    const Var<S> f = sigmoid(forget(concat({h, x}, 1)));
    const Var<S> n = tanh(fresh(concat({f * h, x}, 1)));
    return (1.0 - f) * h + f * n;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("forget", self.forget);
    visit("fresh", self.fresh);
  }
};

// The cell in a layer, and class scores from its last state.
struct Model {
  using Scalar = float;
  Recurrent<MinimalGatedUnit<float>> recurrent;
  Linear<float> head;
  static void each(auto& self, auto&& visit) {
    visit("recurrent", self.recurrent);
    visit("head", self.head);
  }
  Var<float> operator()(const Batch<float>& batch) const {
    return head(last(recurrent(Var<float>(batch.values))));
  }
};

// Prints one line for a check; returns false if it failed.
bool print_check(const char* what, const auto& report) {
  fmt::print("{:<28}{}\n", what, report ? "ok" : "FAILED: " + report.message);
  return report.ok;
}

// Compares the first and second derivatives of a step, and those of a layer over sequences of several
// lengths, with central differences.
bool check_gradients(Rng& rng) {
  const Recurrent<MinimalGatedUnit<double>> layer({.input = 3, .hidden = 4}, rng);
  const auto& cell = layer.cells()[0];
  const auto inputs = step_inputs(cell, 3, rng);
  const Tensor<double> x = random_normal<double>({5, 3, 3}, 0.0, 1.0, rng);  // (T,B,I)
  const bool first = print_check("gradient of a step", gradcheck(step_function(cell), inputs));
  const bool second = print_check("second derivative of a step", gradgradcheck(step_function(cell), inputs));
  return print_check("gradient through time", verify(layer, x, {.lengths = {3, 5, 2}})) && first && second;
}

int run(int argc, const char* const* argv) {
  std::string file = std::string(UNROLL_EXAMPLE_DATA) + "/digits.csv";
  std::optional<Index> epochs, hidden, batch, layers, seed;
  std::optional<double> lr;
  bool bidirectional = false;
  GivenTable table;
  CLI::App app(kDescription, "custom_layer");
  add_whole_number(app, "--epochs", epochs, "passes over the training data (default 30)", 1, 1000000);
  add_whole_number(app, "--hidden", hidden, "hidden units (default 64)", 1, 8192);
  add_whole_number(app, "--layers", layers, "stacked layers (default 1)", 1, 100);
  app.add_flag("--bidirectional", bidirectional, "read the rows from both ends");
  add_whole_number(app, "--batch", batch, "samples per update (default 32)", 1, 65536);
  add_number_above(app, "--lr", lr, "learning rate of Adam (default 0.003)", 0.0, 1000.0);
  add_whole_number(app, "--seed", seed, "the same seed gives the same numbers (default 1)", 0, 1000000000);
  app.add_option("--data", file, "file of digits to read (default: the shipped one)")->type_name("FILE");
  add_table_options(app, table);
  if (!parse_command_line(app, argc, argv)) return 0;

  constexpr Index kSide = 8;  // rows of 8 pixels, 0 to 16
  const Standardizer<float> pixels(zeros<float>({kSide}), full<float>({kSide}, 16.0F));
  const auto data = encode_table<float>(read_given(file, table), {.steps = kSide, .standardizer = pixels});
  Rng rng(static_cast<std::uint64_t>(seed.value_or(1)));
  if (!check_gradients(rng)) return 1;

  Model model;
  model.recurrent = {{.input = data.encoder.features(), .hidden = hidden.value_or(64)},
                     {.layers = layers.value_or(1), .bidirectional = bidirectional},
                     rng};
  model.head = {static_cast<Index>(model.recurrent.output_size()), std::ssize(data.encoder.labels().names()),
                rng};
  Adam<float> adam(parameters(model), {.lr = lr.value_or(3e-3)});
  fmt::print("\n{}\n", summary(model));
  std::fflush(stdout);

  const BatchOptions shuffled{.batch_size = batch.value_or(32),
                              .shuffle = true,
                              .seed = static_cast<std::uint64_t>(seed.value_or(1))};
  const BatchOptions whole{.batch_size = 1000};
  Trainer trainer(model, adam, CrossEntropyLoss(),
                  {.epochs = epochs.value_or(30), .clip_norm = 1.0, .restore_best = false}, Accuracy());
  const auto result = trainer.fit(Batches<float>(data.train, shuffled), Batches<float>(data.valid, whole));
  const double accuracy = score(trainer.evaluate(Batches<float>(data.test, whole)), "accuracy");
  fmt::print("test accuracy {:.2f}%\n", 100.0 * accuracy);
  return result.interrupted() ? Interrupt::kExitStatus : 0;
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("custom_layer", [&] { return unroll::examples::run(argc, argv); });
}
