#include "training/logs/csv_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

std::string cell_of(const std::string& name) {
  if (name.find_first_of(",\"\r\n") == name.npos) return name;
  std::string result = "\"";
  for (const char c : name) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

// The fields of the first record; `rest` becomes what follows it. Nothing when it is cut.
std::vector<std::string> take_header(const LogFile& file, std::string_view& rest) {
  std::vector<std::string> fields(1);
  bool inside = false, closed = false;  // of quotes
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (inside) {
      if (c != '"') {
        fields.back() += c;
      } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
        fields.back() += rest[++i];
      } else {
        inside = false;
        closed = true;
      }
    } else if (c == '"' && fields.back().empty() && !closed) {
      inside = true;
    } else if (c == ',') {
      fields.emplace_back();
      closed = false;
    } else if (c == '\n') {
      rest.remove_prefix(i + 1);
      return fields;
    } else if (c == '\r' && i + 1 < rest.size() && rest[i + 1] == '\n') {
      continue;  // an editor's line end
    } else if (closed || c == '"') {
      file.fail(1, "expected quotes around a whole name only");
    } else {
      fields.back() += c;
    }
  }
  return {};
}

template <class T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> fields;
  for (std::size_t end; (end = text.find(',')) != text.npos; text.remove_prefix(end + 1)) {
    fields.push_back(text.substr(0, end));
  }
  fields.push_back(text);
  return fields;
}

}  // namespace

CsvTable parse_csv_log(const LogFile& file, std::string_view text) {
  CsvTable table;
  std::string_view rest = text;
  std::vector<std::string> header = take_header(file, rest);
  if (header.empty()) return table;
  if (header.size() < 2 || header[0] != "step" || header[1] != "epoch") {
    file.fail(1, "expected a table of this log, which begins with step,epoch (another program's file?)");
  }
  table.found = true;
  table.columns.assign(header.begin() + 2, header.end());
  const std::string_view first = text.substr(0, text.size() - rest.size());
  auto line = static_cast<std::size_t>(std::count(first.begin(), first.end(), '\n'));
  for (std::string_view row : whole_lines(rest)) {
    ++line;
    if (row.ends_with('\r')) row.remove_suffix(1);
    const auto fields = static_cast<std::size_t>(std::count(row.begin(), row.end(), ',')) + 1;
    if (fields != header.size()) {
      file.fail(line, fmt::format("expected {} fields, got {}", header.size(), fields));
    }
    const std::string_view step = row.substr(0, row.find(',')), behind = row.substr(step.size() + 1),
                           epoch = behind.substr(0, behind.find(','));
    CsvRow entry{0, 0, row, line};
    if (!parse(step, entry.step))
      file.fail(line, fmt::format("expected a step, got {}", unroll::quoted(step)));
    if (!parse(epoch, entry.epoch))
      file.fail(line, fmt::format("expected an epoch, got {}", unroll::quoted(epoch)));
    table.rows.push_back(entry);
  }
  return table;
}

std::vector<std::optional<double>> csv_values(const LogFile& file, const CsvTable& table, const CsvRow& row) {
  const auto fields = split(row.text);
  std::vector<std::optional<double>> values;
  for (std::size_t i = 2; i < fields.size(); ++i) {
    double value = 0.0;
    if (fields[i].empty()) {
      values.emplace_back();
    } else if (parse(fields[i], value)) {
      values.emplace_back(value);
    } else {
      file.fail(row.line, fmt::format("{}: expected a number, got {}", escaped(table.columns[i - 2], 60),
                                      unroll::quoted(fields[i])));
    }
  }
  return values;
}

std::string csv_header(const std::vector<std::string>& columns) {
  std::string line = "step,epoch";
  for (const std::string& name : columns) line += "," + cell_of(name);
  return line + "\n";
}

}  // namespace unroll::detail
