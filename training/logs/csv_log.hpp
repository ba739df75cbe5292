// A run's scalars as a CSV file.
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

// A line of names (step, epoch, then those of the values, in order of appearance), and a row for every call
// of scalars(); a value that a call does not have is an empty cell. A name that was not there before widens
// the table: the file is written anew beside the old one and takes its place in one step. Names are quoted as
// in RFC 4180; numbers have the digits that give the same double back, or are nan, inf and -inf. Lines end in
// \n.
//
// A row is in the file when scalars() returns, and on disk when flush() does. A run that does not resume()
// replaces an old file with its first row; one that does keeps the rows up to that step and mends a last row
// that a crash has cut; a file that is not there is a new one. Histograms and texts are left out.
class CsvLog : public Log {
 public:
  // Throws FileError when the file cannot be written.
  explicit CsvLog(const std::string& path);

  // Throws FileError, and ArgumentError for a name that is empty, "step", "epoch" or there twice; the file is
  // then as before.
  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  void flush() override;
  // Throws FileError with the line for a file that is not such a table; it is then as before.
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
