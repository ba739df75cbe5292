#include "examples/support/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "framework/errors.hpp"

namespace unroll::examples {
namespace {

[[noreturn]] void fail_at(const std::string& path, std::size_t line, std::string_view message) {
  throw FileError(fmt::format("{}:{}: {}", path, line, message));
}

std::string read_file(const std::string& path) {
  if (std::filesystem::is_directory(path))
    throw FileError(fmt::format("{}: want a file, got a directory", path));
  std::ifstream file(path, std::ios::binary);
  if (!file) throw FileError(fmt::format("{}: want a readable file, got: {}", path, std::strerror(errno)));
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text.empty()) throw FileError(fmt::format("{}: want a header line, got an empty file", path));
  return text;
}

// Cuts text into rows and fields.
class Scanner {
 public:
  Scanner(const std::string& path, std::string_view text, char delimiter)
      : path_(path), text_(text), delimiter_(delimiter) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
  }

  bool done() const noexcept { return at_ == text_.size(); }

  TableRow next_row() {
    TableRow row{line_, {}};
    do {
      row.fields.push_back(next_field());
    } while (skip(delimiter_));
    if (!end_of_line())
      fail_at(path_, line_, "want a delimiter or the end of the line after a quoted field, got more");
    return row;
  }

 private:
  bool skip(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool end_of_line() {
    if (done()) return true;
    if (text_.substr(at_).starts_with("\r\n")) ++at_;
    if (!skip('\n')) return false;
    ++line_;
    return true;
  }

  std::string next_field() {
    if (skip('"')) return quoted_field();
    const std::size_t begin = at_;
    while (!done() && text_[at_] != delimiter_ && text_[at_] != '\n' &&
           !text_.substr(at_).starts_with("\r\n")) {
      if (text_[at_] == '"') fail_at(path_, line_, "want quotes around a whole field, got one inside");
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted_field() {
    const std::size_t begin_line = line_;
    std::string field;
    while (!done()) {
      if (skip('"')) {
        if (!skip('"')) return field;
        field += '"';
        continue;
      }
      if (text_[at_] == '\n') ++line_;
      field += text_[at_++];
    }
    fail_at(path_, begin_line, "want a closing quote, got the end of the file");
  }

  const std::string& path_;
  std::string_view text_;
  char delimiter_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

char delimiter_of(std::string_view text) {
  const std::string_view header = text.substr(0, text.find('\n'));
  return header.find('\t') == std::string_view::npos ? ',' : '\t';
}

}  // namespace

std::optional<std::size_t> Table::find(std::string_view name) const noexcept {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

std::size_t Table::column(std::string_view name) const {
  if (const auto found = find(name)) return *found;
  fail_at(path_, 1, fmt::format("want a column '{}', got {}", name, fmt::join(header_, ", ")));
}

double Table::number(const TableRow& row, std::size_t column) const {
  const std::string& field = row.fields.at(column);
  double value = 0.0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) {
    fail(row, fmt::format("column '{}' want a finite number, got '{}'", header_.at(column), field));
  }
  return value;
}

std::string Table::where(const TableRow& row) const { return fmt::format("{}:{}", path_, row.line); }

void Table::fail(const TableRow& row, std::string_view message) const { fail_at(path_, row.line, message); }

Table read_table(const std::string& path, std::optional<char> delimiter) {
  const std::string text = read_file(path);
  Scanner scanner(path, text, delimiter.value_or(delimiter_of(text)));
  const std::vector<std::string> header = scanner.next_row().fields;
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (std::find(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(i), header[i]) !=
        header.begin() + static_cast<std::ptrdiff_t>(i)) {
      fail_at(path, 1, fmt::format("want columns of different names, got '{}' twice", header[i]));
    }
  }
  std::vector<TableRow> rows;
  while (!scanner.done()) {
    rows.push_back(scanner.next_row());
    const TableRow& row = rows.back();
    if (row.fields.size() != header.size()) {
      fail_at(path, row.line,
              fmt::format("want {} fields (header has {}), got {}", header.size(), header.size(),
                          row.fields.size()));
    }
  }
  if (rows.empty()) fail_at(path, 1, "want rows after the header, got none");
  return Table(path, header, std::move(rows));
}

}  // namespace unroll::examples
