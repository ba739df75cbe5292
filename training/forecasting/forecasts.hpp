// Forecasts of a series: rolled out beyond its end, scored, as a table and as a picture.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "training/data/table.hpp"
#include "training/forecasting/baselines.hpp"
#include "training/forecasting/series.hpp"
#include "training/logs/plot.hpp"

namespace unroll {

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
