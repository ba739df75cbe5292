// Forecasts the next value of a series: sunspots, El Nino, 1 2 3 4, or the user's own.
#include <fmt/format.h>

#include <cstdio>

#include "examples/next_value/baselines.hpp"
#include "examples/next_value/forecaster.hpp"
#include "examples/next_value/options.hpp"
#include "examples/next_value/report.hpp"

namespace unroll::examples::next_value {
namespace {

std::string describe(const Series& series) {
  std::string text =
      fmt::format("{}: {} values; train {}", series.name, series.size(), series.label(series.train));
  if (series.valid.size() > 0) text += fmt::format(", valid {}", series.label(series.valid));
  return text + "\n";
}

struct Column {
  std::string name;
  OneStep forecast;
};

// A line for every part that is scored, a column for every forecast.
std::string score_table(const Series& series, const std::vector<Column>& columns) {
  constexpr std::size_t kLabel = 26, kCell = 11;
  std::string text = fmt::format("{:<{}}", "RMSE one step ahead", kLabel);
  for (const Column& column : columns) text += fmt::format("  {:>{}}", column.name, kCell);
  text += "\n";
  for (const Part& part : series.tests) {
    text += fmt::format("{:<{}}", fmt::format("{} {}", part.name, series.label(part)), kLabel);
    for (const Column& column : columns)
      text += fmt::format("  {:>{}.4f}", rmse(series, column.forecast, part), kCell);
    text += "\n";
  }
  return text;
}

int run(int argc, const char* const* argv) {
  const auto options = parse_options(argc, argv);
  if (!options) return 0;
  if (!options->plot.empty()) require_plot_path(options->plot);
  if (!options->csv_out.empty()) require_writable_path(options->csv_out);
  const Series series = options->load();
  const Recipe recipe = options->recipe(series);
  const std::size_t order = options->ar_order(series);

  std::vector<Column> columns{{recipe.cell, {}}, {"persistence", persistence(series)}};
  if (series.period > 0) {
    columns.push_back({"season+AR(1)", climatology(series, series.train.last)});
  } else {
    columns.push_back({fmt::format("AR({})", order), autoregression(series, order, series.train.last)});
  }

  fmt::print("{}\n", describe(series));
  const auto on_start = [](const std::string& summary) {
    fmt::print("{}\n", summary);
    std::fflush(stdout);
  };
  const Outcome outcome =
      train_and_forecast(series, recipe, options->steps_ahead(), {.on_start = on_start, .progress = true});
  if (Interrupt::requested()) fmt::print("interrupted after {} epochs\n", outcome.history.size());
  columns[0].forecast = outcome.one_step;
  if (series.valid.size() > 0) fmt::print("\nbest epoch {}\n", outcome.best_epoch);
  fmt::print("\n{}", score_table(series, columns));
  fmt::print("\n{} steps beyond the end, each forecast read as the next input:\n", outcome.ahead.size());
  for (std::size_t k = 0; k < outcome.ahead.size(); ++k) {
    fmt::print("{:>8}  {:.4g}\n", series.label(series.size() + k), outcome.ahead[k]);
  }
  if (!options->csv_out.empty()) {
    write_csv(options->csv_out, series, outcome);
    fmt::print("\ntable in {}\n", options->csv_out);
  }
  if (!options->plot.empty()) {
    draw_plot(options->plot, forecast_plot(recipe.cell, series, outcome));
    fmt::print("\npicture in {}\n", options->plot);
  }
  return Interrupt::requested() ? Interrupt::kExitStatus : 0;
}

}  // namespace
}  // namespace unroll::examples::next_value

int main(int argc, char** argv) {
  return unroll::examples::run_program("next_value",
                                       [&] { return unroll::examples::next_value::run(argc, argv); });
}
