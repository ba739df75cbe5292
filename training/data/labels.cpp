#include "training/data/labels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/data/json_text.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

bool is_whole(const std::string& name) {
  return name.find_first_not_of("0123456789") == std::string::npos && (name == "0" || name.front() != '0');
}

}  // namespace

Labels::Labels(std::vector<std::string> names) : names_(std::move(names)) {
  for (const std::string& name : names_) {
    if (name.empty()) throw ArgumentError("[Labels] labels: expected names that are not empty, got ''");
    if (!ids_.emplace(name, static_cast<std::int64_t>(ids_.size())).second)
      throw ArgumentError(
          fmt::format("[Labels] labels: expected distinct names, got {} twice", quoted(name)));
  }
  if (names_.size() < 2)
    throw ArgumentError(
        fmt::format("[Labels] labels: expected at least 2 different labels, got {}", names_.size()));
}

Labels Labels::of(std::span<const std::string> labels) {
  const std::set<std::string> different(labels.begin(), labels.end());
  std::vector<std::string> names(different.begin(), different.end());
  if (std::none_of(names.begin(), names.end(), [](const std::string& name) { return name.empty(); }) &&
      std::all_of(names.begin(), names.end(), is_whole)) {
    std::stable_sort(names.begin(), names.end(),
                     [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
  }
  return Labels(std::move(names));
}

const std::string& Labels::name(std::int64_t id) const& {
  detail::require_contents(!names_.empty(), "Labels.name");
  if (id < 0 || static_cast<std::size_t>(id) >= names_.size())
    throw ArgumentError(fmt::format("[Labels.name] id: expected 0..{}, got {}", names_.size() - 1, id));
  return names_[static_cast<std::size_t>(id)];
}

std::optional<std::int64_t> Labels::find(std::string_view name) const {
  const auto found = ids_.find(name);
  if (names_.empty() || found == ids_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::int64_t> Labels::encode(std::span<const std::string> labels) const {
  detail::require_contents(!names_.empty(), "Labels.encode");
  std::vector<std::int64_t> ids;
  for (const std::string& label : labels) {
    const auto id = find(label);
    if (!id) {
      throw ArgumentError(
          fmt::format("[Labels.encode] labels: expected one of the {} known ones, got {} at {}",
                      names_.size(), quoted(label), ids.size()));
    }
    ids.push_back(*id);
  }
  return ids;
}

std::string Labels::to_json() const {
  detail::require_contents(!names_.empty(), "Labels.to_json");
  try {
    return Json(names_).dump();
  } catch (const Json::exception&) {
    throw ArgumentError("[Labels.to_json] labels: expected UTF-8, got other bytes");
  }
}

template <class Json>
Labels Labels::of_json(const Json& json) {
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), [](const Json& n) { return n.is_string(); }))
    throw ArgumentError("[Labels.from_json] json: expected a list of names, got something else");
  return Labels(json.template get<std::vector<std::string>>());
}

Labels Labels::from_json(std::string_view json) {
  return of_json(Json::parse(detail::bounded_json(json, "Labels.from_json"), nullptr, false));
}

template Labels Labels::of_json(const Json&);

template <class S>
Tensor<S> one_hot(const IndexTensor& ids, Index classes) {
  if (classes < 1) throw ArgumentError(fmt::format("[one_hot] classes: expected >= 1, got {}", classes));
  Shape shape = ids.shape();
  if (shape.size() == kMaxRank) {
    throw ShapeError(
        fmt::format("[one_hot] ids: expected at most {} axes, got {}", kMaxRank - 1, to_string(shape)));
  }
  shape.push_back(static_cast<std::size_t>(classes));
  const auto fail_size = [&] {
    throw ArgumentError(fmt::format(
        "[one_hot] classes: expected as many as memory can hold for {} ids, got {}", ids.size(), classes));
  };
  if (ids.size() > 0 && static_cast<std::size_t>(classes) > PTRDIFF_MAX / sizeof(S) / ids.size()) fail_size();
  Tensor<S> result;
  try {
    result = zeros<S>(shape);
  } catch (const MemoryError&) {
    fail_size();
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int64_t id = ids.data()[i];
    if (id < 0 || id >= classes)
      throw ShapeError(fmt::format("[one_hot] ids: expected 0..{}, got {} at {}", classes - 1, id, i));
    result.data()[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(id)] = S{1};
  }
  return result;
}

template Tensor<float> one_hot<float>(const IndexTensor&, Index);
template Tensor<double> one_hot<double>(const IndexTensor&, Index);

}  // namespace unroll
