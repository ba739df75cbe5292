// CsvLog: a run's scalars as a CSV file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "training/logs/log.hpp"
#include "training/logs/log_file.hpp"

namespace unroll {

// The header has the names step, epoch and those of the values, in order of appearance. Every call of
// scalars() adds a row; missing values are empty cells. A new name adds a column: the file is rewritten and
// replaced atomically. Names are quoted as in RFC 4180. Numbers have enough digits to restore the same
// double, or are nan, inf and -inf. Lines end in \n.
//
// A row is in the file when scalars() returns, and on disk when flush() does. Without resume() the first row
// replaces an old file. resume() keeps the rows up to that step and removes a last row that a crash cut; a
// missing file is created. Histograms and texts are ignored.
class CsvLog : public Log {
 public:
  // Throws FileError when the file cannot be written.
  explicit CsvLog(const std::string& path);

  // Throws FileError, and ArgumentError for a name that is empty, "step", "epoch" or repeated; the file is
  // then unchanged.
  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  void flush() override;
  // Throws FileError with the line for another kind of file, which is then unchanged.
  void resume(std::int64_t step) override;
  std::string path() const override { return file_.path(); }

 private:
  detail::LogFile file_;
  void set_columns(std::vector<std::string> columns);

  std::vector<std::string> columns_;                    // after step and epoch
  std::unordered_map<std::string, std::size_t> index_;  // their positions
  bool started_ = false;
};

}  // namespace unroll
