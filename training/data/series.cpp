#include "training/data/series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "training/data/table.hpp"

namespace unroll {
namespace {

constexpr const char* kSplit = "split";

std::vector<SeriesPart> parts_by_column(const Table& table) {
  const std::size_t at = table.column(kSplit);
  std::vector<SeriesPart> parts;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const TableRow& row = table.rows()[i];
    const std::string& name = row.fields[at];
    const auto step = static_cast<Index>(i);
    if (parts.empty() || parts.back().name != name) {
      if (std::any_of(parts.begin(), parts.end(), [&](const SeriesPart& p) { return p.name == name; })) {
        table.fail(row, fmt::format("column '{}' want all rows of '{}' side by side, got one behind '{}'",
                                    kSplit, name, parts.back().name));
      }
      parts.push_back({name, step, step});
    }
    parts.back().last = step + 1;
  }
  return parts;
}

std::vector<SeriesPart> parts_by_share(Index size, const Shares& shares) {
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

Series read_series(const Table& table, std::string_view column, const Shares& shares) {
  Series series{table.numbers(column), TimeAxis::of(table), {}};
  series.parts = table.find(kSplit) ? parts_by_column(table) : parts_by_share(series.size(), shares);
  return series;
}

}  // namespace unroll
