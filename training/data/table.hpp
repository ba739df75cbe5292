// A strict reader for tables in delimiter-separated files (CSV, TSV), with errors that name file, line and
// column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

struct TableRow {
  std::size_t line;  // in the file, from 1; where the row begins
  std::vector<std::string> fields;
  std::string file = {};  // where the row is not from the table's own file
};

// What every field of a column is; an integer is a number, too, and everything is a text.
enum class ColumnType { integer, number, text };

// A table with a header line; every row has as many fields as the header.
class Table {
 public:
  Table(std::string path, std::vector<std::string> header, std::vector<TableRow> rows)
      : path_(std::move(path)), header_(std::move(header)), rows_(std::move(rows)) {}

  const std::string& path() const noexcept { return path_; }
  const std::vector<std::string>& header() const noexcept { return header_; }
  const std::vector<TableRow>& rows() const noexcept { return rows_; }
  std::size_t size() const noexcept { return rows_.size(); }

  // Position of the column of this name; find gives nothing where column throws FileError listing what there
  // is.
  std::size_t column(std::string_view name) const;
  std::optional<std::size_t> find(std::string_view name) const noexcept;

  // A field as a finite number in C notation ("-1.5e-3"), or as a whole number ("-12") of 64 bits. Throws
  // FileError "path:line: column 'x' want a finite number, got 'n/a'" for anything else, spaces too.
  double number(const TableRow& row, std::size_t column) const;
  std::int64_t integer(const TableRow& row, std::size_t column) const;

  // A whole column by its name; throws FileError as column, number and integer do, and for a text that is not
  // UTF-8.
  std::vector<double> numbers(std::string_view name) const;
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  // Columns side by side: (rows, names). Throws as above, and for a number too large for S.
  template <class S>
  Tensor<S> matrix(const std::vector<std::string>& names) const;
  // The narrowest type that every field of the column has. Throws FileError for a column that is not there.
  ColumnType type(std::string_view name) const;

  // "path:line", for messages about a row; the path is that of the row's file.
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

// Reads all .csv and .tsv files of a folder, in the order of their names, as one table with a further column
// in front that says where a row is from: the file's name without its end ("words/en.tsv": "en"). Throws
// FileError as above, for a folder that cannot be read or has no such file, and for a header that is not the
// first file's or has the further column already.
Table read_tables(const std::string& folder, const std::string& column);

// Writes a table, with tabs into a file that ends in .tsv, else with commas; fields are quoted where they
// must be. The file appears under its name when it is complete. Throws FileError when it cannot be written,
// ArgumentError for a row of another length than the header.
void write_table(const std::string& path, const Table& table);

extern template Tensor<float> Table::matrix<float>(const std::vector<std::string>&) const;
extern template Tensor<double> Table::matrix<double>(const std::vector<std::string>&) const;

}  // namespace unroll
