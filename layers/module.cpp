#include "layers/module.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "framework/errors.hpp"

namespace unroll {

namespace detail {
std::string join_names(const std::string& prefix, const std::string& name) {
  if (prefix.empty()) return name;
  return prefix + "." + name;
}
void throw_slot_mismatch(const std::string& name) {
  throw Error(
      fmt::format("[convert] expected the same member list for both scalar types, got another at '{}' (does "
                  "each() list members in an order that depends on them?)",
                  name));
}
void throw_copied() {
  throw ArgumentError(
      "[copy] module: expected clone(module), with its own parameters, or share(module), a second handle to "
      "the same ones, got a plain copy (which std::vector makes when a move may throw)");
}
template <class S>
void require_distinct_names(const std::vector<NamedParameter<S>>& list) {
  std::unordered_map<std::string_view, const void*> known;
  for (const auto& [name, var] : list) {
    const auto [at, is_new] = known.try_emplace(name, var.get());
    if (is_new || at->second == var.get()) continue;
    throw ArgumentError(fmt::format(
        "[named_parameters] '{}': expected distinct names, got two parameters of this one (does each() visit "
        "two members by one name?)",
        name));
  }
}
template void require_distinct_names(const std::vector<NamedParameter<float>>&);
template void require_distinct_names(const std::vector<NamedParameter<double>>&);

void throw_constant(const std::string& name) {
  throw TapeError(
      fmt::format("[parameters] '{}': expected a parameter, got a constant (parameter(tensor) makes one; "
                  "leave what is not trained out of the optimizer)",
                  name));
}

void SummaryRows::begin(const std::string& name, const char* kind, const std::string& text) {
  rows.push_back({name, kind, text, 0});
}

void SummaryRows::add(const std::string& name, const void* parameter, std::size_t size) {
  SummaryRow& row = rows.back();
  const auto [first, fresh] = first_names_.emplace(parameter, name);
  if (fresh) {
    row.parameters += size;
  } else {
    // In a layer's row: the name of the parameter in the layer.
    const std::string own = name.size() > row.name.size() && !row.name.empty()
                                ? name.substr(row.name.size() + 1) + " "
                                : (name == row.name ? "" : name + " ");
    row.detail += fmt::format(", {}shared with {}", own, first->second);
  }
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
