#include "training/data/table_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/data/json_text.hpp"
#include "training/data/text.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

std::vector<Index> all_rows(const Table& table) {
  std::vector<Index> rows(table.size());
  std::iota(rows.begin(), rows.end(), Index{0});
  return rows;
}

// The columns of the sequence, which are there and fit the steps.
template <class S>
std::vector<std::string> sequence_columns(const Table& table, const TableColumns<S>& columns) {
  std::vector<std::string> names = columns.numbers;
  if (!columns.text.empty()) names = {columns.text};
  if (names.empty()) {
    std::copy_if(table.header().begin(), table.header().end(), std::back_inserter(names),
                 [&](const std::string& name) { return name != columns.label && name != columns.split; });
  }
  if (names.empty()) {
    throw FileError(fmt::format("{}: header: expected columns of a sequence besides {}, got none",
                                escaped(table.path()), quoted(columns.label)));
  }
  for (const std::string& name : names) table.column(name);
  const auto count = static_cast<Index>(names.size());
  if (!columns.text.empty() && columns.steps > 0) {
    throw ArgumentError(fmt::format("[TableEncoder] steps: expected numeric columns, got the text column {}",
                                    quoted(columns.text)));
  }
  if (columns.steps < 0 || (columns.steps > 0 && count % columns.steps != 0)) {
    throw ArgumentError(fmt::format(
        "[TableEncoder] steps: expected a divisor of the {} numeric columns, got {}", count, columns.steps));
  }
  return names;
}

const Json& member(const Json& json, const char* key) {
  if (!json.contains(key))
    throw ArgumentError(fmt::format("[TableEncoder.from_json] json: expected '{}', got none", key));
  return json[key];
}

}  // namespace

template <class S>
void TableEncoder<S>::check() const {
  if (!standardizer_) return;
  if (standardizer_->mean().size() != static_cast<std::size_t>(features_)) {
    throw ArgumentError(
        fmt::format("[TableEncoder] standardizer: expected {} features (values per step), got {}", features_,
                    standardizer_->mean().size()));
  }
}

template <class S>
TableEncoder<S> TableEncoder<S>::fit(const Table& table, std::span<const Index> train,
                                     const TableColumns<S>& columns) {
  const auto names = sequence_columns(table, columns);
  const auto labels = table.texts(columns.label);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].empty())
      table.fail(i, fmt::format("{}: expected a text, got none", escaped(columns.label)));
  }
  TableEncoder encoder = [&] {
    try {
      return TableEncoder(Labels::of(select_rows(labels, train)));
    } catch (const ArgumentError& error) {
      throw FileError(fmt::format("{}: training rows: {}", escaped(table.path()), error.what()));
    }
  }();
  encoder.label_ = columns.label;
  encoder.columns_ = names;
  if (!columns.text.empty()) {
    try {
      encoder.vocabulary_ = Vocabulary::of(table.texts(columns.text), {.special = {}});
    } catch (const ArgumentError& error) {
      throw FileError(
          fmt::format("{}: column {}: {}", escaped(table.path()), quoted(columns.text), error.what()));
    }
    return encoder;
  }
  const auto count = static_cast<Index>(names.size());
  encoder.steps_ = columns.steps > 0 ? columns.steps : count;
  encoder.features_ = count / encoder.steps_;
  encoder.standardizer_ = columns.standardizer;
  if (!columns.standardizer) {
    Tensor<S> x = select_rows(table.matrix<S>(names), train);
    x.reshape(Shape{x.size() / static_cast<std::size_t>(encoder.features_),
                    static_cast<std::size_t>(encoder.features_)});
    encoder.standardizer_ = Standardizer<S>::fit(x);
  }
  encoder.check();
  return encoder;
}

template <class S>
std::string TableEncoder<S>::form() const {
  detail::require_contents(!columns_.empty(), "TableEncoder.form");
  return vocabulary_ ? fmt::format("texts of {} characters", vocabulary_->size())
                     : fmt::format("{} steps of {} numbers", steps_, features_);
}

