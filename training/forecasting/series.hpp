// Series: one column of a table as a time series: the names of its steps, its parts and windows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"
#include "training/data/sequences.hpp"
#include "training/data/split.hpp"

namespace unroll {

class Table;

// Names of equidistant steps, also beyond the end of a table: years, quarters, months, or numbers from 1.
class TimeAxis {
 public:
  TimeAxis() = default;  // numbers
  // From the columns year, year and quarter (1..4), or year and month (1..12 or English: "January", "jan");
  // without a column year numbers. Throws FileError naming the line of a step that is missing or out of
  // order; remove the column with Table::without.
  static TimeAxis of(const Table& table);

  // The name of step i (from 0), "1921", "1990-Q3", "1996-02" or "17", and its x coordinate, 1921, 1990.5,
  // 1996.083 or 17.
  std::string label(Index i) const;
  double place(Index i) const noexcept;

 private:
  bool years_ = false;
  Index first_ = 1, per_year_ = 1;  // of step 0, in steps: 12 * 1996 + 1
};

// The steps first .. last-1.
struct SeriesPart {
  std::string name;
  Index first = 0, last = 0;
  Index size() const noexcept { return last - first; }
  bool operator==(const SeriesPart&) const = default;
};

struct Series {
  std::vector<double> values;  // oldest first
  TimeAxis time;
  std::vector<SeriesPart> parts;  // consecutive, all steps

  Index size() const noexcept { return std::ssize(values); }
  // The part of this name, or an empty part at the end if there is none.
  SeriesPart part(std::string_view name) const;
  // "1921 to 1955"
  std::string label(const SeriesPart& part) const;
};

// Reads a column. The table's column split names the parts, in any words; without it they are train, valid
// and test with these fractions. Throws FileError as TimeAxis::of, for values that are not finite, for parts
// that are not contiguous and for too few rows; ArgumentError for fractions out of range.
Series read_series(const Table& table, std::string_view column, const SplitFractions& shares = {});

// The target of a window: the step `horizon` steps after its last, all `horizon` steps after it as one
// vector, or, at each of its steps, the step `horizon` steps later.
enum class WindowTarget { step_ahead, path_ahead, every_step };

struct WindowOptions {
  Index length = 0;   // T of every window
  Index stride = 1;   // steps from one window to the next
  Index horizon = 1;  // steps
  WindowTarget target = WindowTarget::step_ahead;
  std::vector<Index> columns = {};  // the K forecast columns of the series; none: all
};

// All windows of a series (N,I) that fit in it with their targets, oldest first: window w has the rows
// w stride .. w stride + length - 1 and a target (K), (horizon K) or (length,K). Throws ShapeError for
// another rank and a series that is too short for one window, ArgumentError for options out of range.
template <class S>
SequenceDataset<S> windows(const Tensor<S>& series, const WindowOptions& options);

}  // namespace unroll
