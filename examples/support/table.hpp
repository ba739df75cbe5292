// A strict reader for small tables in delimiter-separated files, with errors that name the file and the line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::examples {

struct TableRow {
  std::size_t line;  // in the file, from 1; where the row begins
  std::vector<std::string> fields;
};

// A table with a header line; every row has as many fields as the header.
class Table {
 public:
  Table(std::string path, std::vector<std::string> header, std::vector<TableRow> rows)
      : path_(std::move(path)), header_(std::move(header)), rows_(std::move(rows)) {}

  const std::string& path() const noexcept { return path_; }
  const std::vector<std::string>& header() const noexcept { return header_; }
  const std::vector<TableRow>& rows() const noexcept { return rows_; }

  // Position of the column of this name; find gives nothing where column throws FileError listing what there
  // is.
  std::size_t column(std::string_view name) const;
  std::optional<std::size_t> find(std::string_view name) const noexcept;
  // A field as a finite number in C notation ("-1.5e-3"). Throws FileError naming line and column for
  // anything else.
  double number(const TableRow& row, std::size_t column) const;
  // "path:line", for messages about a row.
  std::string where(const TableRow& row) const;
  // Throws FileError "path:line: message", for what only the caller can judge.
  [[noreturn]] void fail(const TableRow& row, std::string_view message) const;

 private:
  std::string path_;
  std::vector<std::string> header_;
  std::vector<TableRow> rows_;
};

// Reads a file of lines "a,b,c", the first one the header. Without a delimiter given a tab separates if the
// header holds one, else a comma. A field may be quoted ("a ""b"", c") and then hold anything; a line ends in
// "\n" or "\r\n"; a UTF-8 byte order mark is skipped. Throws FileError for a file that is missing or empty,
// has no rows, two columns of one name, a row of another length than the header, or misplaced quotes.
Table read_table(const std::string& path, std::optional<char> delimiter = std::nullopt);

}  // namespace unroll::examples
