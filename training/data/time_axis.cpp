#include "training/data/time_axis.hpp"

#include <fmt/format.h>

#include "training/data/table.hpp"

namespace unroll {

TimeAxis TimeAxis::of(const Table& table) {
  TimeAxis axis;
  const auto year = table.find("year"), month = table.find("month");
  if (!year) return axis;
  axis.years_ = true;
  axis.per_year_ = month ? 12 : 1;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const TableRow& row = table.rows()[i];
    const Index y = table.integer(row, *year), m = month ? table.integer(row, *month) : 1;
    if (y < 1 || y > 9999) table.fail(row, fmt::format("column 'year' want 1..9999, got {}", y));
    if (m < 1 || m > 12) table.fail(row, fmt::format("column 'month' want 1..12, got {}", m));
    const Index step = y * axis.per_year_ + m - 1;
    if (i == 0) axis.first_ = step;
    if (const auto want = axis.first_ + static_cast<Index>(i); step != want) {
      table.fail(row, fmt::format("want {} (steps follow one another), got {}",
                                  axis.label(want - axis.first_), axis.label(step - axis.first_)));
    }
  }
  return axis;
}

std::string TimeAxis::label(Index i) const {
  const Index step = first_ + i;
  if (!years_ || per_year_ == 1) return std::to_string(step);
  return fmt::format("{}-{:02}", step / per_year_, step % per_year_ + 1);
}

double TimeAxis::place(Index i) const noexcept {
  return static_cast<double>(first_ + i) / static_cast<double>(per_year_);
}

}  // namespace unroll
