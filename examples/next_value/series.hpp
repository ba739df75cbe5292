// Time series: where the values come from, what the steps are called, and which part is for what.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unroll::examples::next_value {

// The steps first .. last-1 of a series.
struct Part {
  std::string name;
  std::size_t first = 0, last = 0;
  std::size_t size() const noexcept { return last - first; }
};

// Values at equal steps in time, oldest first.
struct Series {
  std::string name;    // of the quantity
  std::string source;  // the file, for messages
  std::vector<double> values;
  std::size_t period = 0;      // steps per season (12 for months); 0: none
  std::size_t first_year = 0;  // of values[0]; 0: steps are counted from 1
  std::size_t steps_per_year = 1;
  Part train, valid;        // learnt from; chooses the best epoch (may be empty)
  std::vector<Part> tests;  // scored

  std::size_t size() const noexcept { return values.size(); }
  // The place of step i, which may lie beyond the end, on a time axis: 1921, 1996.083, 17.
  double time(std::size_t i) const noexcept;
  // The same in words: "1921", "1996-02", "17".
  std::string label(std::size_t i) const;
  // "1921 to 1955"
  std::string label(const Part& part) const;
};

// Of a user's own series: the shares that are learnt from and that choose the best epoch (the rest is the
// test), and the steps per season (0: none).
struct SeriesOptions {
  double train = 0.7, valid = 0.15;
  std::size_t period = 0;
};

// 1 2 3 4: learnt, and scored on what was learnt.
Series toy_series();
// Yearly sunspot numbers 1700-2008 (columns split, year, sunspots). The rows called train and valid are
// learnt, those called test, test2 and test3 scored. Throws FileError naming file and line.
Series load_sunspots(const std::string& path);
// Monthly sea surface temperatures 1950-2010 (columns split, year, month, sst): train, valid, test. Throws as
// above.
Series load_elnino(const std::string& path);
// One column of a CSV file, cut in order into train, valid and test. Throws as above, and ArgumentError for a
// column that is not there, shares that leave no test, or fewer rows than 20.
Series load_column(const std::string& path, const std::string& column, const SeriesOptions& options);

}  // namespace unroll::examples::next_value
