#include "training/logs/csv_log.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "training/logs/csv_table.hpp"
#include "training/logs/scalar_names.hpp"

namespace unroll {
namespace {

std::string row_of(std::int64_t step, std::int64_t epoch, const std::vector<std::string>& columns,
                   std::span<const NamedScalar> values) {
  std::string row = fmt::format("{},{}", step, epoch);
  for (const std::string& column : columns) {
    const auto value = std::ranges::find(values, column, &NamedScalar::name);
    row += value == values.end() ? "," : fmt::format(",{}", value->value);
  }
  return row + "\n";
}

}  // namespace

CsvLog::CsvLog(const std::string& path) : file_(path, "CsvLog") {}

void CsvLog::scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) {
  detail::check_scalar_names("CsvLog", values, {"step", "epoch"});
  std::vector<std::string> columns = columns_;
  for (const NamedScalar& value : values) {
    if (std::ranges::find(columns, value.name) == columns.end()) columns.push_back(value.name);
  }
  const std::string row = row_of(step, epoch, columns, values);
  if (!started_) {
    file_.replace(detail::csv_header(columns) + row, true);
  } else if (columns.size() == columns_.size()) {
    file_.append(row);
  } else {
    const std::string old = file_.read();
    std::string wider = detail::csv_header(columns);
    const std::string empty(columns.size() - columns_.size(), ',');
    for (const detail::CsvRow& entry : detail::parse_csv_log(file_, old).rows) {
      wider.append(entry.text).append(empty).append("\n");
    }
    file_.replace(wider + row);
  }
  started_ = true;
  columns_ = std::move(columns);
}

void CsvLog::flush() { file_.sync(); }

void CsvLog::resume(std::int64_t step) {
  const std::string old = file_.read();
  detail::CsvTable table = detail::parse_csv_log(file_, old);
  std::string kept = table.found ? detail::csv_header(table.columns) : "";
  for (const detail::CsvRow& row : table.rows) {
    if (row.step <= step) kept.append(row.text).append("\n");
  }
  if (kept != old) file_.replace(kept);
  columns_ = std::move(table.columns);
  started_ = table.found;
}

}  // namespace unroll
