// Forecasts of a series: baselines, roll-outs beyond its end, scores, tables and pictures.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "framework/tensor.hpp"
#include "training/data/table.hpp"
#include "training/forecasting/series.hpp"
#include "training/logs/plot.hpp"

namespace unroll {

// One step ahead: element i is the forecast of value i from the values before it, NaN if there is none.
using Forecast = std::vector<double>;

// f_i = x_{i-1}
Forecast persistence(std::span<const double> x);

// f_i = c + a_1 x_{i-1} + .. + a_p x_{i-p}, fitted to the first `fitted` values by least squares. Throws
// ArgumentError unless order >= 1 and there are at least 2 order + 1 values to fit, all finite.
Forecast autoregression(std::span<const double> x, Index order, Index fitted);

// f_i = m_i + phi (x_{i-1} - m_{i-1}), where m_i is the mean of the first `fitted` values at the same phase
// of the period, and phi is fitted to them. Throws ArgumentError for fewer than two periods.
Forecast seasonal_autoregression(std::span<const double> x, Index period, Index fitted);

// Persistence and, with a period, the seasonal autoregression, or else an autoregression of order 9 (lower
// for fewer than 19 values), with names for tables: "AR(9)". Throws as they do.
using NamedForecasts = std::vector<std::pair<std::string, Forecast>>;
NamedForecasts baselines(std::span<const double> x, Index period, Index fitted);

// Root mean squared error over the steps first .. last-1. Throws ArgumentError for no steps, steps outside of
// either, and a missing forecast.
double rmse(std::span<const double> x, std::span<const double> forecast, Index first, Index last);

// Forecasts one step ahead through the whole series, then `ahead` steps beyond its end from its own
// forecasts. next(value, t) gets the value of step t and returns the forecast of step t+1; it is called once
// per step, in order, so it may be the step of a Stream. Throws ArgumentError for no values and ahead < 0.
Forecast roll_out(std::span<const double> x, Index ahead,
                  const std::function<double(double value, Index t)>& next);

// The rmse of every forecast (columns) in every part (lines). Throws as rmse.
std::string rmse_table(const Series& series, std::span<const SeriesPart> parts,
                       const NamedForecasts& forecasts);

// Rows "time,truth,one_step,ahead" for write_table, one per step, including those beyond the end; missing
// values are empty fields.
Table forecast_table(const Series& series, const Forecast& forecast);

// Truth and forecast around and after the step `scored`; vertical lines mark it and the end of the series.
// Throws ArgumentError unless the step is in the series.
Plot forecast_plot(const std::string& title, const Series& series, const Forecast& forecast, Index scored);

}  // namespace unroll
