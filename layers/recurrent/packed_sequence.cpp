#include "layers/recurrent/packed_sequence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "framework/errors.hpp"
#include "framework/ops.hpp"

namespace unroll::detail {
namespace {

IndexTensor to_index_tensor(const std::vector<std::size_t>& values) {
  IndexTensor tensor(Shape{values.size()});
  std::transform(values.begin(), values.end(), tensor.data(),
                 [](std::size_t v) { return static_cast<std::int64_t>(v); });
  return tensor;
}

}  // namespace

PackedSequence pack_sequence(const LayerName& layer, const Shape& input, std::size_t input_size,
                             bool batch_first, const std::vector<Index>& lengths) {
  if (input.size() != 3 || input[2] != input_size) {
    throw ShapeError(
        fmt::format("[{}.forward] input: expected ({},{}), got {}{}", layer.str(),
                    batch_first ? "B,T" : "T,B", input_size, to_string(input),
                    input.size() == 2 ? " (a single sequence needs a batch axis of size 1)" : ""));
  }
  PackedSequence packing;
  packing.steps = input[batch_first ? 1 : 0];
  packing.batch = input[batch_first ? 0 : 1];
  if (packing.steps == 0 || packing.batch == 0) {
    throw ShapeError(fmt::format("[{}.forward] input: expected at least one step and one sequence, got {}",
                                 layer.str(), to_string(input)));
  }
  if (lengths.empty()) return packing;

  if (lengths.size() != packing.batch) {
    throw ShapeError(fmt::format("[{}.forward] lengths: expected {} entries (one per sequence), got {}",
                                 layer.str(), packing.batch, lengths.size()));
  }
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || static_cast<std::size_t>(lengths[b]) > packing.steps) {
      throw ArgumentError(fmt::format("[{}.forward] lengths[{}]: expected 0..{} (the input's T), got {}",
                                      layer.str(), b, packing.steps, lengths[b]));
    }
  }
  packing.ragged = std::any_of(lengths.begin(), lengths.end(), [&](Index length) {
    return static_cast<std::size_t>(length) != packing.steps;
  });
  if (!packing.ragged) return packing;

  std::vector<std::size_t> order(packing.batch), restore(packing.batch);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });
  for (std::size_t r = 0; r < packing.batch; ++r) {
    restore[order[r]] = r;
    packing.sorted_lengths.push_back(static_cast<std::size_t>(lengths[order[r]]));
  }
  if (!std::is_sorted(order.begin(), order.end())) {
    packing.order = to_index_tensor(order);
    packing.restore = to_index_tensor(restore);
  }

  const auto layout = bptt::BatchLayout::ragged(packing.steps, packing.sorted_lengths, false);
  std::vector<std::size_t> pack;
  // Rows of padding come from the row of zeros after the packed rows.
  std::vector<std::size_t> unpack(packing.steps * packing.batch, layout.total);
  for (std::size_t t = 0; t < packing.steps; ++t) {
    for (std::size_t r = 0; r < layout.batch_size(t); ++r) {
      const std::size_t flat = t * packing.batch + order[r];
      unpack[flat] = pack.size();
      pack.push_back(flat);
    }
  }
  packing.pack = to_index_tensor(pack);
  packing.unpack = to_index_tensor(unpack);
  return packing;
}

template <class S>
Var<S> PackedSequence::padded(const Var<S>& packed) const {
  const std::size_t width = packed.shape(1);
  const Var<S> with_zeros = concat(std::vector<Var<S>>{packed, Var<S>(zeros<S>({1, width}))}, 0);
  return reshape(index_select(with_zeros, 0, *unpack),
                 {static_cast<Index>(steps), static_cast<Index>(batch), static_cast<Index>(width)});
}
template Var<float> PackedSequence::padded(const Var<float>&) const;
template Var<double> PackedSequence::padded(const Var<double>&) const;

}  // namespace unroll::detail
