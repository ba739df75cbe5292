// How tables are read: bytes into rows and fields, in place.
#include <fmt/format.h>
#include <utf8.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/data/table.hpp"
#include "training/data/table_scanner.hpp"
#include "training/data/table_text.hpp"
#include "training/data/text.hpp"

namespace unroll {

using detail::fail_at;
using detail::kNoHeader;

namespace {

void check(const TableOptions& options) {
  if (options.decimal != '.' && options.decimal != ',') {
    throw ArgumentError(fmt::format("[read_table] decimal: expected '.' or ',', got {}",
                                    quoted(std::string_view(&options.decimal, 1))));
  }
  const char c = options.delimiter.value_or('\t');
  if (c == '"' || c == '\n' || c == '\r' || c == '\0' || c == options.decimal) {
    throw ArgumentError(fmt::format(
        "[read_table] delimiter: expected a character that is no quote, line end or decimal point, got {}",
        quoted(std::string_view(&c, 1))));
  }
  if (!options.names.empty() && options.header != false)
    throw ArgumentError("[read_table] names: expected .header = false, got a header line to read");
}

[[noreturn]] void fail_header(const std::string& path, std::size_t line,
                              const std::vector<std::string>& names) {
  fail_at(path, line,
          fmt::format("expected names of columns, got {} {}; where they are names, .header = true",
                      listed(names, 40), kNoHeader));
}

// Whether the name of a column, a text, is a value of the same column, and not the only one of its kind: a
// class.
bool is_repeated(const std::vector<std::string>& names, const detail::TableStore& store) {
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (names[c].empty() || detail::parse_field(names[c])) continue;
    std::size_t count = 0;
    for (std::size_t n = 0; n < store.rows() && count < 2; ++n)
      if (store.field(n, c) == names[c]) ++count;
    if (count == 2) return true;
  }
  return false;
}

// The names of the first row, which make a table possible.
void check_header(const std::string& path, std::size_t line, const std::vector<std::string>& names,
                  bool sure) {
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (const std::size_t bad = utf8::find_invalid(names[c]); bad != std::string::npos) {
      fail_at(path, line,
              fmt::format("column {}: expected a name in UTF-8, got byte 0x{:02x} at position {} of {}",
                          c + 1, static_cast<unsigned>(static_cast<unsigned char>(names[c][bad])), bad + 1,
                          quoted(names[c])));
    }
  }
  if (!sure && detail::is_row_of_numbers(names)) fail_header(path, line, names);
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return names[a] < names[b]; });
  const auto twice = std::adjacent_find(order.begin(), order.end(),
                                        [&](std::size_t a, std::size_t b) { return names[a] == names[b]; });
  if (twice != order.end()) {
    fail_at(path, line,
            fmt::format("expected columns with distinct names, got {} twice, as columns {} and {} {}",
                        quoted(names[*twice]), twice[0] + 1, twice[1] + 1, kNoHeader));
  }
}

std::vector<std::string> names_without_header(const std::string& path, std::size_t line,
                                              const std::vector<std::string>& given, std::size_t columns) {
  std::vector<std::string> names = given;
  for (std::size_t c = 0; given.empty() && c < columns; ++c) names.push_back(std::to_string(c));
  if (names.size() != columns)
    fail_at(path, line, fmt::format("expected {} fields (names given), got {}", names.size(), columns));
  return names;
}

struct Content {
  std::vector<std::string> header;
  detail::TableStore store;
};

Content read(const std::string& path, const TableOptions& options) {
  check(options);
  Content content;
  auto& [header, store] = content;
  std::string& text = store.text;
  text = detail::read_bytes(path);
  detail::require_text(path, text, "a table");
  detail::require_lines(path, text, "a table");
  if (detail::is_json(text)) {
    throw FileError(
        fmt::format("{}: expected a table, got JSON (convert it: pandas.read_json('FILE').to_csv('NEW.csv', "
                    "index=False))",
                    escaped(path)));
  }
  const char delimiter =
      options.delimiter.value_or(detail::delimiter_of(text, options.decimal == ',' ? ';' : ','));
  // One behind every delimiter and line end, and one at the end; quoted ones are counted in vain.
  store.ends.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), delimiter) +
                                              std::count(text.begin(), text.end(), '\n') + 1));
  detail::TableScanner scanner(store, delimiter);
  const auto next_row = [&] {
    try {
      return scanner.next_row();
    } catch (const detail::ScanError& error) {
      fail_at(path, error.line, error.message);
    }
  };
  if (!next_row()) {
    throw FileError(fmt::format("{}: expected a header line, got {}", escaped(path),
                                text.empty() ? "an empty file" : "only blank lines"));
  }
  const std::size_t columns = store.columns = scanner.fields(), first_line = scanner.line();
  const bool sure = options.header.has_value() || scanner.all_quoted();
  if (options.header.value_or(true)) {
    for (std::size_t c = 0; c < columns; ++c) header.emplace_back(store.field(0, c));
    if (!options.delimiter && !scanner.all_quoted() && detail::other_delimiter(header) != '\0') {
      fail_at(path, first_line,
              fmt::format("expected several columns, got one, {}{}", quoted(header[0]),
                          detail::delimiter_hint(header)));
    }
    check_header(path, first_line, header, sure);
    scanner.drop_fields();
  } else {
    header = names_without_header(path, first_line, options.names, columns);
    store.row_from(0, first_line, path);
  }
  for (;;) {
    const std::size_t row = store.rows();
    if (!next_row()) break;
    if (scanner.fields() != columns) {
      fail_at(path, scanner.line(),
              fmt::format("expected {0} fields ({1} {0}), got {2}{3}", columns,
                          options.header == false ? "the first row has" : "header has", scanner.fields(),
                          detail::delimiter_hint(header)));
    }
    store.row_from(row, scanner.line(), path);
  }
  if (store.rows() == 0) fail_at(path, first_line, "expected rows after the header, got none");
  if (!sure && detail::has_number(header) && is_repeated(header, store))
    fail_header(path, first_line, header);
  text.resize(scanner.used());
  return content;
}

}  // namespace

Table read_table(const std::string& path, const TableOptions& options) {
  auto [header, store] = read(path, options);
  return Table(path, std::move(header), std::move(store), options);
}

Table read_tables(const std::string& folder, const std::string& column, const TableOptions& options) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const auto ending = at->path().extension();
    if (ending == ".csv" || ending == ".tsv") files.push_back(at->path());
  }
  if (error || files.empty()) {
    throw FileError(fmt::format("{}: expected a folder of .csv or .tsv files, got: {}", escaped(folder),
                                error ? error.message() : "none"));
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> header;
  detail::TableStore store;
  for (const auto& file : files) {
    const std::string path = file.string(), name = file.stem().string();
    const Content table = read(path, options);
    if (header.empty()) header = table.header;
    if (table.header != header || std::find(header.begin(), header.end(), column) != header.end()) {
      fail_at(path, 1,
              fmt::format("expected the columns {}, as in {}, and no {}, got {}", listed(header),
                          escaped(files.front().string()), quoted(column), listed(table.header)));
    }
    store.columns = header.size() + 1;
    for (std::size_t n = 0; n < table.store.rows(); ++n) {
      store.row_from(store.rows(), table.store.line(n), path);
      store.add(name);
      for (std::size_t c = 0; c < header.size(); ++c) store.add(table.store.field(n, c));
    }
  }
  header.insert(header.begin(), column);
  return Table(folder, std::move(header), std::move(store), options);
}

}  // namespace unroll
