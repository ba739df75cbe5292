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

// Names for steps at equal distances, those beyond a table's end too: years, quarters, months, or numbers
// from 1.
class TimeAxis {
 public:
  TimeAxis() = default;  // numbers
  // Of the columns year, year and quarter (1..4), or year and month (1..12, or English names: "January",
  // "jan") of a table whose rows follow one another; without a column year numbers. Throws FileError naming
  // the line of a step that is missing or out of order; Table::without leaves such a column out.
  static TimeAxis of(const Table& table);

  // Of step i from 0: "1921", "1990-Q3", "1996-02", "17", and its place for a picture: 1921, 1990.5,
  // 1996.083, 17.
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

// What is to be forecast from a window: the step `horizon` steps after its last, all `horizon` steps behind
// it as one vector, or at every step of it the one `horizon` steps later.
enum class WindowTarget { step_ahead, path_ahead, every_step };

struct WindowOptions {
  Index length = 0;   // T of every window
  Index stride = 1;   // steps from the beginning of one to that of the next
  Index horizon = 1;  // steps
  WindowTarget target = WindowTarget::step_ahead;
  std::vector<Index> columns = {};  // of the series that are forecast, K of them; none: all
};

// The windows of a series (N,I), oldest first: window w has the rows w stride ... w stride + length - 1 and
// the target (K), (horizon K) or (length,K). All that lie in the series with their targets are there. Throws
// ShapeError for a series without two axes or too short for one window, ArgumentError for options out of
// range.
template <class S>
SequenceDataset<S> windows(const Tensor<S>& series, const WindowOptions& options);

extern template SequenceDataset<float> windows(const Tensor<float>&, const WindowOptions&);
extern template SequenceDataset<double> windows(const Tensor<double>&, const WindowOptions&);

}  // namespace unroll
