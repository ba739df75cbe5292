#include "training/logs/csv_log.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "training/logs/csv_table.hpp"

namespace unroll {
namespace {

// The first line, with its end.
std::string header_of(const std::vector<std::string>& columns) {
  std::string line = "step,epoch";
  for (const std::string& name : columns) {
    line += ',';
    if (name.find_first_of(",\"\r\n") == name.npos) {
      line += name;
    } else {
      detail::append_quoted(line, name);
    }
  }
  return line + "\n";
}

// Cells without a value are empty.
std::string row_of(std::int64_t step, std::int64_t epoch, const std::vector<const double*>& cells) {
  std::string row = fmt::format("{},{}", step, epoch);
  for (const double* value : cells) {
    row += ',';
    if (value != nullptr) fmt::format_to(std::back_inserter(row), "{}", *value);
  }
  return row + "\n";
}

}  // namespace

CsvLog::CsvLog(const std::string& path) : file_(path, "CsvLog") {}

void CsvLog::scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) {
  detail::check_scalar_names("CsvLog", values, {"step", "epoch"});
  std::vector<const double*> cells(columns_.size(), nullptr);
  std::vector<std::string> fresh;
  for (const NamedScalar& value : values) {
    if (const auto found = index_.find(value.name); found != index_.end()) {
      cells[found->second] = &value.value;
    } else {
      fresh.push_back(value.name);
      cells.push_back(&value.value);
    }
  }
  const std::string row = row_of(step, epoch, cells);
  if (started_ && fresh.empty()) {
    file_.append(row);
    return;
  }
  std::vector<std::string> columns = columns_;
  columns.insert(columns.end(), fresh.begin(), fresh.end());
  std::string table = header_of(columns);
  if (!started_) {
    file_.replace(table + row, true);
  } else {
    const std::string old = file_.read();
    const std::string empty(fresh.size(), ',');
    for (const auto& entry : detail::CsvTable(file_, old).rows) {
      table.append(entry.text).append(empty).append("\n");
    }
    file_.replace(table + row);
  }
  started_ = true;
  set_columns(std::move(columns));
}

void CsvLog::set_columns(std::vector<std::string> columns) {
  columns_ = std::move(columns);
  index_.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) index_.emplace(columns_[i], i);
}

void CsvLog::flush() { file_.sync(); }

void CsvLog::resume(std::int64_t step) {
  const std::string old = file_.read();
  detail::CsvTable table(file_, old);
  std::string kept = table.found ? header_of(table.columns) : "";
  for (const auto& row : table.rows) {
    if (row.step <= step) kept.append(row.text).append("\n");
  }
  if (kept != old) file_.replace(kept);
  set_columns(std::move(table.columns));
  started_ = table.found;
}

}  // namespace unroll
