#include "training/models/metadata.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "framework/flat_json.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

void require_finite(const std::string& key, double number) {
  if (!std::isfinite(number)) {
    throw ArgumentError(
        fmt::format("[Metadata::set] {}: expected finite numbers, got {}", quoted(key), number));
  }
}

// "model.npz: "
std::string where(const std::string& file) { return file.empty() ? "" : escaped(file) + ": "; }

}  // namespace

void Metadata::set_real(const std::string& key, double number) {
  require_finite(key, number);
  texts_[key] = fmt::format("{}", number);  // the shortest text that gives the same number again
}

void Metadata::set(const std::string& key, const std::vector<std::string>& list) {
  try {
    texts_[key] = Json(list).dump();
  } catch (const Json::exception& error) {
    throw ArgumentError(
        fmt::format("[Metadata::set] {}: expected UTF-8, got: {}", quoted(key), escaped(error.what(), 200)));
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
  throw FileError(fmt::format("[metadata] {}{}: expected {}, got {}", where(file_), quoted(key), want, got));
}

void Metadata::fail_parsing(const std::string& key, const std::string& what) const {
  throw FileError(fmt::format("[metadata] {}{}: {}", where(file_), quoted(key), what));
}

const std::string& Metadata::text(const std::string& key) const& {
  const auto found = texts_.find(key);
  if (found == texts_.end()) fail(key, "a text", "none (a file of another program or version?)");
  return found->second;
}

bool Metadata::flag(const std::string& key) const {
  const std::string& value = text(key);
  if (value != "true" && value != "false") fail(key, "true or false", quoted(value));
  return value == "true";
}

Index Metadata::number(const std::string& key) const {
  return number(key, std::numeric_limits<Index>::min(), std::numeric_limits<Index>::max());
}

Index Metadata::number(const std::string& key, Index low, Index high) const {
  const std::string& value = text(key);
  const auto result = detail::parse_number<Index>(value);
  if (!result || *result < low || *result > high) {
    const bool any = low == std::numeric_limits<Index>::min() && high == std::numeric_limits<Index>::max();
    fail(key, any ? "a whole number" : fmt::format("a whole number from {} to {}", low, high), quoted(value));
  }
  return *result;
}

double Metadata::real(const std::string& key) const {
  const std::string& value = text(key);
  const auto result = detail::parse_number<double>(value);
  if (!result || !std::isfinite(*result)) fail(key, "a finite number", quoted(value));
  return *result;
}

std::vector<std::string> Metadata::texts(const std::string& key) const {
  auto list = detail::parse_text_list(text(key));
  if (!list) fail(key, "a JSON list of texts", quoted(text(key)));
  return *std::move(list);
}

std::vector<double> Metadata::reals(const std::string& key) const {
  auto list = detail::parse_real_list(text(key));
  if (!list) fail(key, "a JSON list of finite numbers", quoted(text(key)));
  return *std::move(list);
}

std::vector<Index> Metadata::numbers(const std::string& key) const {
  auto list = detail::parse_integer_list(text(key));
  if (!list) fail(key, "a JSON list of whole numbers", quoted(text(key)));
  return *std::move(list);
}

const std::string& Metadata::shallow(const std::string& key) const {
  constexpr std::size_t kDeepest = 32;
  const std::string& json = text(key);
  if (detail::nested_deeper(json, kDeepest)) {
    fail(key, fmt::format("JSON that is nested at most {} deep", kDeepest), quoted(json));
  }
  return json;
}

void Metadata::require(const std::string& key, const std::string& wanted) const {
  const auto found = texts_.find(key);
  if (found == texts_.end() || found->second != wanted) {
    fail(key, quoted(wanted), found == texts_.end() ? "none" : quoted(found->second));
  }
}

}  // namespace unroll
