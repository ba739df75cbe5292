#include "examples/next_value/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "framework/errors.hpp"

namespace unroll::examples::next_value {
namespace {

constexpr const char* kDescription =
    "Learns to forecast the next value of a series with a recurrent network.\n"
    "\n"
    "Tasks:\n"
    "  sunspots   yearly sunspot numbers since 1700, learnt up to 1920\n"
    "  elnino     monthly sea surface temperatures off Peru since 1950, learnt up to 1985\n"
    "  toy        1 2 3 4\n"
    "  own        a column of your own CSV file, see below\n"
    "\n"
    "Examples:\n"
    "  next_value --task sunspots --plot sunspots.png       train, score, draw\n"
    "  next_value --task elnino --cell gru --horizon 24     two years ahead with a GRU\n"
    "  next_value --csv mine.csv --column price             your own file";

constexpr const char* kFormat =
    "An epoch is 10 updates on random windows of the training part.\n"
    "Your own file: comma or tab separated, one header line, then one row a step, oldest first. The first "
    "rows are\n"
    "learnt from, the next choose the best epoch (--train, --valid), the last are the test.\n"
    "Scores are the error (RMSE) of forecasts one step ahead, beside those of persistence (as before) and of "
    "an\n"
    "autoregression (with --period: the season's mean plus an autoregression of first order). The forecast "
    "beyond the\n"
    "end reads its own values.";

struct TaskDefaults {
  Recipe recipe;
  std::size_t order, ahead;
};

TaskDefaults defaults_of(Task task) {
  switch (task) {
    case Task::sunspots:
      return {
          {.hidden = 16, .epochs = 60, .window = 32, .warmup = 6, .weight_decay = 1e-4, .noise = 0.1}, 9, 11};
    case Task::elnino:
      return {{.hidden = 32, .epochs = 80, .window = 48, .warmup = 6}, 1, 12};
    case Task::toy:
      return {{.hidden = 8, .epochs = 30, .window = 3, .warmup = 0, .batch = 1, .lr = 1e-2}, 1, 3};
    case Task::own:
      break;
  }
  return {{.hidden = 32, .epochs = 80, .window = 48, .warmup = 6}, 9, 10};
}

// "sunspots 16, elnino 32, toy 8, own 32"
template <class Get>
std::string list_defaults(Get get) {
  std::string text;
  for (const Task task : {Task::sunspots, Task::elnino, Task::toy, Task::own}) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", to_string(task), get(defaults_of(task)));
  }
  return text;
}

}  // namespace

const char* to_string(Task task) noexcept {
  switch (task) {
    case Task::sunspots:
      return "sunspots";
    case Task::elnino:
      return "elnino";
    case Task::toy:
      return "toy";
    case Task::own:
      break;
  }
  return "own";
}

Task Options::task() const {
  if (!task_name) return data.empty() ? Task::sunspots : Task::own;
  for (const Task task : {Task::sunspots, Task::elnino, Task::toy}) {
    if (*task_name == to_string(task)) return task;
  }
  return Task::own;
}

Series Options::load() const {
  const auto file = [&](const char* shipped) {
    return data.empty() ? std::string(UNROLL_EXAMPLE_DATA) + "/" + shipped : data;
  };
  switch (task()) {
    case Task::sunspots:
      return load_sunspots(file("sunspots_yearly.csv"));
    case Task::elnino:
      return load_elnino(file("elnino_sst.csv"));
    case Task::toy:
      return toy_series();
    case Task::own:
      break;
  }
  SeriesOptions options;
  options.train = train.value_or(options.train);
  options.valid = valid.value_or(options.valid);
  options.period = static_cast<std::size_t>(period.value_or(0));
  return load_column(data, column, options);
}

Recipe Options::recipe(const Series& series) const {
  Recipe recipe = defaults_of(task()).recipe;
  recipe.cell = training.cell;
  recipe.seed = training.seed;
  recipe.hidden = training.hidden.value_or(recipe.hidden);
  recipe.epochs = training.epochs.value_or(recipe.epochs);
  recipe.batch = static_cast<std::size_t>(training.batch.value_or(static_cast<Index>(recipe.batch)));
  recipe.lr = training.lr.value_or(recipe.lr);
  // A series that is too short for the usual window is cut into as long ones as it has.
  recipe.window =
      window ? static_cast<std::size_t>(*window) : std::min(recipe.window, series.train.size() - 1);
  recipe.warmup = std::min(recipe.warmup, recipe.window / 4);
  return recipe;
}

