// TimeAxis: what the steps of a series are called.
#pragma once

#include <string>

#include "framework/tensor.hpp"

namespace unroll {

class Table;

// Names for steps at equal distances, those beyond a table's end too: years, months, or numbers from 1.
class TimeAxis {
 public:
  TimeAxis() = default;  // numbers
  // Of the columns year, or year and month, of a table whose rows follow one another; without a column year
  // numbers. Throws FileError naming the line of a step that is missing or out of order.
  static TimeAxis of(const Table& table);

  // Of step i from 0: "1921", "1996-02", "17", and its place for a picture: 1921, 1996.083, 17.
  std::string label(Index i) const;
  double place(Index i) const noexcept;

 private:
  bool years_ = false;
  Index first_ = 1, per_year_ = 1;  // of step 0, in steps: 12 * 1996 + 1
};

}  // namespace unroll
