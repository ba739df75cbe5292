// Labels: the names of classes and their numbers; one_hot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

template <class S>
class TableEncoder;

// Classes 0, 1, ...: the distinct labels of the training rows, in numeric order if all are whole numbers >= 0
// ("2" before "10"), else in byte order. Functions that need names throw ArgumentError for a moved-from
// object.
class Labels {
 public:
  // Throws ArgumentError for fewer than two different names and for an empty one.
  static Labels of(std::span<const std::string> labels);

  std::size_t size() const noexcept { return names_.size(); }
  const std::vector<std::string>& names() const& noexcept { return names_; }
  std::vector<std::string> names() && { return std::move(names_); }
  // Throws ArgumentError outside 0..size()-1.
  const std::string& name(std::int64_t id) const&;
  std::string name(std::int64_t id) && { return name(id); }
  std::optional<std::int64_t> find(std::string_view name) const;
  // The classes of labels. Throws ArgumentError naming the first unknown one.
  std::vector<std::int64_t> encode(std::span<const std::string> labels) const;

  // As a JSON list of names, for the metadata of a model file.
  std::string to_json() const;
  // Throws ArgumentError for anything but a list of two or more different names.
  static Labels from_json(std::string_view json);

  bool operator==(const Labels& other) const { return names_ == other.names_; }

 private:
  template <class S>
  friend class TableEncoder;
  explicit Labels(std::vector<std::string> names);
  template <class Json>
  static Labels of_json(const Json& json);

  std::vector<std::string> names_;
  std::map<std::string, std::int64_t, std::less<>> ids_;
};

// y[..., c] = 1 where c = ids[...], else 0: (...) -> (..., classes). Throws ArgumentError for classes < 1 or
// more than memory can hold, ShapeError for an id outside 0..classes-1 and for ids with the largest rank.
template <class S>
Tensor<S> one_hot(const IndexTensor& ids, Index classes);

}  // namespace unroll
