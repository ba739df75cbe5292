#include "examples/support/run.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/logs/plot_log.hpp"
#include "training/models/state_dict.hpp"
#ifdef UNROLL_EXAMPLES_TENSORBOARD
#include "training/tensorboard/tensorboard_log.hpp"
#endif

namespace unroll::examples {

Metadata model_metadata(const std::string& program, const TrainingOptions& given, const Recipe& recipe) {
  return {{"program", program}, {"cell", given.cell}, {"hidden", std::to_string(recipe.hidden)}};
}

Run::Run(const TrainingOptions& given, const Recipe& recipe, const std::string& model,
         const Metadata& metadata)
    : lr_(recipe.lr) {
  std::fflush(stdout);  // shows earlier output during the training
  if (!model.ends_with(".safetensors") && !model.ends_with(".npz"))
    throw ArgumentError("--model: expected a name that ends in .safetensors or .npz, got '" + model + "'");
  require_writable(model);
  if (!given.log.empty()) {
    std::error_code error;
    std::filesystem::create_directories(given.log, error);
    if (error) throw FileError(given.log + ": cannot create the folder for logs: " + error.message());
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
  options.best_file = model;
  options.best_metadata = metadata;
  options.checkpoint = model + ".checkpoint";
  options.resume = given.resume;
  options.resume_hint = "the same command with --resume";
  options.on_stop = [file = options.checkpoint](const TrainResult& result) {
    std::error_code ignored;  // a leftover does no harm
    if (!result.interrupted()) std::filesystem::remove(file, ignored);
  };
}

void require_different_files(const TrainingOptions& given, const std::string& model,
                             std::vector<detail::NamedFile> files) {
  files.insert(files.end(),
               {{"--model", model}, {"the checkpoint", model + ".checkpoint"}, {"--plot", given.plot}});
  if (!given.log.empty())
    files.insert(files.end(), {{"--log", given.log + "/log.csv"}, {"--log", given.log + "/log.jsonl"}});
  detail::require_different_files("", files);
}

bool Run::finished(const TrainResult& result) const {
  if (result.best_epoch > 0) {
    fmt::print("best epoch {} ({} {:.4g}), saved in {}\n", result.best_epoch, options.monitor,
               result.best_score, escaped(options.best_file));
  }
  if (result.interrupted()) fmt::print("interrupted; the test rows were not evaluated\n");
  return !result.interrupted();
}

Run& Run::classifies(std::size_t batches) {
  options.lr = CosineSchedule{.lr = lr_, .period = options.epochs * static_cast<std::int64_t>(batches)};
  options.lr_per = Interval::step;
  options.monitor = "valid/accuracy";
  return *this;
}

}  // namespace unroll::examples
