// What a run leaves behind: a picture and a table of forecast against truth.
#pragma once

#include <string>

#include "examples/next_value/forecaster.hpp"
#include "examples/next_value/series.hpp"
#include "training/logs/plot.hpp"

namespace unroll::examples::next_value {

// Throws FileError unless path can be written. Leaves a file that is there as it is, and no new one.
void require_writable_path(const std::string& path);

// The truth from before the scored part on, the forecasts of it, and those beyond the end.
Plot forecast_plot(const std::string& cell, const Series& series, const Outcome& outcome);

// Writes "time,truth,one_step,ahead": a line for every step and for every step ahead; a cell is empty where
// there is no such value. Throws FileError.
void write_csv(const std::string& path, const Series& series, const Outcome& outcome);

}  // namespace unroll::examples::next_value