template <class S>
std::string TableEncoder<S>::name(const Table& table, std::size_t n) const {
  detail::require_contents(!columns_.empty(), "TableEncoder.name");
  return vocabulary_ ? std::string(table.field(n, table.column(columns_[0]))) : table.where(n);
}

template <class S>
std::int64_t TableEncoder<S>::label_of(const Table& table, std::size_t row) const {
  const std::string_view name = table.field(row, table.column(label_));
  if (const auto id = labels_.find(name)) return *id;
  if (name.empty()) table.fail(row, fmt::format("{}: expected a text, got none", escaped(label_)));
  table.fail(row, fmt::format("{}: expected one of the training rows' ({}), got {}", escaped(label_),
                              listed(labels_.names()), quoted(name)));
}

template <class S>
SequenceDataset<S> TableEncoder<S>::encode(const Table& table, std::span<const Index> rows) const {
  detail::require_contents(!columns_.empty(), "TableEncoder.encode");
  detail::check_rows(table.size(), rows);
  const bool with_labels = labelled(table);
  SequenceDataset<S> data;
  const auto add = [&](Index n, const auto& sequence) {
    with_labels ? data.add(sequence, label_of(table, static_cast<std::size_t>(n))) : data.add(sequence);
  };
  if (vocabulary_) {
    const auto texts = table.texts(columns_[0]);
    for (const Index n : rows) {
      const auto row = static_cast<std::size_t>(n);
      if (texts[row].empty())
        table.fail(row, fmt::format("{}: expected at least one character, got none", escaped(columns_[0])));
      std::vector<std::int64_t> ids;
      try {
        ids = vocabulary_->encode(texts[row]);
      } catch (const ArgumentError& error) {
        table.fail(row, fmt::format("{}: {}", quoted(texts[row]), error.what()));
      }
      add(n, ids);
    }
    return data;
  }
  const Tensor<S> x = standardizer_->transform([&] {
    Tensor<S> values = table.matrix<S>(columns_);
    values.reshape(
        Shape{table.size(), static_cast<std::size_t>(steps_), static_cast<std::size_t>(features_)});
    return values;
  }());
  const auto numbers = static_cast<std::size_t>(steps_ * features_);
  Tensor<S> one(Shape{static_cast<std::size_t>(steps_), static_cast<std::size_t>(features_)});
  for (const Index n : rows) {
    std::copy_n(x.data() + static_cast<std::size_t>(n) * numbers, numbers, one.data());
    add(n, one);
  }
  return data;
}

template <class S>
SequenceDataset<S> TableEncoder<S>::encode(const Table& table) const {
  return encode(table, all_rows(table));
}

template <class S>
Table TableEncoder<S>::as_table(const std::vector<std::string>& rows, const std::string& source) const {
  detail::require_contents(!columns_.empty(), "TableEncoder.as_table");
  if (rows.empty()) throw FileError(fmt::format("{}: expected rows, got none", escaped(source)));
  std::vector<TableRow> parts;
  for (const std::string& text : rows) {
    TableRow& row = parts.emplace_back(TableRow{.line = parts.size() + 1, .fields = {text}});
    if (vocabulary_) continue;
    std::string spaced = text;
    std::replace(spaced.begin(), spaced.end(), ',', ' ');
    try {
      const auto fields = words(spaced);
      row.fields.assign(fields.begin(), fields.end());
    } catch (const ArgumentError& error) {
      throw FileError(fmt::format("{}:{}: {}", escaped(source), row.line, error.what()));
    }
    if (row.fields.size() != columns_.size()) {
      throw FileError(fmt::format("{}:{}: expected {} numbers ({} steps of {}), got {}", escaped(source),
                                  row.line, columns_.size(), steps_, features_, row.fields.size()));
    }
  }
  return Table(source, columns_, parts);
}

