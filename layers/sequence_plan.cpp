#include "layers/sequence_plan.hpp"

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

SequencePlan plan_sequence(const LayerName& layer, const Shape& input, std::size_t input_size,
                           bool batch_first, const std::vector<Index>& lengths) {
  if (input.size() != 3 || input[2] != input_size) {
    throw ShapeError(fmt::format(
        "[{}.forward] input want ({},{}), got {}{}", layer.str(), batch_first ? "B,T" : "T,B", input_size,
        to_string(input), input.size() == 2 ? " (a single sequence needs a batch axis of size 1)" : ""));
  }
  SequencePlan plan;
  plan.steps = input[batch_first ? 1 : 0];
  plan.batch = input[batch_first ? 0 : 1];
  if (plan.steps == 0 || plan.batch == 0) {
    throw ShapeError(fmt::format("[{}.forward] input want at least one step and one sequence, got {}",
                                 layer.str(), to_string(input)));
  }
  if (lengths.empty()) return plan;

  if (lengths.size() != plan.batch) {
    throw ShapeError(fmt::format("[{}.forward] lengths want {} entries (one per sequence), got {}",
                                 layer.str(), plan.batch, lengths.size()));
  }
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || static_cast<std::size_t>(lengths[b]) > plan.steps) {
      throw ArgumentError(fmt::format("[{}.forward] lengths[{}] want 0..{} (the input's T), got {}",
                                      layer.str(), b, plan.steps, lengths[b]));
    }
  }
  plan.ragged = std::any_of(lengths.begin(), lengths.end(),
                            [&](Index length) { return static_cast<std::size_t>(length) != plan.steps; });
  if (!plan.ragged) return plan;

  std::vector<std::size_t> order(plan.batch), restore(plan.batch);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });
  for (std::size_t r = 0; r < plan.batch; ++r) {
    restore[order[r]] = r;
    plan.sorted_lengths.push_back(static_cast<std::size_t>(lengths[order[r]]));
  }
  if (!std::is_sorted(order.begin(), order.end())) {
    plan.order = to_index_tensor(order);
    plan.restore = to_index_tensor(restore);
  }

  const auto layout = bptt::Steps::ragged(plan.steps, plan.sorted_lengths, false);
  std::vector<std::size_t> pack;
  // Rows of padding come from the row of zeros behind the packed ones.
  std::vector<std::size_t> unpack(plan.steps * plan.batch, layout.total);
  for (std::size_t t = 0; t < plan.steps; ++t) {
    for (std::size_t r = 0; r < layout.rows(t); ++r) {
      const std::size_t flat = t * plan.batch + order[r];
      unpack[flat] = pack.size();
      pack.push_back(flat);
    }
  }
  plan.pack = to_index_tensor(pack);
  plan.unpack = to_index_tensor(unpack);
  return plan;
}

template <class S>
Var<S> SequencePlan::padded(const Var<S>& packed) const {
  const std::size_t width = packed.shape(1);
  const Var<S> with_zeros = concat(std::vector<Var<S>>{packed, Var<S>(zeros<S>({1, width}))}, 0);
  return reshape(index_select(with_zeros, 0, *unpack),
                 {static_cast<Index>(steps), static_cast<Index>(batch), static_cast<Index>(width)});
}
template Var<float> SequencePlan::padded(const Var<float>&) const;
template Var<double> SequencePlan::padded(const Var<double>&) const;

}  // namespace unroll::detail
