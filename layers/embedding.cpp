#include "layers/embedding.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "layers/module/new_parameter.hpp"

namespace unroll {

template <class S>
Embedding<S>::Embedding(Index vocabulary, Index size, Rng& rng, EmbeddingOptions opts) : options(opts) {
  if (vocabulary < 1 || size < 1) {
    throw ArgumentError(
        fmt::format("[Embedding] sizes: expected >= 1, got vocabulary {} and size {}", vocabulary, size));
  }
  const auto width = static_cast<std::size_t>(size);
  if (options.padding_id && (*options.padding_id < 0 || *options.padding_id >= vocabulary)) {
    throw ArgumentError(
        fmt::format("[Embedding] padding_id: expected 0..{}, got {}", vocabulary - 1, *options.padding_id));
  }
  const Shape shape{static_cast<std::size_t>(vocabulary), width};
  weight = detail::new_parameter<S>(kName, "weight", shape, [&] {
    Tensor<S> rows = random_normal<S>(shape, 0.0, 1.0, rng);
    if (options.padding_id)
      std::fill_n(rows.data() + static_cast<std::size_t>(*options.padding_id) * width, width, S(0));
    return rows;
  });
}

template <class S>
Var<S> Embedding<S>::operator()(const IndexTensor& ids) const {
  if (!weight.defined()) detail::throw_empty_layer(kName, "forward");
  const LayerScope scope(kName, weight.name());
  return embedding(weight, ids, options.padding_id);
}

template <class S>
std::string Embedding<S>::extra_repr() const {
  if (!weight.defined()) detail::throw_empty_layer(kName, "extra_repr");
  return fmt::format("{} x {}", weight.shape(0), weight.shape(1));
}

template struct Embedding<float>;
template struct Embedding<double>;

}  // namespace unroll
