#include "training/forecasting/series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_set>
#include <utility>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/data/table.hpp"
#include "training/data/table_text.hpp"

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
  const auto number = detail::parse_field(field);
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

namespace {

constexpr const char* kSplit = "split";

std::vector<SeriesPart> parts_by_column(const Table& table) {
  const std::size_t at = table.column(kSplit);
  std::vector<SeriesPart> parts;
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const std::string_view name = table.field(i, at);
    const auto step = static_cast<Index>(i);
    if (parts.empty() || parts.back().name != name) {
      if (!names.insert(name).second) {
        table.fail(i, fmt::format("column '{}': expected all rows of {} in one block, got one after {}",
                                  kSplit, quoted(name), quoted(parts.back().name)));
      }
      parts.push_back({std::string(name), step, step});
    }
    parts.back().last = step + 1;
  }
  return parts;
}

std::vector<SeriesPart> parts_by_share(Index size, const SplitFractions& shares) {
  const Split split = split_in_order(size, shares);
  std::vector<SeriesPart> parts;
  for (const auto& [name, rows] :
       {std::pair("train", &split.train), std::pair("valid", &split.valid), std::pair("test", &split.test)}) {
    if (!rows->empty()) parts.push_back({name, rows->front(), rows->back() + 1});
  }
  return parts;
}

}  // namespace

SeriesPart Series::part(std::string_view name) const {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const SeriesPart& p) { return p.name == name; });
  return found != parts.end() ? *found : SeriesPart{std::string(name), size(), size()};
}

std::string Series::label(const SeriesPart& part) const {
  return fmt::format("{} to {}", time.label(part.first), time.label(part.last - 1));
}

Series read_series(const Table& table, std::string_view column, const SplitFractions& shares) {
  Series series{table.numbers(column), TimeAxis::of(table), {}};
  try {
    series.parts = table.find(kSplit) ? parts_by_column(table) : parts_by_share(series.size(), shares);
  } catch (const ArgumentError& error) {
    if (!(shares.valid >= 0.0 && shares.test >= 0.0 && shares.valid + shares.test < 1.0)) throw;
    throw FileError(fmt::format("{}: {}", escaped(table.path()), error.what()));  // it has too few rows
  }
  return series;
}

namespace {

// The columns that are forecast.
std::vector<std::size_t> target_columns(const WindowOptions& options, std::size_t features) {
  std::vector<std::size_t> columns;
  for (const Index c : options.columns) {
    if (c < 0 || static_cast<std::size_t>(c) >= features)
      throw ArgumentError(fmt::format("[windows] columns: expected 0..{}, got {}", features - 1, c));
    columns.push_back(static_cast<std::size_t>(c));
  }
  for (std::size_t c = 0; options.columns.empty() && c < features; ++c) columns.push_back(c);
  return columns;
}

}  // namespace

template <class S>
SequenceDataset<S> windows(const Tensor<S>& series, const WindowOptions& options) {
  if (options.length < 1 || options.stride < 1 || options.horizon < 1) {
    throw ArgumentError(fmt::format("[windows] length, stride and horizon: expected >= 1, got {}, {} and {}",
                                    options.length, options.stride, options.horizon));
  }
  const Shape& shape = series.shape();
  if (shape.size() != 2 || shape[1] == 0)
    throw ShapeError(fmt::format("[windows] series: expected (N,I), got {}", to_string(shape)));
  const std::size_t steps = shape[0], features = shape[1];
  const auto length = static_cast<std::size_t>(options.length),
             horizon = static_cast<std::size_t>(options.horizon);
  if (steps < length || steps - length < horizon) {
    throw ShapeError(fmt::format(
        "[windows] series: expected at least {} steps (a window of {} and its target {} later), got {}",
        length + horizon, length, horizon, steps));
  }
  const auto columns = target_columns(options, features);
  const std::size_t width = columns.size();

  SequenceDataset<S> data;
  auto& store = *data.store_;
  store.defined = true;
  store.width = features;
  store.values.assign(series.data(), series.data() + series.size());
  store.target = options.target == WindowTarget::every_step ? TargetKind::step_vectors : TargetKind::vector;
  store.target_width = options.target == WindowTarget::path_ahead ? horizon * width : width;
  for (std::size_t t = 0; t < steps; ++t) {
    for (const std::size_t c : columns) store.targets.push_back(series.data()[t * features + c]);
  }
  for (std::size_t first = 0; first <= steps - length - horizon;
       first += static_cast<std::size_t>(options.stride)) {
    std::size_t target = first + length - 1 + horizon;
    if (options.target == WindowTarget::path_ahead) target = first + length;
    if (options.target == WindowTarget::every_step) target = first + horizon;
    data.samples_.push_back({first, length, target * width});
  }
  return data;
}

template SequenceDataset<float> windows(const Tensor<float>&, const WindowOptions&);
template SequenceDataset<double> windows(const Tensor<double>&, const WindowOptions&);

}  // namespace unroll
