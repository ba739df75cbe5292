#include "layers/module.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll {

namespace detail {
std::string join_names(const std::string& prefix, const std::string& name) {
  if (prefix.empty()) return name;
  return prefix + "." + name;
}
void throw_slot_mismatch(const std::string& name) {
  throw Error(
      fmt::format("[convert] want the same member list for both scalar types, got another at '{}' (does "
                  "each() list members "
                  "in an order that depends on them?)",
                  name));
}
}  // namespace detail

namespace {
// 12345 -> "12,345"
std::string with_commas(std::size_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}
}  // namespace

std::string format_summary(const std::vector<SummaryRow>& rows) {
  std::size_t name = 5, kind = 4, shape = 5, total = 0;
  for (const auto& row : rows) {
    name = std::max(name, row.name.size());
    kind = std::max(kind, row.kind.size());
    shape = std::max(shape, row.detail.size());
    total += row.parameters;
  }
  std::string text = fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>12}\n", "layer", name, "kind", kind, "shape",
                                 shape, "parameters");
  for (const auto& row : rows) {
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>12}\n", row.name, name, row.kind, kind, row.detail, shape,
                        with_commas(row.parameters));
  }
  text += fmt::format("{:<{}}  {:>12}\n", "total", name + kind + shape + 4, with_commas(total));
  return text;
}

}  // namespace unroll
