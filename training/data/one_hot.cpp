#include "training/data/one_hot.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "framework/errors.hpp"

namespace unroll {

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
