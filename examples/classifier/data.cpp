#include "examples/classifier/data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "examples/classifier/rows.hpp"
#include "framework/errors.hpp"

namespace unroll::examples::classifier {
namespace {

constexpr Index kDigitSide = 8;
constexpr double kLargestPixel = 16.0;

// Labels of the training rows: as numbers where all are numbers, else in alphabetical order.
std::vector<std::string> find_labels(const std::vector<RawRow>& rows, const std::string& path) {
  std::vector<std::string> labels;
  for (const RawRow& row : rows) {
    if (row.split == kTrain) labels.push_back(row.label);
  }
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  const bool whole = std::all_of(labels.begin(), labels.end(), [](const std::string& label) {
    return !label.empty() && label.size() < 10 && label.find_first_not_of("0123456789") == std::string::npos;
  });
  if (whole) {
    std::stable_sort(labels.begin(), labels.end(),
                     [](const std::string& a, const std::string& b) { return std::stol(a) < std::stol(b); });
  }
  if (labels.size() < 2) {
    throw FileError(
        fmt::format("{}: training rows want at least 2 different labels, got {}", path, labels.size()));
  }
  return labels;
}

std::vector<std::string> find_vocabulary(const std::vector<RawRow>& rows) {
  std::vector<std::string> vocabulary;
  for (const RawRow& row : rows) {
    for (std::string& letter : characters(row.text, row.where)) vocabulary.push_back(std::move(letter));
  }
  std::sort(vocabulary.begin(), vocabulary.end());
  vocabulary.erase(std::unique(vocabulary.begin(), vocabulary.end()), vocabulary.end());
  return vocabulary;
}

// Mean and standard deviation of every feature over all steps of the training rows.
void standardize(const std::vector<RawRow>& rows, Encoding& encoding) {
  const auto features = static_cast<std::size_t>(encoding.features);
  std::vector<double> sum(features, 0.0), squares(features, 0.0);
  const auto over_training = [&](auto&& visit) {
    for (const RawRow& row : rows) {
      if (row.split != kTrain) continue;
      for (std::size_t i = 0; i < row.numbers.size(); ++i) visit(i % features, row.numbers[i]);
    }
  };
  double count = 0.0;
  over_training([&](std::size_t f, double x) {
    sum[f] += x;
    count += f == 0 ? 1.0 : 0.0;
  });
  for (double& s : sum) s /= count;
  over_training([&](std::size_t f, double x) { squares[f] += (x - sum[f]) * (x - sum[f]); });
  encoding.mean = sum;
  encoding.scale.assign(features, 1.0);
  for (std::size_t f = 0; f < features; ++f) {
    const double deviation = std::sqrt(squares[f] / count);
    if (deviation > 0.0)
      encoding.scale[f] = deviation;  // a constant feature says nothing, whatever its scale
  }
}

Dataset encode(const std::vector<RawRow>& rows, Encoding encoding, const std::string& path) {
  Dataset data;
  std::array<std::vector<Sample>*, 3> parts = {&data.train, &data.valid, &data.test};
  for (const RawRow& row : rows) {
    Sample sample;
    sample.sequence = encoding.is_text() ? encoding.encode_text(row.text, row.where)
                                         : encoding.encode_numbers(row.numbers, row.where);
    sample.label = encoding.label_id(row.label, row.where);
    parts[row.split]->push_back(std::move(sample));
  }
  for (const std::size_t split : {kTrain, kValid}) {
    if (parts[split]->empty()) {
      throw FileError(fmt::format("{}: want at least one {} row, got none", path, kSplits[split]));
    }
  }
  data.encoding = std::move(encoding);
  return data;
}

}  // namespace

Dataset load_words(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".tsv") files.push_back(at->path());
  }
  if (error)
    throw FileError(fmt::format("{}: want a folder of LABEL.tsv files, got: {}", folder, error.message()));
  if (files.size() < 2) {
    throw FileError(fmt::format("{}: want at least 2 files LABEL.tsv, got {}", folder, files.size()));
  }
  std::sort(files.begin(), files.end());
  std::vector<RawRow> rows;
  for (const auto& file : files) {
    const Table table = read_table(file.string());
    Columns columns;
    columns.split = table.column("split");
    columns.text = table.column("ascii");
    for (RawRow& row : read_rows(table, columns)) {
      row.label = file.stem().string();
      rows.push_back(std::move(row));
    }
  }
  Encoding encoding;
  encoding.labels = find_labels(rows, folder);
  encoding.vocabulary = find_vocabulary(rows);
  return encode(rows, std::move(encoding), folder);
}

