#include "examples/classifier/encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "framework/errors.hpp"

namespace unroll::examples::classifier {
namespace {

constexpr std::size_t kLongestList = 60;

// Bytes of the UTF-8 character that begins with this byte; 0: none does.
std::size_t character_size(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

bool all_distinct(const std::vector<std::string>& items) {
  return std::set<std::string>(items.begin(), items.end()).size() == items.size();
}

}  // namespace

std::vector<std::string> characters(std::string_view text, const std::string& where) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(static_cast<unsigned char>(text[at]));
    bool good = size > 0 && at + size <= text.size();
    for (std::size_t i = 1; good && i < size; ++i)
      good = (static_cast<unsigned char>(text[at + i]) & 0xC0) == 0x80;
    if (!good) {
      throw FileError(fmt::format("{}: text want UTF-8, got byte 0x{:02x} at position {}", where,
                                  static_cast<unsigned>(static_cast<unsigned char>(text[at])), at + 1));
    }
    result.emplace_back(text.substr(at, size));
    at += size;
  }
  return result;
}

std::string shorten_list(const std::vector<std::string>& items, const char* separator) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += separator;
    if (text.size() + items[i].size() > kLongestList) return text + "...";
    text += items[i];
  }
  return text;
}

Index Encoding::label_id(const std::string& label, const std::string& where) const {
  const auto found = std::find(labels.begin(), labels.end(), label);
  if (found == labels.end()) {
    throw FileError(fmt::format("{}: label want one of the training rows' ({}), got '{}'", where,
                                shorten_list(labels, ", "), label));
  }
  return found - labels.begin();
}

Sequence Encoding::encode_text(std::string_view text, const std::string& where) const {
  Sequence sequence;
  for (const std::string& letter : characters(text, where)) {
    const auto found = std::lower_bound(vocabulary.begin(), vocabulary.end(), letter);
    if (found == vocabulary.end() || *found != letter) {
      throw FileError(fmt::format("{}: text want letters that the model knows ({}), got '{}' in '{}'", where,
                                  shorten_list(vocabulary, ""), letter, text));
    }
    sequence.letters.push_back(found - vocabulary.begin());
  }
  if (sequence.letters.empty())
    throw FileError(fmt::format("{}: text want at least one letter, got none", where));
  return sequence;
}

Sequence Encoding::encode_numbers(const std::vector<double>& numbers, const std::string& where) const {
  if (static_cast<Index>(numbers.size()) != steps * features) {
    throw FileError(fmt::format("{}: row want {} numbers ({} steps of {}), got {}", where, steps * features,
                                steps, features, numbers.size()));
  }
  Sequence sequence;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t f = i % static_cast<std::size_t>(features);
    const auto value = static_cast<float>((numbers[i] - mean[f]) / scale[f]);
    if (!std::isfinite(value)) {
      throw FileError(fmt::format("{}: row want numbers that fit a float, got {}", where, numbers[i]));
    }
    sequence.values.push_back(value);
  }
  return sequence;
}

void Encoding::write(Settings& settings) const {
  settings.set("labels", labels);
  if (is_text()) {
    settings.set("vocabulary", vocabulary);
  } else {
    settings.set("steps", steps);
    settings.set("features", features);
    settings.set("mean", mean);
    settings.set("scale", scale);
  }
}

Encoding Encoding::read(const Settings& settings) {
  constexpr Index kLargest = 1000000;
  Encoding encoding;
  encoding.labels = settings.texts("labels");
  if (encoding.labels.size() < 2 || !all_distinct(encoding.labels)) {
    settings.fail("labels", "at least 2 different ones", settings.text("labels"));
  }
  if (settings.all().contains("vocabulary")) {
    encoding.vocabulary = settings.texts("vocabulary");
    if (encoding.vocabulary.empty() || !all_distinct(encoding.vocabulary) ||
        !std::is_sorted(encoding.vocabulary.begin(), encoding.vocabulary.end())) {
      settings.fail("vocabulary", "different letters in order", settings.text("vocabulary"));
    }
    return encoding;
  }
  encoding.steps = settings.number("steps", 1, kLargest);
  encoding.features = settings.number("features", 1, kLargest);
  encoding.mean = settings.numbers("mean");
  encoding.scale = settings.numbers("scale");
  const auto features = static_cast<std::size_t>(encoding.features);
  if (encoding.mean.size() != features) {
    settings.fail("mean", fmt::format("{} numbers", features), settings.text("mean"));
  }
  if (encoding.scale.size() != features ||
      !std::all_of(encoding.scale.begin(), encoding.scale.end(), [](double s) { return s > 0.0; })) {
    settings.fail("scale", fmt::format("{} numbers above 0", features), settings.text("scale"));
  }
  return encoding;
}

}  // namespace unroll::examples::classifier
