#include "training/data/table.hpp"

#include <fmt/format.h>
#include <utf8.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/file_kind.hpp"
#include "framework/quoted.hpp"
#include "training/data/table_scanner.hpp"
#include "training/data/table_text.hpp"
#include "training/data/text.hpp"
#include "training/moved_from.hpp"

namespace unroll {

using detail::fail_at;

struct Table::Content {
  std::string path;
  std::vector<std::string> header;
  detail::TableStore store;
  char decimal;
  Missing missing;
  std::vector<std::size_t> by_name = {};  // columns in the order of their names, of equal ones the first
};

namespace {

detail::TableStore store_of(const std::string& path, std::size_t columns, const std::vector<TableRow>& rows) {
  detail::TableStore store;
  store.columns = columns;
  for (const TableRow& row : rows) {
    if (row.fields.size() != columns) {
      throw ArgumentError(fmt::format("[Table] rows: expected {} fields (as the header), got {}", columns,
                                      row.fields.size()));
    }
    store.row_from(store.rows(), row.line, row.file.empty() ? path : row.file);
    for (const std::string& field : row.fields) store.add(field);
  }
  return store;
}

constexpr const char* kMissingHint =
    " (a missing value? drop the row or fill it in; .missing = Missing::nan reads it as NaN)";

bool is_infinite(std::string_view field) {
  if (field.starts_with('-') || field.starts_with('+')) field.remove_prefix(1);
  return field == "inf" || field == "Inf" || field == "infinity" || field == "Infinity";
}

}  // namespace

Table::Table(std::string path, std::vector<std::string> header, const std::vector<TableRow>& rows)
    : Table(path, header, store_of(path, header.size(), rows), {}) {}

Table::Table(std::string path, std::vector<std::string> header, detail::TableStore store,
             const TableOptions& options) {
  auto content = std::make_shared<Content>(
      Content{std::move(path), std::move(header), std::move(store), options.decimal, options.missing});
  const auto& names = content->header;
  content->by_name.resize(names.size());
  std::iota(content->by_name.begin(), content->by_name.end(), std::size_t{0});
  std::stable_sort(content->by_name.begin(), content->by_name.end(),
                   [&](std::size_t a, std::size_t b) { return names[a] < names[b]; });
  content_ = std::move(content);
}

const Table::Content& Table::content(const char* function) const {
  detail::require_contents(content_ != nullptr, function);
  return *content_;
}

const std::string& Table::path() const& noexcept {
  static const std::string none;
  return content_ ? content_->path : none;
}

const std::vector<std::string>& Table::header() const& noexcept {
  static const std::vector<std::string> none;
  return content_ ? content_->header : none;
}

std::size_t Table::size() const noexcept { return content_ ? content_->store.rows() : 0; }

std::optional<std::size_t> Table::find(std::string_view name) const noexcept {
  if (!content_) return std::nullopt;
  const auto& names = content_->header;
  const auto& order = content_->by_name;
  const auto found = std::lower_bound(order.begin(), order.end(), name,
                                      [&](std::size_t c, std::string_view n) { return names[c] < n; });
  if (found == order.end() || names[*found] != name) return std::nullopt;
  return *found;
}

std::size_t Table::column(std::string_view name) const {
  content("Table.column");
  if (const auto found = find(name)) return *found;
  fail_at(path(), 1,
          fmt::format("expected a column {}, got {}{}{}", quoted(name), listed(header()),
                      detail::delimiter_hint(header()), detail::no_header_hint(header())));
}

void Table::require(std::size_t row, std::size_t column) const {
  content("Table");
  if (row >= size())
    throw ShapeError(fmt::format("[Table] row: expected a position in [0, {}), got {}", size(), row));
  if (column >= header().size()) {
    throw ShapeError(
        fmt::format("[Table] column: expected a position in [0, {}), got {}", header().size(), column));
  }
}

std::string_view Table::field(std::size_t row, std::size_t column) const& {
  require(row, column);
  return content_->store.field(row, column);
}

TableRow Table::row(std::size_t n) const {
  require(n, 0);
  const detail::TableStore& store = content_->store;
  TableRow row{store.line(n), {}, store.file(n) == path() ? "" : store.file(n)};
  for (std::size_t c = 0; c < header().size(); ++c) row.fields.emplace_back(store.field(n, c));
  return row;
}

std::optional<double> Table::parsed(std::string_view field) const {
  if (const auto value = detail::parse_field(field, content_->decimal)) return value;
  if (content_->missing == Missing::refuse) return std::nullopt;
  if (detail::is_missing(field)) return std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (is_infinite(field)) return field.starts_with('-') ? -kInfinity : kInfinity;
  return std::nullopt;
}

void Table::fail_number(std::size_t row, std::size_t column) const {
  const std::string_view text = field(row, column);
  const char other = content_->decimal == ',' ? '.' : ',';
  const bool missing = detail::is_missing(text);
  const bool decimal = std::count(text.begin(), text.end(), other) == 1 && detail::parse_field(text, other);
  fail(row,
       fmt::format("column {}: expected a finite number, got {}{}", quoted(header()[column]), quoted(text),
                   missing        ? kMissingHint
                   : !decimal     ? ""
                   : other == ',' ? " (a decimal comma? .decimal = ',', or --decimal ,)"
                                  : " (the point is ',' here)"));
}

double Table::number(std::size_t row, std::size_t column) const {
  const std::string_view text = field(row, column);
  const auto value = parsed(text);
  if (!value) fail_number(row, column);
  if (detail::is_rounded(text, *value)) {
    fail(row, fmt::format("column {}: expected a number that a double holds, got {} (integers() reads it)",
                          quoted(header()[column]), quoted(text)));
  }
  return *value;
}

std::int64_t Table::integer(std::size_t row, std::size_t column) const {
  const std::string_view text = field(row, column);
  if (const auto value = detail::parse_integer(text)) return *value;
  fail(row,
       fmt::format("column {}: expected a whole number, got {}", quoted(header()[column]), quoted(text)));
}

std::vector<double> Table::numbers(std::string_view name) const {
  const std::size_t at = column(name);
  std::vector<double> values(size());
  for (std::size_t n = 0; n < values.size(); ++n) values[n] = number(n, at);
  return values;
}

std::vector<std::int64_t> Table::integers(std::string_view name) const {
  const std::size_t at = column(name);
  std::vector<std::int64_t> values(size());
  for (std::size_t n = 0; n < values.size(); ++n) values[n] = integer(n, at);
  return values;
}

std::vector<std::string> Table::texts(std::string_view name) const {
  const std::size_t at = column(name);
  std::vector<std::string> values(size());
  for (std::size_t n = 0; n < values.size(); ++n) {
    const std::string_view text = field(n, at);
    if (const std::size_t bad = utf8::find_invalid(text); bad != std::string_view::npos) {
      fail(n, fmt::format("column {}: expected UTF-8, got byte 0x{:02x} at position {}", quoted(name),
                          static_cast<unsigned>(static_cast<unsigned char>(text[bad])), bad + 1));
    }
    values[n] = text;
  }
  return values;
}

template <class S>
Tensor<S> Table::matrix(const std::vector<std::string>& names) const {
  std::vector<std::size_t> columns;
  for (const std::string& name : names) columns.push_back(column(name));
  Tensor<S> result(Shape{size(), columns.size()});
  S* to = result.data();
  for (std::size_t n = 0; n < size(); ++n) {
    for (const std::size_t at : columns) {
      const auto value = parsed(field(n, at));
      if (!value) fail_number(n, at);
      if (std::isfinite(*value) && std::abs(*value) > static_cast<double>(std::numeric_limits<S>::max())) {
        fail(n, fmt::format("column {}: expected a number that fits a float, got {}", quoted(header()[at]),
                            quoted(field(n, at))));
      }
      *to++ = static_cast<S>(*value);
    }
  }
  return result;
}

ColumnType Table::type(std::string_view name) const {
  const std::size_t at = column(name);
  ColumnType type = ColumnType::integer;
  for (std::size_t n = 0; n < size(); ++n) {
    const std::string_view text = field(n, at);
    if (type == ColumnType::integer && detail::parse_integer(text)) continue;
    const auto value = parsed(text);
    if (!value || detail::is_rounded(text, *value)) return ColumnType::text;
    type = ColumnType::number;
  }
  if (type == ColumnType::number) {  // a whole number before may be no double
    for (std::size_t n = 0; n < size(); ++n) {
      const std::string_view text = field(n, at);
      if (detail::is_rounded(text, parsed(text).value_or(0.0))) return ColumnType::text;
    }
  }
  return type;
}

Table Table::without(std::span<const std::string> names) const {
  const Content& content = this->content("Table.without");
  std::vector<bool> left_out(header().size(), false);
  for (const std::string& name : names) left_out[column(name)] = true;
  std::vector<std::string> header;
  detail::TableStore store;
  for (std::size_t c = 0; c < left_out.size(); ++c) {
    if (!left_out[c]) header.push_back(this->header()[c]);
  }
  if (header.empty()) fail_at(path(), 1, "expected a column that is not left out, got none");
  store.columns = header.size();
  for (std::size_t n = 0; n < size(); ++n) {
    store.row_from(n, content.store.line(n), content.store.file(n));
    for (std::size_t c = 0; c < left_out.size(); ++c) {
      if (!left_out[c]) store.add(field(n, c));
    }
  }
  return Table(path(), std::move(header), std::move(store),
               {.decimal = content.decimal, .missing = content.missing});
}

std::string Table::where(std::size_t row) const {
  require(row, 0);
  return fmt::format("{}:{}", escaped(content_->store.file(row)), content_->store.line(row));
}

void Table::fail(std::size_t row, std::string_view message) const {
  throw FileError(fmt::format("{}: {}", where(row), message));
}

void write_table(const std::string& path, const Table& table) {
  if (table.header().empty())
    throw ArgumentError("[write_table] table: expected columns, got none (a table that was moved from?)");
  const char delimiter = path.ends_with(".tsv") ? '\t' : ',';
  const std::size_t columns = table.header().size();
  std::string text;
  AtomicFile file(path, "write_table");
  const auto add = [&](std::string_view field, std::size_t column, bool quote) {
    if (column > 0) text += delimiter;
    // A mark in front of the file would be taken for the file's own; and a line of spaces alone is no row.
    if (quote || field.find_first_of("\"\n\r\t,") != std::string_view::npos ||
        field.starts_with("\xef\xbb\xbf") ||
        (columns == 1 && field.find_first_not_of(' ') == std::string_view::npos)) {
      detail::append_quoted(text, field);
    } else {
      text += field;
    }
  };
  bool first = true;
  const auto write = [&] {
    // A text with bytes of 0 near its front is taken for UTF-16, unless the mark of UTF-8 stands there.
    if (first && text.find('\0') < kFileKindBytes) text.insert(0, "\xef\xbb\xbf");
    first = false;
    file.write(text.data(), text.size());
    text.clear();
  };
  const auto end_line = [&] {
    text += '\n';
    constexpr std::size_t kBlock = 1 << 20;
    if (text.size() >= kBlock) write();
  };
  const auto add_header = [&](bool quote) {
    for (std::size_t c = 0; c < columns; ++c) add(table.header()[c], c, quote);
  };
  add_header(false);
  // Quoted, names are names, whatever they begin with and whatever bytes follow them.
  if (detail::has_number(table.header()) || detail::other_delimiter(table.header()) != '\0' ||
      text.find_first_of("{[") == text.find_first_not_of(" \t\r\n") || !file_kind(text + '\1').empty()) {
    text.clear();
    add_header(true);
  }
  end_line();
  for (std::size_t n = 0; n < table.size(); ++n) {
    for (std::size_t c = 0; c < columns; ++c) add(table.field(n, c), c, false);
    end_line();
  }
  write();
  file.commit();
}

template Tensor<float> Table::matrix<float>(const std::vector<std::string>&) const;
template Tensor<double> Table::matrix<double>(const std::vector<std::string>&) const;

}  // namespace unroll
