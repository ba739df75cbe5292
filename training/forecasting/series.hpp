// Series: one column of a table as a time series, and what its parts are for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"
#include "training/data/split.hpp"
#include "training/forecasting/time_axis.hpp"

namespace unroll {

class Table;

// The steps first .. last-1.
struct SeriesPart {
  std::string name;
  Index first = 0, last = 0;
  Index size() const noexcept { return last - first; }
  bool operator==(const SeriesPart&) const = default;
};

struct Series {
  std::vector<double> values;     // oldest first
  TimeAxis time;                  // of the table's columns year, quarter and month, or numbers
  std::vector<SeriesPart> parts;  // one behind the other, all steps

  Index size() const noexcept { return std::ssize(values); }
  // The part of this name; one of no steps, behind the end, where there is none.
  SeriesPart part(std::string_view name) const;
  // "1921 to 1955"
  std::string label(const SeriesPart& part) const;
};

// The column of the table. Its column split names the parts, in words of its own; without one they are train,
// valid and test, with these shares. Throws FileError naming file and line for what is no finite number and
// for rows of one part that are not side by side, the file where there are too few rows for the shares, and
// as TimeAxis::of; ArgumentError for shares out of range.
Series read_series(const Table& table, std::string_view column, const SplitFractions& shares = {});

}  // namespace unroll
