#include "training/data/table_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/data/field.hpp"
#include "training/data/file_text.hpp"

namespace unroll::detail {

bool is_row_of_numbers(const std::vector<std::string>& names) {
  constexpr std::size_t kRising = 6;
  std::vector<double> numbers;
  for (const std::string& name : names) {
    if (const auto number = parse_number(name)) numbers.push_back(*number);
  }
  if (numbers.empty() || 2 * numbers.size() < names.size()) return false;
  const bool falls =
      std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) != numbers.end();
  if (numbers.size() >= kRising && !falls) return false;
  return numbers.size() == names.size() ||
         std::any_of(numbers.begin(), numbers.end(), [](double x) { return x != std::floor(x); });
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
