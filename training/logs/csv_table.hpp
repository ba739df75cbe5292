// What a CsvLog has written, read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "training/logs/log_file.hpp"

namespace unroll::detail {

struct CsvRow {
  std::int64_t step, epoch;
  std::string_view text;  // the line, without its end
  std::size_t line;       // from 1
};

struct CsvTable {
  bool found = false;                // a whole header
  std::vector<std::string> columns;  // after step and epoch
  std::vector<CsvRow> rows;          // without one that was torn by a crash
};

// Throws the file's FileError unless text is a CsvLog's. text lives as long as the table.
CsvTable parse_csv_log(const LogFile& file, std::string_view text);
// The row's values, one for every column; nothing where the cell is empty. Throws as above.
std::vector<std::optional<double>> csv_values(const LogFile& file, const CsvTable& table, const CsvRow& row);
// The first line, with its end.
std::string csv_header(const std::vector<std::string>& columns);

}  // namespace unroll::detail
