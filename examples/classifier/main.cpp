// Sequences to classes: words to their language, rows of pixels to digits, or the user's own file.
#include <fmt/format.h>

#include <chrono>

#include "examples/classifier/model.hpp"
#include "examples/classifier/options.hpp"
#include "examples/classifier/prediction.hpp"
#include "examples/classifier/report.hpp"
#include "examples/classifier/training.hpp"
#include "examples/support/cells.hpp"

namespace unroll::examples::classifier {
namespace {

Dataset load(const Options& options) {
  switch (options.task()) {
    case Task::words:
      return load_words(options.data_path());
    case Task::digits:
      return load_digits(options.data_path());
    case Task::own:
      break;
  }
  return load_own(options.data_path(), options.steps);
}

Settings model_settings(const Options& options, const Encoding& encoding) {
  Settings settings(options.model_path());
  settings.set("program", "classifier");
  settings.set("task", to_string(options.task()));
  settings.set("cell", options.training.cell);
  settings.set("hidden", options.sizes().hidden);
  if (encoding.is_text()) settings.set("embedding", options.sizes().embedding);
  encoding.write(settings);
  return settings;
}

template <class Layer>
int train_and_test(const Options& options, const Dataset& data) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const Recipe recipe = options.recipe();
  Rng rng(options.training.seed);
  Classifier<Layer> model(data.encoding, options.sizes(), rng), best = clone(model);
  fmt::print("{}\n", summary(model));
  Settings settings = model_settings(options, data.encoding);

  const Interrupt interrupt;
  EpochResult best_epoch;
  train(model, data, recipe, rng, [&](const EpochResult& result) {
    fmt::print("{}", describe(result, recipe.epochs));
    std::fflush(stdout);
    if (!result.best) return;
    best_epoch = result;
    best = clone(model);
    settings.set("epoch", result.epoch);
    save_model(best, settings);
  });
  if (best_epoch.epoch == 0) {
    fmt::print("interrupted in the first epoch; no model saved\n");
    return Interrupt::kExitStatus;
  }

  fmt::print("\nbest epoch {} (valid accuracy {:.2f}%), saved in {}\n", best_epoch.epoch,
             100.0 * best_epoch.valid.accuracy, settings.path());
  if (Interrupt::requested()) {
    fmt::print("interrupted; the test rows were not looked at\n");
    return Interrupt::kExitStatus;
  }
  if (!data.test.empty()) {
    const Evaluation test = evaluate(best, data.test, data.encoding);
    fmt::print("test loss {:.4f} accuracy {:.2f}%\n\n{}", test.loss, 100.0 * test.accuracy,
               confusion_table(test, data.encoding.labels));
  }
  fmt::print("\ntook {:.1f} s\n", std::chrono::duration<double>(Clock::now() - start).count());
  return 0;
}

int run(int argc, const char* const* argv) {
  const auto options = parse_options(argc, argv);
  if (!options) return 0;
  if (options->predict) return predict(*options);
  require_writable(options->model_path());
  const Dataset data = load(*options);
  fmt::print("{}", describe(data));
  return with_layer(options->training.cell,
                    [&]<class Layer>() { return train_and_test<Layer>(*options, data); });
}

}  // namespace
}  // namespace unroll::examples::classifier

int main(int argc, char** argv) {
  return unroll::examples::run_program("classifier",
                                       [&] { return unroll::examples::classifier::run(argc, argv); });
}
