// The command line of next_value.
#pragma once

#include <optional>
#include <string>

#include "examples/next_value/forecaster.hpp"
#include "examples/next_value/series.hpp"
#include "examples/support/cli.hpp"

namespace unroll::examples::next_value {

enum class Task { sunspots, elnino, toy, own };
const char* to_string(Task task) noexcept;

struct Options {
  std::optional<std::string> task_name;
  std::string data, column;  // empty: the shipped file
  std::optional<Index> period, horizon, order, window;
  std::optional<double> train, valid;
  TrainingOptions training;
  std::string plot, csv_out;  // empty: none

  Task task() const;
  Series load() const;
  // What the task asks for, changed by the options; fits the series.
  Recipe recipe(const Series& series) const;
  std::size_t steps_ahead() const;
  // Of the autoregressive baseline.
  std::size_t ar_order(const Series& series) const;
};

// Nothing when --help has been answered. Throws ArgumentError.
std::optional<Options> parse_options(int argc, const char* const* argv);

}  // namespace unroll::examples::next_value
