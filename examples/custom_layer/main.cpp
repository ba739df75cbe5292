// A recurrent cell of one's own: its gradients are checked, then it learns to read digits row by row.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "examples/custom_layer/gradient_check.hpp"
#include "examples/custom_layer/minimal_gated_unit.hpp"
#include "examples/support/cli.hpp"
#include "framework/errors.hpp"
#include "optim/optim.hpp"
#include "training/training.hpp"

namespace unroll::examples {
namespace {

constexpr std::size_t kSteps = 8, kFeatures = 8;  // rows of an image, pixels of a row
constexpr Index kClasses = 10;

struct Options {
  std::string data = std::string(UNROLL_EXAMPLE_DATA) + "/digits.csv";
  std::optional<Index> epochs, hidden, batch, layers, seed;
  std::optional<double> lr;
  bool bidirectional = false;
};

// The rows of the table that belong to one part, as sequences of rows of pixels 0..1.
SequenceDataset<float> digits(const Table& table, const std::vector<Index>& part, const char* name) {
  if (part.empty()) throw FileError(fmt::format("{}: want rows of split '{}', got none", table.path(), name));
  std::vector<std::string> pixels;
  for (std::size_t t = 0; t < kSteps; ++t) {
    for (std::size_t i = 0; i < kFeatures; ++i) pixels.push_back(fmt::format("r{}c{}", t, i));
  }
  Tensor<float> x = select_rows(table.matrix<float>(pixels), part);
  x /= 16.0F;
  x.reshape(Shape{part.size(), kSteps, kFeatures});
  IndexTensor labels(Shape{part.size()});
  for (std::size_t n = 0; n < part.size(); ++n) {
    const TableRow& row = table.rows()[static_cast<std::size_t>(part[n])];
    labels(n) = table.integer(row, table.column("label"));
    if (labels(n) < 0 || labels(n) >= kClasses)
      table.fail(row, fmt::format("label want 0..{}, got {}", kClasses - 1, labels(n)));
  }
  return SequenceDataset<float>::of(x, labels);
}

// The cell in a layer, and class scores from its last state.
struct Model {
  using Scalar = float;
  Recurrent<MinimalGatedUnit<float>> recurrent;
  Linear<float> head;
  static void each(auto& self, auto&& visit) {
    visit("recurrent", self.recurrent);
    visit("head", self.head);
  }
  // x (T,B,I) -> scores (B,classes)
  Var<float> operator()(const Var<float>& x) const {
    return head(last(recurrent(x), recurrent.options().bidirectional));
  }
};

bool parse(int argc, const char* const* argv, Options& options) {
  CLI::App app(
      "A recurrent cell of one's own, the minimal gated unit (minimal_gated_unit.hpp): checks its gradients, "
      "then "
      "trains it to read handwritten digits, a row of pixels at a time.",
      "custom_layer");
  add_whole_number(app, "--epochs", options.epochs, "passes over the training data (default 30)", 1, 1000000);
  add_whole_number(app, "--hidden", options.hidden, "hidden units (default 64)", 1, 8192);
  add_whole_number(app, "--layers", options.layers, "stacked layers (default 1)", 1, 100);
  app.add_flag("--bidirectional", options.bidirectional, "read the rows from both ends");
  add_whole_number(app, "--batch", options.batch, "samples per update (default 32)", 1, 65536);
  add_number_above(app, "--lr", options.lr, "learning rate of Adam (default 0.003)", 0.0, 1000.0);
  add_whole_number(app, "--seed", options.seed, "the same seed gives the same numbers (default 1)", 0,
                   1000000000);
  app.add_option("--data", options.data, "the file of digits to read; default: the shipped one")
      ->type_name("FILE");
  return parse_command_line(app, argc, argv);
}

// One line for a check; false when it failed.
bool print_check(const char* what, bool ok, const std::string& message) {
  fmt::print("{:<28}{}\n", what, ok ? "ok" : "FAILED: " + message);
  return ok;
}

int run(int argc, const char* const* argv) {
  Options options;
  if (!parse(argc, argv, options)) return 0;
  const Table table = read_table(options.data);
  const Split split = split_by_column(table);
  const auto train = digits(table, split.train, "train"), valid = digits(table, split.valid, "valid"),
             test = digits(table, split.test, "test");
  const auto seed = static_cast<std::uint64_t>(options.seed.value_or(1));
  Rng rng(seed);

  const auto reports = check_gradients<MinimalGatedUnit>(CellSizes{.input = 3, .hidden = 4}, rng);
  print_check("gradient of a step", reports.first.ok, reports.first.message);
  print_check("second derivative of a step", reports.second.ok, reports.second.message);
  print_check("gradient through time", reports.sequence.ok, reports.sequence.message);
  if (!reports) return 1;

  const RecurrentOptions layout{.layers = options.layers.value_or(1), .bidirectional = options.bidirectional};
  Model model;
  model.recurrent = {{.input = kFeatures, .hidden = options.hidden.value_or(64)}, layout, rng};
  model.head = {static_cast<Index>(model.recurrent.output_size()), kClasses, rng};
  Adam<float> adam(parameters(model), {.lr = options.lr.value_or(3e-3)});
  fmt::print("\n{}\n", summary(model));

  std::fflush(stdout);

  const auto loss = [](Model& m, const Batch<float>& batch) {
    const auto scores = m(Var<float>(batch.values));
    return Scored{cross_entropy(scores, batch.labels), scores, batch.labels};
  };
  Trainer trainer(model, adam, loss,
                  {.epochs = options.epochs.value_or(30), .clip_norm = 1.0, .restore_best = false},
                  Accuracy());
  const BatchOptions batches{.batch_size = options.batch.value_or(32), .shuffle = true, .seed = seed};
  const BatchOptions whole{.batch_size = 1000};
  const auto result = trainer.fit(Batches<float>(train, batches), Batches<float>(valid, whole));
  const double accuracy = score(trainer.evaluate(Batches<float>(test, whole)), "accuracy");
  fmt::print("test accuracy {:.2f}%\n", 100.0 * accuracy);
  return result.interrupted() ? Interrupt::kExitStatus : 0;
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("custom_layer", [&] { return unroll::examples::run(argc, argv); });
}
