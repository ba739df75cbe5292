#include "training/forecasting/forecasts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/errors.hpp"

namespace unroll {

Forecast roll_out(std::span<const double> x, Index ahead,
                  const std::function<double(double value, Index t)>& next) {
  if (x.empty() || ahead < 0) {
    throw ArgumentError(
        fmt::format("[roll_out] expected values and ahead >= 0, got {} and {}", x.size(), ahead));
  }
  if (!next) throw ArgumentError("[roll_out] next: expected a function, got none");
  const auto steps = x.size() + static_cast<std::size_t>(ahead);
  Forecast forecast{std::numeric_limits<double>::quiet_NaN()};
  for (std::size_t t = 0; t + 1 < steps; ++t) {
    forecast.push_back(next(t < x.size() ? x[t] : forecast[t], static_cast<Index>(t)));
  }
  return forecast;
}

std::string rmse_table(const Series& series, std::span<const SeriesPart> parts,
                       const NamedForecasts& forecasts) {
  std::vector<std::string> labels{"RMSE one step ahead"};
  for (const SeriesPart& part : parts) labels.push_back(part.name + " " + series.label(part));
  std::size_t width = 0;
  for (const std::string& label : labels) width = std::max(width, label.size());
  constexpr std::size_t kCell = 12;
  std::string text = fmt::format("{:<{}}", labels[0], width);
  for (const auto& [name, forecast] : forecasts) text += fmt::format("  {:>{}}", name, kCell);
  for (std::size_t row = 0; row < parts.size(); ++row) {
    text += fmt::format("\n{:<{}}", labels[row + 1], width);
    for (const auto& [name, forecast] : forecasts)
      text +=
          fmt::format("  {:>{}.4f}", rmse(series.values, forecast, parts[row].first, parts[row].last), kCell);
  }
  return text + "\n";
}

Table forecast_table(const Series& series, const Forecast& forecast) {
  std::vector<TableRow> rows;
  for (std::size_t i = 0; i < std::max(series.values.size(), forecast.size()); ++i) {
    const bool known = i < series.values.size();
    const std::string truth = known ? fmt::format("{:.9g}", series.values[i]) : "";
    const bool none = i >= forecast.size() || std::isnan(forecast[i]);
    const std::string value = none ? "" : fmt::format("{:.9g}", forecast[i]);
    rows.push_back({.line = i + 2,
                    .fields = {series.time.label(static_cast<Index>(i)), truth, known ? value : "",
                               known ? "" : value}});
  }
  return Table("forecast", {"time", "truth", "one_step", "ahead"}, std::move(rows));
}

Plot forecast_plot(const std::string& title, const Series& series, const Forecast& forecast, Index scored) {
  const Index n = series.size(), end = std::max(n, std::ssize(forecast));
  if (scored < 0 || scored >= n)
    throw ArgumentError(fmt::format("[forecast_plot] scored: expected a step of {}, got {}", n, scored));
  // Half as many steps before the scored ones.
  const Index first = std::max<Index>(0, scored - (n - scored) / 2);
  PlotCurve truth{.label = "truth", .color = "black"}, near{.label = "one step ahead", .color = "#d95f02"},
      ahead{.label = "beyond the end", .color = "#1b78be", .points = true};
  const auto add = [&](PlotCurve& curve, const std::vector<double>& values, Index i) {
    if (i >= std::ssize(values)) return;
    curve.x.push_back(series.time.place(i));
    curve.y.push_back(values[static_cast<std::size_t>(i)]);
  };
  for (Index i = first; i < n; ++i) {
    add(truth, series.values, i);
    add(near, forecast, i);
  }
  add(ahead, series.values, n - 1);  // where it begins
  for (Index i = n; i < end; ++i) add(ahead, forecast, i);
  PlotPanel panel{.title = title, .curves = {std::move(truth), std::move(near), std::move(ahead)}};
  panel.x_lines = {series.time.place(n - 1)};
  if (scored > first) panel.x_lines.push_back(series.time.place(scored));
  panel.x_range = std::pair(series.time.place(first), series.time.place(end - 1));
  return {.panels = {std::move(panel)}};
}

}  // namespace unroll
