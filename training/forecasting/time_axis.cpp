#include "training/forecasting/time_axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "framework/quoted.hpp"
#include "training/data/field.hpp"
#include "training/data/table.hpp"

namespace unroll {
namespace {

constexpr const char* kIgnore = "(without years: --ignore year, or Table::without)";
constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};

// "March", "mar", "MAR." -> 3
std::optional<Index> month_by_name(std::string_view field) {
  std::string name(field.substr(0, field.ends_with('.') ? field.size() - 1 : field.size()));
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto found = std::find_if(kMonths.begin(), kMonths.end(), [&](std::string_view month) {
    return month == name || (name.size() == 3 && month.starts_with(name)) ||
           (name == "sept" && month[0] == 's');
  });
  if (found == kMonths.end()) return std::nullopt;
  return found - kMonths.begin() + 1;
}

// A whole number from low to high, as "1959.0", too.
Index whole(const Table& table, std::size_t n, const char* column, Index low, Index high) {
  const std::string_view field = table.field(n, table.column(column));
  const auto number = detail::parse_number(field);
  if (number && *number == std::floor(*number) && std::abs(*number) < 1e15) {
    const auto value = static_cast<Index>(*number);
    if (value >= low && value <= high) return value;
    table.fail(n, fmt::format("column '{}': expected {}..{}, got {} {}", column, low, high, value, kIgnore));
  }
  table.fail(n,
             fmt::format("column '{}': expected a whole number, got {} {}", column, quoted(field), kIgnore));
}

}  // namespace

TimeAxis TimeAxis::of(const Table& table) {
  TimeAxis axis;
  if (!table.find("year")) return axis;
  const char* const part = table.find("month") ? "month" : table.find("quarter") ? "quarter" : "year";
  axis.years_ = true;
  axis.per_year_ = part == std::string_view("month") ? 12 : part == std::string_view("quarter") ? 4 : 1;
  for (std::size_t i = 0; i < table.size(); ++i) {
    Index step = whole(table, i, "year", 1, 9999) * axis.per_year_;
    if (axis.per_year_ > 1) {
      const auto month =
          axis.per_year_ == 12 ? month_by_name(table.field(i, table.column(part))) : std::nullopt;
      step += month ? *month - 1 : whole(table, i, part, 1, axis.per_year_) - 1;
    }
    if (i == 0) axis.first_ = step;
    if (const auto want = axis.first_ + static_cast<Index>(i); step != want) {
      table.fail(i, fmt::format("column{}: expected {} (steps follow one another), got {} {}",
                                axis.per_year_ > 1 ? fmt::format("s 'year' and '{}'", part) : " 'year'",
                                axis.label(want - axis.first_), axis.label(step - axis.first_), kIgnore));
    }
  }
  return axis;
}

std::string TimeAxis::label(Index i) const {
  const Index step = first_ + i;
  if (!years_ || per_year_ == 1) return std::to_string(step);
  return per_year_ == 4 ? fmt::format("{}-Q{}", step / 4, step % 4 + 1)
                        : fmt::format("{}-{:02}", step / per_year_, step % per_year_ + 1);
}

double TimeAxis::place(Index i) const noexcept {
  return static_cast<double>(first_ + i) / static_cast<double>(per_year_);
}

}  // namespace unroll
