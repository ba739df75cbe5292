#include "training/data/field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace unroll::detail {
namespace {

constexpr std::size_t kExactDigits = 15;  // whole numbers of so many digits are doubles

std::string_view without_plus(std::string_view field) {
  const bool plus = field.size() > 1 && field[0] == '+' && field[1] != '-';
  return plus ? field.substr(1) : field;
}

// Whether a number that std::from_chars finds out of range is too small, and not too large: whether its first
// digit that is not 0 stands behind the point.
bool is_tiny(std::string_view number) {
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view digits = number.substr(0, e);
  const std::size_t first = digits.find_first_of("123456789");
  const auto point = static_cast<double>(std::min(digits.find('.'), digits.size()));
  if (first == std::string_view::npos) return true;
  int exponent = 0;
  if (e < number.size()) {
    const std::string_view text = without_plus(number.substr(e + 1));
    if (std::from_chars(text.data(), text.data() + text.size(), exponent).ec != std::errc())
      return text.starts_with('-');  // beyond any int
  }
  return point - static_cast<double>(first) + exponent < 0;
}

}  // namespace

std::optional<double> parse_number(std::string_view field, char point) {
  if (point != '.') {
    std::string usual(field);
    if (usual.find('.') != std::string::npos) return std::nullopt;
    std::replace(usual.begin(), usual.end(), point, '.');
    return parse_number(usual);
  }
  const std::string_view text = without_plus(field);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range && is_tiny(text)) return text[0] == '-' ? -0.0 : 0.0;
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_integer(std::string_view field) {
  const std::string_view text = without_plus(field);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_rounded(std::string_view field, double nearest) {
  if (field.size() <= kExactDigits) return false;
  std::string_view digits = without_plus(field);
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return !digits.empty() && fmt::format("{:.0f}", std::abs(nearest)) != digits;
}

bool is_missing(std::string_view field) noexcept {
  constexpr std::string_view kWords[] = {"",     "NA",   "NaN",      "nan",    "N/A",  "n/a",
                                         "NULL", "null", "None",     "<NA>",   "#N/A", "#NA",
                                         "-nan", "-NaN", "#N/A N/A", "1.#QNAN"};
  return std::find(std::begin(kWords), std::end(kWords), field) != std::end(kWords);
}

}  // namespace unroll::detail
