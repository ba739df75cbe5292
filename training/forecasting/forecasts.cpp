#include "training/forecasting/forecasts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xtensor.hpp>

#include "framework/errors.hpp"
#include "framework/kernels/blas.hpp"

namespace unroll {
namespace {

constexpr Index kOrder = 9;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Forecast persistence(std::span<const double> x) {
  Forecast forecast(x.size(), kNone);
  for (std::size_t i = 1; i < x.size(); ++i) forecast[i] = x[i - 1];
  return forecast;
}

Forecast autoregression(std::span<const double> x, Index order, Index fitted) {
  if (order < 1 || fitted > std::ssize(x) || fitted / 2 < order || fitted < 2 * order + 1) {
    throw ArgumentError(
        fmt::format("[autoregression] expected order >= 1 and at least 2 order + 1 values to fit, got order "
                    "{} and {} of {} values",
                    order, fitted, x.size()));
  }
  const auto p = static_cast<std::size_t>(order), n = static_cast<std::size_t>(fitted);
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) {
      throw ArgumentError(
          fmt::format("[autoregression] x: expected finite numbers to fit, got {} at {}", x[i], i));
    }
  }
  // Row i: 1, x_{i-1} .. x_{i-p}.
  xt::xtensor<double, 2> rows({n - p, p + 1}, 1.0);
  xt::xtensor<double, 1> targets({n - p}, 0.0);
  for (std::size_t i = p; i < n; ++i) {
    for (std::size_t k = 1; k <= p; ++k) rows(i - p, k) = x[i - k];
    targets(i - p) = x[i];
  }
  const kernel::BlasUse blas;
  const auto a = std::get<0>(xt::linalg::lstsq(rows, targets));
  Forecast forecast(x.size(), kNone);
  for (std::size_t i = p; i < x.size(); ++i) {
    forecast[i] = a(0);
    for (std::size_t k = 1; k <= p; ++k) forecast[i] += a(k) * x[i - k];
  }
  return forecast;
}

Forecast seasonal_autoregression(std::span<const double> x, Index period, Index fitted) {
  if (period < 1 || fitted / 2 < period || fitted > std::ssize(x)) {
    throw ArgumentError(fmt::format(
        "[seasonal_autoregression] expected at least two whole periods of {} to fit, got {} of {} values",
        period, fitted, x.size()));
  }
  const auto cycle = static_cast<std::size_t>(period), n = static_cast<std::size_t>(fitted);
  std::vector<double> mean(cycle, 0.0), count(cycle, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    mean[i % cycle] += x[i];
    count[i % cycle] += 1.0;
  }
  for (std::size_t k = 0; k < cycle; ++k) mean[k] /= count[k];
  const auto anomaly = [&](std::size_t i) { return x[i] - mean[i % cycle]; };
  double products = 0.0, squares = 0.0;
  for (std::size_t i = 1; i < n; ++i) {
    products += anomaly(i) * anomaly(i - 1);
    squares += anomaly(i - 1) * anomaly(i - 1);
  }
  const double phi = squares > 0.0 ? products / squares : 0.0;
  Forecast forecast(x.size(), kNone);
  for (std::size_t i = 1; i < x.size(); ++i) forecast[i] = mean[i % cycle] + phi * anomaly(i - 1);
  return forecast;
}

NamedForecasts baselines(std::span<const double> x, Index period, Index fitted) {
  NamedForecasts forecasts{{"persistence", persistence(x)}};
  if (period > 0) {
    forecasts.emplace_back("season+AR(1)", seasonal_autoregression(x, period, fitted));
  } else {
    const Index order = std::min(kOrder, (fitted - 1) / 2);
    forecasts.emplace_back(fmt::format("AR({})", order), autoregression(x, order, fitted));
  }
  return forecasts;
}

double rmse(std::span<const double> x, std::span<const double> forecast, Index first, Index last) {
  if (first < 0 || last <= first || last > std::ssize(x) || last > std::ssize(forecast)) {
    throw ArgumentError(fmt::format("[rmse] expected steps of {} values and {} forecasts, got {} to {}",
                                    x.size(), forecast.size(), first, last));
  }
  double sum = 0.0;
  for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
    if (std::isnan(forecast[i]))
      throw ArgumentError(fmt::format("[rmse] expected a forecast of every step, got none of step {}", i));
    sum += (forecast[i] - x[i]) * (forecast[i] - x[i]);
  }
  return std::sqrt(sum / static_cast<double>(last - first));
}

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
