// Forecasts the next value of a series: sunspots, El Nino, 1 2 3 4, or the user's own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "examples/support/c_file.hpp"
#include "examples/support/cells.hpp"
#include "examples/support/run.hpp"
#include "examples/support/tables.hpp"
#include "framework/quoted.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr const char* kDescription =
    "Learns to forecast the next value of a series: sunspots, elnino (sea surface temperatures), toy (1 2 3 "
    "4), or a column of your own file.\n\n"
    "The table in examples/README.md (TASK sunspots, elnino; CELL rnn, lstm, gru; X 1, 2, 3):\n"
    "  next_value --task TASK --cell CELL --seed X";
constexpr const char* kFormat =
    "Your own file: comma or tab separated, a header line, then one row per step, oldest first; a column "
    "split says train, valid (chooses the best epoch) or test; without it they are the first 70, the next "
    "15 and the last 15 %. Columns year and month or quarter name the steps, unless they are ignored. An "
    "epoch is 10 updates on random windows. Beyond the end each forecast is the next input.";

struct Task : Recipe {
  const char *file, *column;
  Index ahead = 10, window = 48, warmup = 6, period = 0;  // warmup: the first steps of a window, without loss
  double weight_decay = 0.0, noise = 0.0;                 // noise on the inputs, in standard deviations
  bool learns_valid = false;
};
const std::map<std::string, Task> kTasks{
    {"sunspots", {{60, 16, 16, 3e-3}, "/sunspots_yearly.csv", "sunspots", 11, 32, 6, 0, 1e-4, 0.1, true}},
    {"elnino", {{80, 16, 32, 3e-3}, "/elnino_sst.csv", "sst", 12, 48, 6, 12}},
    {"toy", {{30, 1, 8, 1e-2}, "/toy.csv", "value", 3, 3, 0}},
    {"own", {{80, 16, 32, 3e-3}, "", ""}}};

struct Options : TrainingOptions {
  std::string task, data, column, model, csv, picture;
  GivenTable table;
  std::optional<Index> period, ahead;
  CFileOptions c_file;
};

// x (T,B,I), value first -> the next value at every step (T,B,1); as a stream, and as a C file, step by step.
template <class Layer>
struct Forecaster {
  static constexpr const char* kName = "Forecaster";
  using Scalar = float;
  using State = typename Layer::State;
  Layer layer;
  Linear<float> head;

  Forecaster(Index inputs, Index hidden, Rng& rng)
      : layer({.input = inputs, .hidden = hidden}, rng), head(hidden, 1, rng) {}
  static void each(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("head", self.head);
  }
  Var<float> operator()(const Var<float>& x) const { return slice(x, -1, {0, 1}) + head(layer(x).output); }
  State zero_state(std::size_t batch) const { return unroll::zero_state(layer.cells()[0], batch); }
  std::pair<Var<float>, State> step(const Var<float>& x, const State& state) const {
    auto [h, states] = layer.step(x, {state});
    return {slice(x, -1, {0, 1}) + head(h), std::move(states[0])};
  }
};

// What the numbers of a C file are.
std::string c_comment(const SeriesEncoder<float>& encoder) {
  const auto standardised = fmt::format("(value - {:.9g}) / {:.9g}", encoder.mean(), encoder.scale());
  const auto season =
      fmt::format(", sin and cos of 2 pi (t + 1) / {} at step t = 0, 1, ..", encoder.period());
  return fmt::format("x: {}{}. y: {} of the next value.", standardised, encoder.period() > 0 ? season : "",
                     standardised);
}

// The series whose split this program knows.
Series read(const Options& o) {
  const Table table = read_given(o.data, o.table);
  const auto counters = row_numbers(table).sure;
  if (std::find(counters.begin(), counters.end(), o.column) != counters.end())
    print_note("next_value", fmt::format("column {} only counts the rows", quoted(o.column)));
  table.matrix<float>({o.column});  // in the network's type: an error names the line
  Series series = read_series(table, o.column);
  for (const SeriesPart& part : series.parts) {
    if (part.name != "train" && part.name != "valid" && !part.name.starts_with("test")) {
      table.fail(static_cast<std::size_t>(part.first),
                 fmt::format("column 'split': expected train, valid or test (test2, ..), got {}",
                             quoted(part.name)));
    }
  }
  return series;
}

// The first step with a forecast under every name.
Index first_forecast(const NamedForecasts& forecasts) {
  Index first = 0;
  for (const auto& [name, forecast] : forecasts) {
    const auto there =
        std::find_if(forecast.begin(), forecast.end(), [](double x) { return !std::isnan(x); });
    first = std::max<Index>(first, there - forecast.begin());
  }
  return first;
}

