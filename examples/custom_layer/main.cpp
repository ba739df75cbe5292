// A recurrent cell of one's own: its gradients are checked, then it learns to read digits row by row.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "examples/custom_layer/gradient_check.hpp"
#include "examples/custom_layer/minimal_gated_unit.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/table.hpp"
#include "framework/errors.hpp"
#include "optim/optim.hpp"

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

struct Digits {
  Tensor<float> x;     // (T,N,I), pixels 0..1
  IndexTensor labels;  // (N)
  std::size_t count() const { return labels.size(); }
};

// The rows of the table that belong to one split.
Digits select_split(const Table& table, const std::string& split) {
  std::vector<const TableRow*> rows;
  const std::size_t split_column = table.column("split"), label_column = table.column("label");
  for (const TableRow& row : table.rows()) {
    if (row.fields[split_column] == split) rows.push_back(&row);
  }
  if (rows.empty())
    throw FileError(fmt::format("{}: want rows of split '{}', got none", table.path(), split));

  Digits digits{empty<float>({kSteps, rows.size(), kFeatures}), IndexTensor(Shape{rows.size()})};
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const double label = table.number(*rows[n], label_column);
    if (!(label >= 0 && label < kClasses && label == static_cast<double>(static_cast<Index>(label)))) {
      table.fail(*rows[n],
                 fmt::format("label want 0..{}, got '{}'", kClasses - 1, rows[n]->fields[label_column]));
    }
    digits.labels(n) = static_cast<Index>(label);
    for (std::size_t t = 0; t < kSteps; ++t) {
      for (std::size_t i = 0; i < kFeatures; ++i) {
        const std::size_t column = table.column(fmt::format("r{}c{}", t, i));
        digits.x(t, n, i) = static_cast<float>(table.number(*rows[n], column) / 16.0);
      }
    }
  }
  return digits;
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

double accuracy(const Model& model, const Digits& digits) {
  const Var<float> scores = model(Var<float>(digits.x));
  std::size_t right = 0;
  for (std::size_t n = 0; n < digits.count(); ++n) {
    const float* row = scores.data() + n * static_cast<std::size_t>(kClasses);
    if (std::max_element(row, row + kClasses) - row == digits.labels(n)) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(digits.count());
}

// One pass over the training digits in random order; their mean loss.
double train_epoch(const Model& model, Adam<float>& adam, const Digits& digits, Index batch_size, Rng& rng) {
  const auto order = rng.permutation(static_cast<Index>(digits.count()));
  double loss_sum = 0.0;
  for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(batch_size)) {
    const std::size_t size = std::min(static_cast<std::size_t>(batch_size), order.size() - first);
    IndexTensor rows(Shape{size}), labels(Shape{size});
    for (std::size_t b = 0; b < size; ++b) {
      rows(b) = order[first + b];
      labels(b) = digits.labels(static_cast<std::size_t>(order[first + b]));
    }
    const Var<float> x = index_select(Var<float>(digits.x), 1, rows);
    Tape tape;
    const auto loss = cross_entropy(model(x), labels);
    tape.backward(loss);
    clip_grad_norm(adam.parameters(), 1.0);
    adam.step();
    loss_sum += static_cast<double>(loss.item()) * static_cast<double>(size);
  }
  return loss_sum / static_cast<double>(order.size());
}

bool parse(int argc, const char* const* argv, Options& options) {
  CLI::App app(
      "A recurrent cell of one's own, the minimal gated unit (minimal_gated_unit.hpp): checks its gradients, "
      "then "
      "trains it to read handwritten digits, a row of pixels at a time.",
      "custom_layer");
  app.set_help_flag("-h,--help", "print this and leave");
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
  const Digits train = select_split(table, "train"), valid = select_split(table, "valid"),
               test = select_split(table, "test");
  Rng rng(static_cast<std::uint64_t>(options.seed.value_or(1)));

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

  const Index epochs = options.epochs.value_or(30);
  const Interrupt interrupt;
  Progress progress(static_cast<std::size_t>(epochs));
  for (Index epoch = 1; epoch <= epochs && !Interrupt::requested(); ++epoch) {
    const double loss = train_epoch(model, adam, train, options.batch.value_or(32), rng);
    progress.clear();
    fmt::print("epoch {:>{}}/{}  loss {:.4f}  valid accuracy {:.2f}%\n", epoch, std::to_string(epochs).size(),
               epochs, loss, 100.0 * accuracy(model, valid));
    std::fflush(stdout);
    progress.update(static_cast<std::size_t>(epoch), fmt::format("epoch {}/{}", epoch, epochs), loss);
  }
  progress.clear();
  fmt::print("\ntest accuracy {:.2f}%\n", 100.0 * accuracy(model, test));
  return Interrupt::requested() ? Interrupt::kExitStatus : 0;
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("custom_layer", [&] { return unroll::examples::run(argc, argv); });
}
