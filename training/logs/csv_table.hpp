// What a CsvLog has written, read back. For .cpp files.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/number_text.hpp"
#include "framework/quoted.hpp"
#include "training/data/table_scanner.hpp"
#include "training/logs/log_file.hpp"

namespace unroll::detail {

class CsvTable {
 public:
  struct Row {
    std::int64_t step, epoch;
    std::string_view text;  // the line, without its end
    std::size_t line;       // from 1
  };

  // Throws the file's FileError unless contents are a CsvLog's. They and the file outlive the table.
  CsvTable(const LogFile& file, std::string_view contents) : file_(file) {
    store_.text = contents.substr(0, contents.rfind('\n') + 1);  // what follows it was torn by a crash
    TableScanner scanner(store_, ',');
    try {
      if (!scanner.next_row()) return;
      take_header(scanner);
      while (scanner.next_row()) take_row(scanner, contents);
    } catch (const ScanError& error) {
      if (error.at_end && !found) return;  // the header is torn
      file.fail(error.line, "expected quotes around a whole name only");
    }
  }

  bool found = false;                // a whole header
  std::vector<std::string> columns;  // after step and epoch
  std::vector<Row> rows;             // without one that was torn by a crash

  // Nothing where the cell is empty. Throws as above for what is no number.
  std::optional<double> value(std::size_t row, std::size_t column) const {
    const std::string_view field = store_.field(row, column + 2);
    if (field.empty()) return std::nullopt;
    const auto number = parse_number<double>(field);
    if (!number) {
      file_.fail(rows[row].line, fmt::format("{}: expected a number, got {}", escaped(columns[column], 60),
                                             unroll::quoted(field)));
    }
    return number;
  }

 private:
  void take_header(TableScanner& scanner) {
    store_.columns = scanner.fields();
    if (store_.columns < 2 || store_.field(0, 0) != "step" || store_.field(0, 1) != "epoch") {
      file_.fail(1, "expected a table of this log, which begins with step,epoch (another program's file?)");
    }
    for (std::size_t c = 2; c < store_.columns; ++c) columns.emplace_back(store_.field(0, c));
    found = true;
    scanner.drop_fields();
  }

  void take_row(const TableScanner& scanner, std::string_view contents) {
    const std::size_t line = scanner.line();
    if (scanner.fields() != store_.columns) {
      file_.fail(line, fmt::format("expected {} fields, got {}", store_.columns, scanner.fields()));
    }
    std::string_view text = contents.substr(scanner.begin(), scanner.end() - scanner.begin() - 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    rows.push_back({whole_number(0, line, "a step"), whole_number(1, line, "an epoch"), text, line});
  }

  // In the row after those that are taken.
  std::int64_t whole_number(std::size_t column, std::size_t line, const char* what) const {
    const std::string_view field = store_.field(rows.size(), column);
    const auto number = parse_number<std::int64_t>(field);
    if (!number) file_.fail(line, fmt::format("expected {}, got {}", what, unroll::quoted(field)));
    return *number;
  }

  const LogFile& file_;
  FieldStore store_;  // of the rows
};

}  // namespace unroll::detail