template <class Layer>
int learn(const Options& o, const Task& task, const Series& series) {
  SeriesPart train = series.part("train"), valid = series.part("valid");
  if (valid.size() == 0) valid.first = valid.last = train.last;  // no such part: the rest is scored
  if (task.learns_valid) train.last = valid.first = valid.last;
  if (train.size() < 3 || train.first > 0 || (valid.size() > 0 && valid.first != train.last))
    throw FileError(escaped(o.data) + ": expected at least 3 rows of train first, then those of valid");
  std::vector<SeriesPart> scored;
  for (const SeriesPart& part : series.parts)
    if (part.first >= std::max(train.last, valid.last)) scored.push_back(part);
  const Index n = series.size(), ahead = o.ahead.value_or(task.ahead);
  const SeriesEncoder<float> encoder(series, train, o.period.value_or(task.period));
  NamedForecasts forecasts = baselines(series.values, encoder.period(), train.last);
  if (scored.empty() && valid.size() > 0) scored = {valid};
  if (scored.empty()) scored = {{"train", first_forecast(forecasts), train.last}};
  const auto cut = [&](Index first, Index last, Index length) {
    return windows(encoder.encode(series, first, last),
                   {.length = length, .target = WindowTarget::every_step, .columns = {0}});
  };
  const auto add_noise = [&](Batch<float>& batch, Rng& rng) {
    for (float& value : batch.values.storage()) value += static_cast<float>(rng.normal(0.0, task.noise));
  };
  const Recipe recipe = task.with(o);
  const Index window = std::min(task.window, train.size() - 1), warmup = std::min(task.warmup, window / 4);
  const BatchOptions drawn{
      .batch_size = recipe.batch, .shuffle = true, .seed = o.seed, .num_samples = 10 * recipe.batch};
  Batches<float> batches(cut(0, train.last, window), drawn, add_noise);

  Rng rng(o.seed);
  Forecaster<Layer> model(encoder.features(), recipe.hidden, rng);
  fmt::print("{} {}: {} values; train {}\n\n{}\n", escaped(o.data), escaped(o.column), n, series.label(train),
             summary(model));
  Adam<float> adam(parameters(model), {.lr = recipe.lr, .weight_decay = task.weight_decay});
  const auto loss = [warmup](const Forecaster<Layer>& m, const Batch<float>& b) {
    const Range after{warmup, std::nullopt};
    return mse_loss(slice(m(Var<float>(b.values)), 0, after), slice(Var<float>(b.targets), 0, after));
  };
  Metadata metadata = model_metadata("next_value", o, recipe);
  metadata.set("encoder", encoder.to_json());
  Run run(o, recipe, o.model, metadata);
  run.options.monitor = valid.size() > 0 ? "valid/loss" : "train/loss";
  Trainer trainer(model, adam, loss, run.options);
  const auto chosen = [&] { return cut(valid.first - 1 - warmup, valid.last, valid.size() + warmup); };
  const auto result =
      valid.size() > 0 ? trainer.fit(batches, Batches<float>(chosen())) : trainer.fit(batches);
  if (!run.finished(result)) return Interrupt::kExitStatus;

  write_c_file(o.c_file, c_comment(encoder), model, encoder.features());
  Stream<float> stream = freeze(model, encoder.features());
  const Forecast forecast = roll_out(series.values, ahead, [&](double value, Index t) {
    const Tensor<float> x = encoder.encode(value, t);
    return encoder.decode(stream.step({x.data(), x.size()})[0]);
  });
  forecasts.emplace(forecasts.begin(), o.cell, forecast);
  fmt::print("\n{}\n{} steps beyond the end, each forecast read as the next input:\n",
             rmse_table(series, scored, forecasts), ahead);
  for (Index t = n; t < n + ahead; ++t)
    fmt::print("{:>8}  {:.4g}\n", series.time.label(t), forecast[static_cast<std::size_t>(t)]);
  if (!o.csv.empty()) write_table(o.csv, forecast_table(series, forecast));
  if (!o.picture.empty()) draw_plot(o.picture, forecast_plot(o.column, series, forecast, scored[0].first));
  return 0;
}

int run(int argc, const char* const* argv) {
  Options o;
  CLI::App app(kDescription, "next_value");
  app.footer(kFormat);
  add_choice(app, "--task", o.task, "default sunspots, or your own", "TASK", {"sunspots", "elnino", "toy"});
  app.add_option("--csv,--data", o.data, "your file, or a task's")->type_name("FILE");
  app.add_option("--column", o.column, "your file: what to forecast")->type_name("NAME");
  add_whole_number(app, "--period", o.period, "rows of a season, 12 for months", 2, 100000);
  add_whole_number(app, "--horizon", o.ahead, "steps to forecast beyond the end", 1, 100000);
  app.add_option("--csv-out", o.csv, "write time, truth and forecasts")->type_name("FILE");
  app.add_option("--model", o.model, "to write (default TASK.safetensors)")->type_name("FILE");
  add_training_options(app, o, TrainingDefaults::of({kTasks.begin(), kTasks.end()}));
  add_run_options(app, o, "forecast and truth");
  add_table_options(app, o.table);
  add_c_file_options(app, o.c_file);
  if (!parse_command_line(app, argc, argv)) return 0;
  if (o.task.empty()) o.task = o.data.empty() ? "sunspots" : "own";
  const Task& task = kTasks.at(o.task);
  if ((o.task == "own") == o.column.empty())
    throw ArgumentError("--column: expected with --csv FILE, and only with it");
  if (o.data.empty()) o.data = std::string(UNROLL_EXAMPLE_DATA) + task.file;
  if (o.column.empty()) o.column = task.column;
  if (o.model.empty()) o.model = o.task + ".safetensors";
  o.picture = std::exchange(o.plot, "");  // not for the training
  require_different_files(o, o.model,
                          {{"--csv", o.data},
                           {"--csv-out", o.csv},
                           {"--plot", o.picture},
                           {"--export-c", o.c_file.file},
                           {"--export-c", o.c_file.header()}});
  require_c_file(o.c_file);
  if (!o.picture.empty()) require_plot_path(o.picture);
  if (!o.csv.empty()) require_writable(o.csv);
  const Series series = read(o);
  return with_layer(o.cell, [&]<class Layer>() { return learn<Layer>(o, task, series); });
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("next_value", [&] { return unroll::examples::run(argc, argv); });
}
