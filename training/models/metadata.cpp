#include "training/models/metadata.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

void require_finite(const std::string& key, double number) {
  if (!std::isfinite(number)) {
    throw ArgumentError(fmt::format("[Metadata::set] '{}' want finite numbers, got {}", key, number));
  }
}

// All of the text as a number, or false.
template <class N>
bool parse(const std::string& text, N& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string shown(const std::string& text) {
  return text.size() > 60 ? fmt::format("'{}...'", text.substr(0, 57)) : fmt::format("'{}'", text);
}

}  // namespace

void Metadata::set_real(const std::string& key, double number) {
  require_finite(key, number);
  texts_[key] = fmt::format("{}", number);  // the shortest text that gives the same number again
}

void Metadata::set(const std::string& key, const std::vector<std::string>& list) {
  try {
    texts_[key] = Json(list).dump();
  } catch (const Json::exception& error) {
    throw ArgumentError(fmt::format("[Metadata::set] '{}' want UTF-8, got: {}", key, error.what()));
  }
}

void Metadata::set(const std::string& key, const std::vector<double>& list) {
  for (const double number : list) require_finite(key, number);
  texts_[key] = Json(list).dump();
}

void Metadata::set(const std::string& key, const std::vector<Index>& list) {
  texts_[key] = Json(list).dump();
}

void Metadata::fail(const std::string& key, const std::string& want, const std::string& got) const {
  throw FileError(
      fmt::format("[metadata] {}'{}' want {}, got {}", file_.empty() ? "" : file_ + ": ", key, want, got));
}

void Metadata::fail_parsing(const std::string& key, const std::string& what) const {
  throw FileError(fmt::format("[metadata] {}'{}': {}", file_.empty() ? "" : file_ + ": ", key, what));
}

const std::string& Metadata::text(const std::string& key) const {
  const auto found = texts_.find(key);
  if (found == texts_.end()) fail(key, "a text", "none (a file of another program or version?)");
  return found->second;
}

bool Metadata::flag(const std::string& key) const {
  const std::string& value = text(key);
  if (value != "true" && value != "false") fail(key, "true or false", shown(value));
  return value == "true";
}

Index Metadata::number(const std::string& key) const {
  return number(key, std::numeric_limits<Index>::min(), std::numeric_limits<Index>::max());
}

Index Metadata::number(const std::string& key, Index low, Index high) const {
  const std::string& value = text(key);
  Index result = 0;
  if (!parse(value, result) || result < low || result > high) {
    const bool any = low == std::numeric_limits<Index>::min() && high == std::numeric_limits<Index>::max();
    fail(key, any ? "a whole number" : fmt::format("a whole number from {} to {}", low, high), shown(value));
  }
  return result;
}

double Metadata::real(const std::string& key) const {
  const std::string& value = text(key);
  double result = 0.0;
  if (!parse(value, result) || !std::isfinite(result)) fail(key, "a finite number", shown(value));
  return result;
}

namespace {

// The list that a text holds if every element is accepted, else null.
template <class Accept>
Json parse_list(const std::string& text, Accept&& accept) {
  Json list = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return list.is_array() && std::all_of(list.begin(), list.end(), accept) ? list : Json();
}

}  // namespace

std::vector<std::string> Metadata::texts(const std::string& key) const {
  const Json list = parse_list(text(key), [](const Json& e) { return e.is_string(); });
  if (list.is_null()) fail(key, "a JSON list of texts", shown(text(key)));
  return list.get<std::vector<std::string>>();
}

std::vector<double> Metadata::reals(const std::string& key) const {
  const Json list =
      parse_list(text(key), [](const Json& e) { return e.is_number() && std::isfinite(e.get<double>()); });
  if (list.is_null()) fail(key, "a JSON list of finite numbers", shown(text(key)));
  return list.get<std::vector<double>>();
}

std::vector<Index> Metadata::numbers(const std::string& key) const {
  const Json list = parse_list(text(key), [](const Json& e) {
    // A number above the largest Index would wrap around.
    return e.is_number_integer() && !(e.is_number_unsigned() && e.get<std::uint64_t>() >> 63 != 0);
  });
  if (list.is_null()) fail(key, "a JSON list of whole numbers", shown(text(key)));
  return list.get<std::vector<Index>>();
}

void Metadata::require(const std::string& key, const std::string& wanted) const {
  const auto found = texts_.find(key);
  if (found == texts_.end() || found->second != wanted) {
    fail(key, shown(wanted), found == texts_.end() ? "none" : shown(found->second));
  }
}

}  // namespace unroll
