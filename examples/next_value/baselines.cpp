#include "examples/next_value/baselines.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xtensor.hpp>

#include "framework/errors.hpp"

namespace unroll::examples::next_value {

namespace {
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
}

double rmse(const Series& series, const OneStep& forecast, const Part& part) {
  double sum = 0.0;
  for (std::size_t i = part.first; i < part.last; ++i) {
    if (std::isnan(forecast[i])) {
      throw ArgumentError(fmt::format("[rmse] want a forecast for every step of '{}', got none for step {}",
                                      part.name, series.label(i)));
    }
    sum += (forecast[i] - series.values[i]) * (forecast[i] - series.values[i]);
  }
  return std::sqrt(sum / static_cast<double>(part.size()));
}

OneStep persistence(const Series& series) {
  OneStep forecast(series.size(), kNone);
  for (std::size_t i = 1; i < series.size(); ++i) forecast[i] = series.values[i - 1];
  return forecast;
}

OneStep autoregression(const Series& series, std::size_t order, std::size_t fitted) {
  const auto& x = series.values;
  if (order < 1 || fitted > x.size() || fitted < 2 * order + 1) {
    throw ArgumentError(fmt::format(
        "[autoregression] want order >= 1 and at least 2 order + 1 values to fit, got order {} and {} "
        "values",
        order, fitted));
  }
  // Row i: 1, x_{i-1} .. x_{i-p}.
  xt::xtensor<double, 2> rows({fitted - order, order + 1}, 1.0);
  xt::xtensor<double, 1> targets({fitted - order}, 0.0);
  for (std::size_t i = order; i < fitted; ++i) {
    for (std::size_t k = 1; k <= order; ++k) rows(i - order, k) = x[i - k];
    targets(i - order) = x[i];
  }
  const auto a = std::get<0>(xt::linalg::lstsq(rows, targets));

  OneStep forecast(x.size(), kNone);
  for (std::size_t i = order; i < x.size(); ++i) {
    forecast[i] = a(0);
    for (std::size_t k = 1; k <= order; ++k) forecast[i] += a(k) * x[i - k];
  }
  return forecast;
}

OneStep climatology(const Series& series, std::size_t fitted) {
  const auto& x = series.values;
  if (series.period < 1 || fitted < 2 * series.period || fitted > x.size()) {
    throw ArgumentError(fmt::format(
        "[climatology] want at least two whole periods of {} to fit, got {} values", series.period, fitted));
  }
  std::vector<double> mean(series.period, 0.0), count(series.period, 0.0);
  for (std::size_t i = 0; i < fitted; ++i) {
    mean[i % series.period] += x[i];
    count[i % series.period] += 1.0;
  }
  for (std::size_t k = 0; k < series.period; ++k) mean[k] /= count[k];
  const auto anomaly = [&](std::size_t i) { return x[i] - mean[i % series.period]; };

  double products = 0.0, squares = 0.0;
  for (std::size_t i = 1; i < fitted; ++i) {
    products += anomaly(i) * anomaly(i - 1);
    squares += anomaly(i - 1) * anomaly(i - 1);
  }
  const double phi = squares > 0.0 ? products / squares : 0.0;
  OneStep forecast(x.size(), kNone);
  for (std::size_t i = 1; i < x.size(); ++i) forecast[i] = mean[i % series.period] + phi * anomaly(i - 1);
  return forecast;
}

}  // namespace unroll::examples::next_value