template <class S>
std::string TableEncoder<S>::to_json() const {
  detail::require_contents(!columns_.empty(), "TableEncoder.to_json");
  try {
    Json json{{"label", label_}, {"labels", Json::parse(labels_.to_json())}, {"columns", columns_}};
    if (vocabulary_) {
      json["vocabulary"] = Json::parse(vocabulary_->to_json());
    } else {
      json["steps"] = steps_;
      json["standardizer"] = Json::parse(standardizer_->to_json());
    }
    return json.dump();
  } catch (const Json::exception&) {
    throw ArgumentError("[TableEncoder.to_json] column names: expected UTF-8, got other bytes");
  }
}

template <class S>
TableEncoder<S> TableEncoder<S>::from_json(std::string_view text) {
  const Json json = Json::parse(detail::bounded_json(text, "TableEncoder.from_json"), nullptr, false);
  const auto fail = [](const char* want) {
    throw ArgumentError(fmt::format("[TableEncoder.from_json] json: expected {}, got something else", want));
  };
  if (!json.is_object()) fail("an object");
  TableEncoder encoder(Labels::of_json(member(json, "labels")));
  const Json &label = member(json, "label"), &columns = member(json, "columns");
  if (!label.is_string() || !columns.is_array() || columns.empty() ||
      !std::all_of(columns.begin(), columns.end(), [](const Json& name) { return name.is_string(); })) {
    fail("the names of label and columns");
  }
  encoder.label_ = label.get<std::string>();
  encoder.columns_ = columns.get<std::vector<std::string>>();
  if (json.contains("vocabulary")) {
    if (columns.size() != 1) fail("one column of texts");
    encoder.vocabulary_ = Vocabulary::of_json(member(json, "vocabulary"));
    return encoder;
  }
  const Json& steps = member(json, "steps");
  const auto count = static_cast<Index>(columns.size());
  if (!steps.is_number_unsigned() || steps.get<std::uint64_t>() < 1 ||
      columns.size() % steps.get<std::uint64_t>() != 0) {
    fail("steps that divide the columns");
  }
  encoder.steps_ = steps.get<Index>();
  encoder.features_ = count / encoder.steps_;
  encoder.standardizer_ = Standardizer<S>::of_json(member(json, "standardizer"));
  encoder.check();
  return encoder;
}

template <class S>
EncodedTable<S> encode_table(const Table& table, const TableColumns<S>& columns) {
  table.column(columns.label);
  sequence_columns(table, columns);
  const Split split = [&] {
    if (table.find(columns.split)) return split_by_column(table, columns.split);
    try {
      return split_stratified(table, columns.label, columns.shares);
    } catch (const ArgumentError& error) {
      throw FileError(fmt::format("{}: {} (a column {} assigns each row to a part)", escaped(table.path()),
                                  error.what(), quoted(columns.split)));
    }
  }();
  for (const auto& [name, part] : {std::pair("train", &split.train), std::pair("valid", &split.valid)}) {
    if (part->empty())
      throw FileError(fmt::format("{}: expected at least one {} row, got none", escaped(table.path()), name));
  }
  auto encoder = TableEncoder<S>::fit(table, split.train, columns);
  const SequenceDataset<S> data = encoder.encode(table);
  return {std::move(encoder), data.select(split.train), data.select(split.valid), data.select(split.test)};
}

template <class S>
std::string to_string(const EncodedTable<S>& table) {
  const auto& names = table.encoder.labels().names();
  return fmt::format("{} train, {} valid, {} test rows of {}; {} classes: {}", table.train.size(),
                     table.valid.size(), table.test.size(), table.encoder.form(), names.size(),
                     listed(names));
}

template class TableEncoder<float>;
template class TableEncoder<double>;
template EncodedTable<float> encode_table(const Table&, const TableColumns<float>&);
template EncodedTable<double> encode_table(const Table&, const TableColumns<double>&);
template std::string to_string(const EncodedTable<float>&);
template std::string to_string(const EncodedTable<double>&);

}  // namespace unroll
