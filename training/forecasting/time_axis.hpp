// TimeAxis: what the steps of a series are called.
#pragma once

#include <string>

#include "framework/tensor.hpp"

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

}  // namespace unroll
