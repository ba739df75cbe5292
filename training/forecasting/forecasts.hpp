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

// One step ahead: element i is the forecast of value i from the values before it, NaN where there is none.
using Forecast = std::vector<double>;

// f_i = x_{i-1}
Forecast persistence(std::span<const double> x);

// f_i = c + a_1 x_{i-1} + .. + a_p x_{i-p}, by least squares over the first `fitted` values. Throws
// ArgumentError unless order >= 1 and at least 2 order + 1 values are there to fit, all of them finite.
Forecast autoregression(std::span<const double> x, Index order, Index fitted);

// f_i = m_i + phi (x_{i-1} - m_{i-1}), where m_i is the mean of the first `fitted` values at the same place
// of the period, and phi by least squares over them. Throws ArgumentError for fewer than two whole periods.
Forecast seasonal_autoregression(std::span<const double> x, Index period, Index fitted);

// Persistence and, with a period, the seasonal autoregression, else an autoregression of order 9, or lower
// for fewer than 19 values, each with a name for tables: "AR(9)". Throws as they do.
using NamedForecasts = std::vector<std::pair<std::string, Forecast>>;
NamedForecasts baselines(std::span<const double> x, Index period, Index fitted);

// Root of the mean squared error over the steps first .. last-1. Throws ArgumentError for no steps, steps
// that are not in both, and where a forecast is missing.
double rmse(std::span<const double> x, std::span<const double> forecast, Index first, Index last);

// One step ahead through the whole series, and so many steps beyond its end, where every forecast is read as
// the next value. next(value, t) is called once for each step, in order, with the value of step t and gives
// the forecast of step t+1: a Stream's step, say. Throws ArgumentError for no values and ahead < 0.
Forecast roll_out(std::span<const double> x, Index ahead,
                  const std::function<double(double value, Index t)>& next);

// A line for every part, a column for every forecast with its rmse there. Throws as rmse.
std::string rmse_table(const Series& series, std::span<const SeriesPart> parts,
                       const NamedForecasts& forecasts);

// Rows "time,truth,one_step,ahead", for write_table: a line for every step, those beyond the end too; a field
// is empty where there is no such value.
Table forecast_table(const Series& series, const Forecast& forecast);

// Truth and forecast around and after the step `scored`, which an upright line marks as it does the end.
// Throws ArgumentError unless the step is one of the series'.
Plot forecast_plot(const std::string& title, const Series& series, const Forecast& forecast, Index scored);

}  // namespace unroll