std::size_t Options::steps_ahead() const {
  return horizon ? static_cast<std::size_t>(*horizon) : defaults_of(task()).ahead;
}

std::size_t Options::ar_order(const Series& series) const {
  if (order) return static_cast<std::size_t>(*order);
  return std::min(defaults_of(task()).order, (series.train.size() - 1) / 2);
}

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app(kDescription, "next_value");
  app.footer(kFormat);

  constexpr const char* kData = "Data";
  app.add_option("--task", options.task_name,
                 "sunspots, elnino, toy or own (default: own with --csv, else sunspots)")
      ->check([](const std::string& text) {
        return text == "sunspots" || text == "elnino" || text == "toy" || text == "own"
                   ? std::string()
                   : fmt::format("want sunspots, elnino, toy or own, got '{}'", text);
      })
      ->type_name("TASK")
      ->group(kData);
  app.add_option("--csv,--data", options.data, "the file to read; default: the shipped one of the task")
      ->type_name("FILE")
      ->group(kData);
  app.add_option("--column", options.column, "own: the column to forecast")->type_name("NAME")->group(kData);
  add_fraction(app, "--train", options.train, "own: share of the rows that is learnt from (default 0.7)")
      ->group(kData);
  add_fraction(app, "--valid", options.valid,
               "own: share of the rows that chooses the best epoch (default 0.15)")
      ->group(kData);
  add_whole_number(app, "--period", options.period,
                   "own: rows per season, 12 for months (default: no season)", 2, 100000)
      ->group(kData);

  add_training_options(app, options.training,
                       {.epochs = list_defaults([](const TaskDefaults& d) { return d.recipe.epochs; }) +
                                  "; each is 10 updates",
                        .hidden = list_defaults([](const TaskDefaults& d) { return d.recipe.hidden; }),
                        .batch = list_defaults([](const TaskDefaults& d) { return d.recipe.batch; }),
                        .lr = list_defaults([](const TaskDefaults& d) { return d.recipe.lr; })});
  add_whole_number(app, "--window", options.window,
                   fmt::format("steps of a training sequence (default {})",
                               list_defaults([](const TaskDefaults& d) { return d.recipe.window; })),
                   2, 100000)
      ->group("Training");

  constexpr const char* kOutput = "Forecast";
  add_whole_number(app, "--horizon", options.horizon,
                   fmt::format("steps to forecast beyond the end (default {})",
                               list_defaults([](const TaskDefaults& d) { return d.ahead; })),
                   1, 100000)
      ->group(kOutput);
  add_whole_number(app, "--order", options.order,
                   fmt::format("order of the autoregressive baseline (default {})",
                               list_defaults([](const TaskDefaults& d) { return d.order; })),
                   1, 1000)
      ->group(kOutput);
  app.add_option("--plot", options.plot, "draw forecast against truth with gnuplot: FILE.png or FILE.svg")
      ->type_name("FILE")
      ->group(kOutput);
  app.add_option("--csv-out", options.csv_out, "write time, truth and forecasts")
      ->type_name("FILE")
      ->group(kOutput);

  if (!parse_command_line(app, argc, argv)) return std::nullopt;
  if (options.task() == Task::own && (options.data.empty() || options.column.empty())) {
    throw ArgumentError(fmt::format("your own series want --csv FILE and --column NAME, got no {}",
                                    options.data.empty() ? "--csv" : "--column"));
  }
  for (const auto& [name, given] :
       {std::pair("--column", !options.column.empty()), std::pair("--train", options.train.has_value()),
        std::pair("--valid", options.valid.has_value()), std::pair("--period", options.period.has_value())}) {
    if (given && options.task() != Task::own) {
      throw ArgumentError(
          fmt::format("{} want a file of your own, got task {}", name, to_string(options.task())));
    }
  }
  if (options.task() == Task::toy && !options.data.empty()) {
    throw ArgumentError("--csv want a task with a file, got task toy");
  }
  return options;
}

}  // namespace unroll::examples::next_value
