#include "examples/classifier/data.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "framework/errors.hpp"
#include "training/data/content_hash.hpp"
#include "training/data/split.hpp"
#include "training/data/table.hpp"
#include "training/data/text.hpp"

namespace unroll::examples::classifier {
namespace {

// The rows of a table: texts of this column, or without one all columns but split and label as numbers.
std::vector<Row> read_rows(const Table& table, const std::string& text_column, bool labelled) {
  std::vector<std::string> texts, labels;
  if (!text_column.empty()) texts = table.texts(text_column);
  if (labelled) labels = table.texts("label");
  std::vector<Row> rows;
  for (const TableRow& fields : table.rows()) {
    Row& row = rows.emplace_back(Row{.where = table.where(fields), .text = "", .numbers = {}, .label = ""});
    if (!texts.empty()) row.text = texts[rows.size() - 1];
    if (labelled) row.label = labels[rows.size() - 1];
    if (labelled && row.label.empty()) table.fail(fields, "label want a text, got none");
    for (std::size_t c = 0; texts.empty() && c < fields.fields.size(); ++c) {
      if (table.header()[c] != "split" && table.header()[c] != "label") {
        row.numbers.push_back(table.number(fields, c));
      }
    }
  }
  return rows;
}

// Labels of the training rows, then everything as data sets; encoding says how to read the rows.
Data encode(const std::vector<Row>& rows, const Split& split, Encoding encoding, const std::string& path) {
  for (const auto& [name, part] : {std::pair("train", &split.train), std::pair("valid", &split.valid)}) {
    if (part->empty()) throw FileError(fmt::format("{}: want at least one {} row, got none", path, name));
  }
  std::vector<std::string> labels, texts;
  for (const Row& row : select_rows(rows, split.train)) labels.push_back(row.label);
  for (const Row& row : rows) texts.push_back(row.text);
  try {
    encoding.labels = Labels::of(labels);
    if (encoding.steps == 0) encoding.letters = Vocabulary::of(texts, {.special = {}});
  } catch (const ArgumentError& error) {
    throw FileError(fmt::format("{}: training rows: {}", path, error.what()));
  }
  Data data;
  for (const auto& [part, set] : {std::pair(&split.train, &data.train), std::pair(&split.valid, &data.valid),
                                  std::pair(&split.test, &data.test)}) {
    for (const Row& row : select_rows(rows, *part)) encoding.add(*set, row, encoding.label(row));
  }
  if (encoding.steps > 0 && !encoding.scale) {
    encoding.scale = Standardizer<float>::fit(data.train);
    for (auto* set : {&data.train, &data.valid, &data.test}) {
      if (!set->empty()) *set = encoding.scale->transform(*set);
    }
  }
  data.encoding = std::move(encoding);
  return data;
}

Split split_by_content(const std::vector<Row>& rows) {
  std::vector<std::string> labels;
  std::vector<std::uint64_t> keys;
  for (const Row& row : rows) {
    labels.push_back(row.label);
    keys.push_back(content_hash(row.numbers, content_hash(row.text)));
  }
  return split_stratified(Labels::of(labels).encode(labels), Shares{}, keys);
}

}  // namespace

Data load_words(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".tsv") files.push_back(at->path());
  }
  if (error)
    throw FileError(fmt::format("{}: want a folder of LABEL.tsv files, got: {}", folder, error.message()));
  std::sort(files.begin(), files.end());
  std::vector<Row> rows;
  Split split;
  for (const auto& file : files) {
    const Table table = read_table(file.string());
    const auto before = static_cast<Index>(rows.size());
    const Split part = split_by_column(table);
    for (const auto& [to, from] : {std::pair(&split.train, &part.train), std::pair(&split.valid, &part.valid),
                                   std::pair(&split.test, &part.test)}) {
      for (const Index row : *from) to->push_back(before + row);
    }
    for (Row& row : read_rows(table, "ascii", false)) {
      row.label = file.stem().string();
      rows.push_back(std::move(row));
    }
  }
  return encode(rows, split, {}, folder);
}

Data load_digits(const std::string& path) {
  constexpr Index kSide = 8;
  constexpr float kLargest = 16.0F;
  const Table table = read_table(path);
  const Split split = split_by_column(table);
  const std::vector<Row> rows = read_rows(table, "", true);
  for (const Row& row : rows) {
    if (row.numbers.size() != kSide * kSide) {
      throw FileError(fmt::format("{}: header want split, label and {} pixel columns, got {} other columns",
                                  path, kSide * kSide, row.numbers.size()));
    }
    for (const double pixel : row.numbers) {
      if (pixel < 0.0 || pixel > kLargest)
        throw FileError(fmt::format("{}: pixels want 0..{}, got {}", row.where, kLargest, pixel));
    }
  }
  Encoding encoding;
  encoding.steps = encoding.features = kSide;
  encoding.scale = Standardizer<float>(zeros<float>({kSide}), full<float>({kSide}, kLargest));
  return encode(rows, split, std::move(encoding), path);
}

Data load_own(const std::string& path, std::optional<Index> steps) {
  const Table table = read_table(path);
  table.column("label");
  const bool text = table.find("text").has_value();
  const auto count = static_cast<Index>(table.header().size()) - (table.find("split") ? 2 : 1);
  if (count == 0) {
    throw FileError(
        fmt::format("{}: header want a column 'text' or columns of numbers beside 'label', got none", path));
  }
  if (text && steps) throw ArgumentError("--steps want columns of numbers, got a file with a column 'text'");
  if (steps && count % *steps != 0) {
    throw ArgumentError(fmt::format("--steps want a divisor of the {} columns of numbers in {}, got {}",
                                    count, path, *steps));
  }
  const std::vector<Row> rows = read_rows(table, text ? "text" : "", true);
  Encoding encoding;
  if (!text) encoding.steps = steps.value_or(count);
  if (!text) encoding.features = count / encoding.steps;
  return encode(rows, table.find("split") ? split_by_column(table) : split_by_content(rows),
                std::move(encoding), path);
}

std::vector<Row> load_queries(const std::string& path, const Encoding& encoding) {
  const Table table = read_table(path);
  std::string column;
  if (encoding.letters) column = table.find("text") || !table.find("ascii") ? "text" : "ascii";
  return read_rows(table, column, table.find("label").has_value());
}

Row parse_query(const std::string& item, const std::string& where, const Encoding& encoding) {
  Row row{.where = where, .text = item, .numbers = {}, .label = ""};
  if (encoding.letters) return row;
  std::replace(row.text.begin(), row.text.end(), ',', ' ');
  for (const std::string_view word : words(row.text)) {
    double& value = row.numbers.emplace_back();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value))
      throw FileError(fmt::format("{}: row want finite numbers, got '{}'", where, word));
  }
  return row;
}

}  // namespace unroll::examples::classifier
