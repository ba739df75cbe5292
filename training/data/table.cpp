#include "training/data/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utf8.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "training/data/file_text.hpp"

namespace unroll {

using detail::fail_at;

namespace {

// A field as T in C notation, nothing before or behind it; numbers are finite.
template <class T>
std::optional<T> parse(const std::string& field) {
  T value{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  if (!std::isfinite(static_cast<double>(value))) return std::nullopt;
  return value;
}

// Cuts text into rows and fields.
class Scanner {
 public:
  Scanner(const std::string& path, std::string_view text, char delimiter)
      : path_(path), text_(detail::without_bom(text)), delimiter_(delimiter) {}

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
  if (const auto value = parse<double>(row.fields.at(column))) return *value;
  fail(row,
       fmt::format("column '{}' want a finite number, got '{}'", header_.at(column), row.fields[column]));
}

std::int64_t Table::integer(const TableRow& row, std::size_t column) const {
  if (const auto value = parse<std::int64_t>(row.fields.at(column))) return *value;
  fail(row, fmt::format("column '{}' want a whole number, got '{}'", header_.at(column), row.fields[column]));
}

std::vector<double> Table::numbers(std::string_view name) const {
  const std::size_t at = column(name);
  std::vector<double> values;
  for (const TableRow& row : rows_) values.push_back(number(row, at));
  return values;
}

std::vector<std::int64_t> Table::integers(std::string_view name) const {
  const std::size_t at = column(name);
  std::vector<std::int64_t> values;
  for (const TableRow& row : rows_) values.push_back(integer(row, at));
  return values;
}

std::vector<std::string> Table::texts(std::string_view name) const {
  const std::size_t at = column(name);
  std::vector<std::string> values;
  for (const TableRow& row : rows_) {
    const std::string& field = row.fields.at(at);
    if (const std::size_t bad = utf8::find_invalid(std::string_view(field)); bad != std::string::npos) {
      fail(row, fmt::format("column '{}' want UTF-8, got byte 0x{:02x} at position {}", name,
                            static_cast<unsigned>(static_cast<unsigned char>(field[bad])), bad + 1));
    }
    values.push_back(field);
  }
  return values;
}

template <class S>
Tensor<S> Table::matrix(const std::vector<std::string>& names) const {
  std::vector<std::size_t> columns;
  for (const std::string& name : names) columns.push_back(column(name));
  Tensor<S> result(Shape{rows_.size(), columns.size()});
  S* to = result.data();
  for (const TableRow& row : rows_) {
    for (const std::size_t at : columns) {
      const double value = number(row, at);
      if (std::abs(value) > static_cast<double>(std::numeric_limits<S>::max())) {
        fail(row, fmt::format("column '{}' want a number that fits a float, got '{}'", header_[at],
                              row.fields[at]));
      }
      *to++ = static_cast<S>(value);
    }
  }
  return result;
}

ColumnType Table::type(std::string_view name) const {
  const std::size_t at = column(name);
  const auto all = [&](auto&& holds) {
    return std::all_of(rows_.begin(), rows_.end(),
                       [&](const TableRow& row) { return holds(row.fields.at(at)); });
  };
  if (all([](const std::string& field) { return parse<std::int64_t>(field).has_value(); }))
    return ColumnType::integer;
  if (all([](const std::string& field) { return parse<double>(field).has_value(); }))
    return ColumnType::number;
  return ColumnType::text;
}

std::string Table::where(const TableRow& row) const {
  return fmt::format("{}:{}", row.file.empty() ? path_ : row.file, row.line);
}

void Table::fail(const TableRow& row, std::string_view message) const {
  throw FileError(fmt::format("{}: {}", where(row), message));
}

Table read_table(const std::string& path, std::optional<char> delimiter) {
  const std::string text = detail::read_bytes(path);
  if (text.empty()) throw FileError(fmt::format("{}: want a header line, got an empty file", path));
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

Table read_tables(const std::string& folder, const std::string& column) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const auto ending = at->path().extension();
    if (ending == ".csv" || ending == ".tsv") files.push_back(at->path());
  }
  if (error || files.empty()) {
    throw FileError(fmt::format("{}: want a folder of .csv or .tsv files, got: {}", folder,
                                error ? error.message() : "none"));
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> header;
  std::vector<TableRow> rows;
  for (const auto& file : files) {
    const Table table = read_table(file.string());
    if (header.empty()) header = table.header();
    if (table.header() != header || table.find(column)) {
      fail_at(table.path(), 1,
              fmt::format("want the columns {}, as in {}, and no '{}', got {}", fmt::join(header, ", "),
                          files.front().string(), column, fmt::join(table.header(), ", ")));
    }
    for (TableRow row : table.rows()) {
      row.fields.insert(row.fields.begin(), file.stem().string());
      row.file = table.path();
      rows.push_back(std::move(row));
    }
  }
  header.insert(header.begin(), column);
  return Table(folder, std::move(header), std::move(rows));
}

void write_table(const std::string& path, const Table& table) {
  const char delimiter = path.ends_with(".tsv") ? '\t' : ',';
  std::string text;
  const auto add = [&](const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) text += delimiter;
      // A tab would make the reader of a header take tabs for delimiters.
      if (fields[i].find_first_of("\"\n\r\t,") == std::string::npos) {
        text += fields[i];
        continue;
      }
      text += '"';
      for (const char c : fields[i]) text += c == '"' ? "\"\"" : std::string(1, c);
      text += '"';
    }
    text += '\n';
  };
  add(table.header());
  for (const TableRow& row : table.rows()) {
    if (row.fields.size() != table.header().size()) {
      throw ArgumentError(fmt::format("[write_table] rows want {} fields (as the header), got {}",
                                      table.header().size(), row.fields.size()));
    }
    add(row.fields);
  }
  AtomicFile file(path, "write_table");
  file.write(text.data(), text.size());
  file.commit();
}

template Tensor<float> Table::matrix<float>(const std::vector<std::string>&) const;
template Tensor<double> Table::matrix<double>(const std::vector<std::string>&) const;

}  // namespace unroll
