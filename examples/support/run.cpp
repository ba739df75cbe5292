#include "examples/support/run.hpp"

#include <filesystem>

#include "framework/errors.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/logs/plot_log.hpp"
#ifdef UNROLL_EXAMPLES_TENSORBOARD
#include "training/tensorboard/tensorboard_log.hpp"
#endif

namespace unroll::examples {

Recipe Recipe::with(const TrainingOptions& given) const {
  return {.epochs = given.epochs.value_or(epochs),
          .batch = given.batch.value_or(batch),
          .lr = given.lr.value_or(lr),
          .clip = clip};
}

Run::Run(const TrainingOptions& given, const std::string& model, const Recipe& recipe, std::size_t batches)
    : model_(model) {
  if (!model.ends_with(".safetensors") && !model.ends_with(".npz"))
    throw ArgumentError("--model want a name that ends in .safetensors or .npz, got '" + model + "'");
  require_writable(model);
  if (!given.log.empty()) {
    std::error_code error;
    std::filesystem::create_directories(given.log, error);
    if (error) throw FileError(given.log + ": want a folder for logs, got: " + error.message());
    logs_.push_back(std::make_unique<CsvLog>(given.log + "/log.csv"));
    logs_.push_back(std::make_unique<JsonLinesLog>(given.log + "/log.jsonl"));
#ifdef UNROLL_EXAMPLES_TENSORBOARD
    logs_.push_back(std::make_unique<TensorBoardLog>(given.log));
#endif
  }
  if (!given.plot.empty()) {
    PlotLogOptions plot{.axis = PlotAxis::epoch, .panels = {"loss", "accuracy"}};
    if (!given.log.empty()) plot.history = given.log + "/log.csv";
    logs_.push_back(std::make_unique<PlotLog>(given.plot, plot));
  }
  for (const auto& log : logs_) options.logs.push_back(log.get());
  options.epochs = recipe.epochs;
  options.clip_norm = recipe.clip;
  options.lr = CosineSchedule{.lr = recipe.lr, .period = recipe.epochs * static_cast<std::int64_t>(batches)};
  options.lr_per = Per::step;
  options.monitor = "valid/accuracy";
  options.checkpoint = model + ".checkpoint";
  options.resume = given.resume;
  options.resume_hint = "the same command with --resume";
  options.on_stop = [file = options.checkpoint](const TrainResult& result) {
    std::error_code ignored;  // what is left is only in the way
    if (!result.interrupted()) std::filesystem::remove(file, ignored);
  };
}

}  // namespace unroll::examples
