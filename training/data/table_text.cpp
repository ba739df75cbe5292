#include "training/data/table_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "framework/number_text.hpp"
#include "training/data/text.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kExactDigits = 15;  // whole numbers of so many digits are doubles

std::string_view without_plus(std::string_view field) {
  const bool plus = field.size() > 1 && field[0] == '+' && field[1] != '-';
  return plus ? field.substr(1) : field;
}

// Whether a number that read_number() finds out of range is too small, and not too large: whether its first
// digit that is not 0 stands behind the point.
bool is_tiny(std::string_view number) {
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view digits = number.substr(0, e);
  const std::size_t first = digits.find_first_of("123456789");
  const auto point = static_cast<double>(std::min(digits.find('.'), digits.size()));
  if (first == std::string_view::npos) return true;
  int exponent = 0;
  if (e < number.size()) {
    std::string_view text = without_plus(number.substr(e + 1));
    if (read_number(text, exponent) != std::errc()) return number[e + 1] == '-';  // beyond any int
  }
  return point - static_cast<double>(first) + exponent < 0;
}

}  // namespace

std::optional<double> parse_field(std::string_view field, char point) {
  if (point != '.') {
    std::string usual(field);
    if (usual.find('.') != std::string::npos) return std::nullopt;
    std::replace(usual.begin(), usual.end(), point, '.');
    return parse_field(usual);
  }
  const std::string_view text = without_plus(field);
  std::string_view rest = text;
  double value = 0.0;
  const std::errc error = read_number(rest, value);
  if (!rest.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range && is_tiny(text)) return text[0] == '-' ? -0.0 : 0.0;
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_integer(std::string_view field) {
  return parse_number<std::int64_t>(without_plus(field));
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

namespace {

// "2020-01-31", "1/22/20", "31.1.2020 12:00": digits with marks between.
bool is_date(std::string_view text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  if (text.find_first_not_of("0123456789-/.: TZ+") != text.npos) return false;
  return text.find_first_of("-/:") != text.npos || std::count(text.begin(), text.end(), '.') > 1;
}

// A number as values are printed, but not names: "100.00", "5.0".
bool is_printed(std::string_view number) {
  return number.find('.') != number.npos && (number.ends_with('0') || number.ends_with('.'));
}

bool is_whole_number(double x) { return x == std::floor(x); }
bool is_year(double x) { return is_whole_number(x) && x >= 1000.0 && x < 3000.0; }

bool rises(const std::vector<double>& x) {
  return std::adjacent_find(x.begin(), x.end(), std::greater_equal<>()) == x.end();
}

bool is_even(const std::vector<double>& x) {
  if (x.size() < 3) return true;
  const double step = x[1] - x[0];
  for (std::size_t i = 2; i < x.size(); ++i) {
    if (std::abs(x[i] - x[i - 1] - step) > 1e-6 * std::abs(step)) return false;
  }
  return true;
}

}  // namespace

bool is_row_of_numbers(const std::vector<std::string>& names) {
  constexpr std::size_t kRow = 6, kMany = 20;
  std::vector<double> numbers;
  std::size_t others = 0;  // dates, and what is missing
  for (const std::string& name : names) {
    if (const auto number = parse_field(name)) {
      if (is_printed(name)) return true;
      numbers.push_back(*number);
    } else if (!name.empty() && (is_missing(name) || is_date(name))) {
      ++others;
    }
  }
  const std::size_t count = numbers.size();
  if (numbers.empty() || 2 * (count + others) < names.size()) return false;
  if (others > 0) return true;
  const bool all = count == names.size(), rise = rises(numbers), even = is_even(numbers);
  const bool whole = std::all_of(numbers.begin(), numbers.end(), is_whole_number);
  if (rise && (count >= kMany || (count >= kRow && even))) return false;
  if (std::all_of(numbers.begin(), numbers.end(), is_year)) {
    if (!all) return false;
    return !(rise && (count >= kRow || (count >= 3 && even && numbers[1] == numbers[0] + 1.0)));
  }
  return all || !whole || !rise;
}

bool has_number(const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [](const std::string& name) { return parse_field(name).has_value(); });
}

std::string no_header_hint(const std::vector<std::string>& names) {
  bool positions = true;
  for (std::size_t c = 0; c < names.size(); ++c) positions = positions && names[c] == std::to_string(c);
  return positions || !has_number(names) ? std::string() : std::string(" ") + kNoHeader;
}

bool is_json(std::string_view text) {
  const auto next = [&] {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    const char c = text.empty() ? '\0' : text[0];
    text.remove_prefix(text.empty() ? 0 : 1);
    return c;
  };
  const char first = next(), second = next();
  return (first == '{' && second == '"') || (first == '[' && (second == '{' || second == '['));
}

char delimiter_of(std::string_view text, char usual) {
  text = without_bom(text);
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  // The record's own first column may be empty: a tab before its name.
  const std::size_t blank = begin == 0 ? text.npos : text.rfind('\n', begin - 1);
  if (blank != text.npos) text.remove_prefix(blank + 1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\t') return '\t';
    if (c == '\n') break;
  }
  return usual;
}

char other_delimiter(const std::vector<std::string>& names) {
  if (names.size() != 1) return '\0';
  for (const char delimiter : {';', '|', '\t', ','}) {
    if (names[0].find(delimiter) != std::string::npos) return delimiter;
  }
  return '\0';
}

std::string delimiter_hint(const std::vector<std::string>& names) {
  const char other = other_delimiter(names);
  if (other == '\0') return "";
  if (other == '\t') return " (does a tab separate? .delimiter = '\\t', or --delimiter tab)";
  return fmt::format(" (does '{0}' separate? .delimiter = '{0}', or --delimiter '{0}')", other);
}

}  // namespace unroll::detail