Dataset load_digits(const std::string& path) {
  const Table table = read_table(path);
  table.column("split");
  table.column("label");
  const Columns columns = find_columns(table);
  if (columns.text || columns.numbers.size() != static_cast<std::size_t>(kDigitSide * kDigitSide)) {
    throw FileError(fmt::format("{}: header want split, label and {} pixel columns, got {} other columns",
                                path, kDigitSide * kDigitSide, columns.numbers.size()));
  }
  const std::vector<RawRow> rows = read_rows(table, columns);
  for (const RawRow& row : rows) {
    for (const double pixel : row.numbers) {
      if (pixel < 0.0 || pixel > kLargestPixel) {
        throw FileError(fmt::format("{}: pixels want 0..{}, got {}", row.where, kLargestPixel, pixel));
      }
    }
  }
  Encoding encoding;
  encoding.labels = find_labels(rows, path);
  encoding.steps = encoding.features = kDigitSide;
  encoding.mean.assign(kDigitSide, 0.0);
  encoding.scale.assign(kDigitSide, kLargestPixel);
  return encode(rows, std::move(encoding), path);
}

Dataset load_own(const std::string& path, std::optional<Index> steps) {
  const Table table = read_table(path);
  table.column("label");
  const Columns columns = find_columns(table);
  const auto count = static_cast<Index>(columns.numbers.size());
  if (!columns.text && count == 0) {
    throw FileError(
        fmt::format("{}: header want a column 'text' or columns of numbers beside 'label', got none", path));
  }
  if (columns.text && steps)
    throw ArgumentError("--steps want columns of numbers, got a file with a column 'text'");
  if (steps && count % *steps != 0) {
    throw ArgumentError(fmt::format("--steps want a divisor of the {} columns of numbers in {}, got {}",
                                    count, path, *steps));
  }
  std::vector<RawRow> rows = read_rows(table, columns);
  if (!columns.split) assign_splits(rows);
  Encoding encoding;
  encoding.labels = find_labels(rows, path);
  if (columns.text) {
    encoding.vocabulary = find_vocabulary(rows);
  } else {
    encoding.steps = steps.value_or(count);
    encoding.features = count / encoding.steps;
    standardize(rows, encoding);
  }
  return encode(rows, std::move(encoding), path);
}

std::vector<Query> load_queries(const std::string& path, const Encoding& encoding) {
  const Table table = read_table(path);
  Columns columns = find_columns(table);
  columns.split.reset();
  if (encoding.is_text()) {
    columns.numbers.clear();
    if (!columns.text) columns.text = table.find("ascii");
    if (!columns.text) columns.text = table.column("text");
  } else if (columns.text) {
    throw FileError(
        fmt::format("{}: header want columns of numbers for this model, got a column 'text'", path));
  }
  std::vector<Query> queries;
  for (const RawRow& row : read_rows(table, columns)) {
    Query query;
    query.name = encoding.is_text() ? row.text : row.where;
    query.sequence = encoding.is_text() ? encoding.encode_text(row.text, row.where)
                                        : encoding.encode_numbers(row.numbers, row.where);
    if (columns.label) query.label = encoding.label_id(row.label, row.where);
    queries.push_back(std::move(query));
  }
  return queries;
}

Query parse_query(const std::string& item, const std::string& where, const Encoding& encoding) {
  if (encoding.is_text()) return {item, encoding.encode_text(item, where), std::nullopt};
  return {where, encoding.encode_numbers(parse_numbers(item, where), where), std::nullopt};
}

}  // namespace unroll::examples::classifier
