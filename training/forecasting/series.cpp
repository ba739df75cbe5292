#include "training/forecasting/series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/data/table.hpp"

namespace unroll {
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

}  // namespace unroll
