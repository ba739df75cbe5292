// What a run leaves behind: a picture and a table of forecast against truth.
#pragma once

#include <string>

#include "examples/next_value/forecaster.hpp"
#include "examples/next_value/series.hpp"

namespace unroll::examples::next_value {

// Throws FileError unless path ends in .png or .svg and can be written.
void require_plot_path(const std::string& path);
// Throws FileError unless path can be written. Leaves a file that is there as it is, and no new one.
void require_writable_path(const std::string& path);

// Writes the picture (.png or .svg) with gnuplot. Its script, which holds the data too, is path + ".gp" and
// is removed once the picture is there. Throws FileError when gnuplot is missing or fails; then the script
// stays.
void write_plot(const std::string& path, const std::string& cell, const Series& series,
                const Outcome& outcome);

// Writes "time,truth,one_step,ahead": a line for every step and for every step ahead; a cell is empty where
// there is no such value. Throws FileError.
void write_csv(const std::string& path, const Series& series, const Outcome& outcome);

}  // namespace unroll::examples::next_value
