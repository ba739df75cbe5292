// Encoding: from rows to samples, and to the model file and back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "examples/classifier/data.hpp"
#include "framework/errors.hpp"
#include "training/data/text.hpp"

namespace unroll::examples::classifier {

std::int64_t Encoding::label(const Row& row) const {
  if (const auto id = labels->find(row.label)) return *id;
  throw FileError(fmt::format("{}: label want one of the training rows' ({:.20}), got '{}'", row.where,
                              fmt::format("{}", fmt::join(labels->names(), ", ")), row.label));
}

void Encoding::add(SequenceDataset<float>& data, const Row& row, std::int64_t label) const {
  if (letters) {
    if (row.text.empty())
      throw FileError(fmt::format("{}: text want at least one letter, got none", row.where));
    try {
      return data.add(letters->encode(row.text), label);
    } catch (const ArgumentError& error) {
      throw FileError(fmt::format("{}: '{}': {}", row.where, row.text, error.what()));
    }
  }
  if (static_cast<Index>(row.numbers.size()) != steps * features) {
    throw FileError(fmt::format("{}: row want {} numbers ({} steps of {}), got {}", row.where,
                                steps * features, steps, features, row.numbers.size()));
  }
  Tensor<float> values = empty<float>({static_cast<std::size_t>(steps), static_cast<std::size_t>(features)});
  for (std::size_t i = 0; i < row.numbers.size(); ++i) {
    values.data()[i] = static_cast<float>(row.numbers[i]);
    if (!std::isfinite(values.data()[i])) {
      throw FileError(
          fmt::format("{}: row want numbers that fit a float, got {}", row.where, row.numbers[i]));
    }
  }
  data.add(scale ? scale->transform(values) : values, label);
}

void Encoding::write(Metadata& metadata) const {
  metadata.set("labels", labels->to_json());
  if (letters) return metadata.set("vocabulary", letters->to_json());
  metadata.set("steps", steps);
  metadata.set("features", features);
  metadata.set("standardizer", scale->to_json());
}

Encoding Encoding::read(const Metadata& metadata) {
  constexpr Index kLargest = 1000000;
  const auto parsed = [&](const char* key, auto from_json) {
    try {
      return from_json(metadata.text(key));
    } catch (const ArgumentError& error) {
      metadata.fail(key, error.what(), metadata.text(key));
    }
  };
  Encoding encoding;
  encoding.labels = parsed("labels", Labels::from_json);
  if (metadata.contains("vocabulary")) {
    encoding.letters = parsed("vocabulary", Vocabulary::from_json);
    return encoding;
  }
  encoding.steps = metadata.number("steps", 1, kLargest);
  encoding.features = metadata.number("features", 1, kLargest);
  encoding.scale = parsed("standardizer", Standardizer<float>::from_json);
  if (encoding.scale->mean().size() != static_cast<std::size_t>(encoding.features))
    metadata.fail("standardizer", fmt::format("{} features", encoding.features),
                  metadata.text("standardizer"));
  return encoding;
}

}  // namespace unroll::examples::classifier
