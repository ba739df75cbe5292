// A stream from weights that no layer holds.
#include <fmt/format.h>

#include "framework/errors.hpp"
#include "layers/stream/model.hpp"

namespace unroll {
namespace {

std::size_t gates_of(StreamKind kind) noexcept {
  switch (kind) {
    case StreamKind::lstm:
      return 4;
    case StreamKind::gru_reset_after:
    case StreamKind::gru_reset_before:
      return 3;
    default:
      return 1;
  }
}

template <class S>
Var<S> optional_var(const std::optional<Tensor<S>>& tensor) {
  return tensor.has_value() ? Var<S>(*tensor) : Var<S>();
}

template <class S>
void check_matrix(std::size_t layer, const char* name, const Tensor<S>& weight) {
  if (weight.dimension() == 2 && weight.shape()[0] > 0 && weight.shape()[1] > 0) return;
  throw ShapeError(fmt::format("[Stream.freeze] layers[{}].{}: expected a matrix, got {}", layer, name,
                               to_string(weight.shape())));
}

template <class S>
Stream<S> freeze_weights(const std::vector<StreamWeights<S>>& layers, const StreamHead<S>* head,
                         Index batch) {
  detail::StreamSource<S> source{.layer = {"Stream"}, .batch = batch};
  std::size_t below = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const StreamWeights<S>& from = layers[l];
    check_matrix(l, "weight_ih", from.weight_ih);
    check_matrix(l, "weight_hh", from.weight_hh);
    if (from.weight_hr.has_value()) {
      check_matrix(l, "weight_hr", *from.weight_hr);
      if (from.kind != StreamKind::lstm) {
        throw ArgumentError(fmt::format(
            "[Stream.freeze] layers[{}].weight_hr: expected none, got one (only an LSTM projects)", l));
      }
    }
    const std::size_t input = from.weight_ih.shape()[1], output = from.weight_hh.shape()[1];
    const std::size_t hidden = from.weight_hr.has_value() ? from.weight_hr->shape()[1] : output;
    if (l > 0 && input != below) {
      throw ShapeError(
          fmt::format("[Stream.freeze] layers[{}].weight_ih: expected ({},{}) for the layer below, got {}", l,
                      gates_of(from.kind) * hidden, below, to_string(from.weight_ih.shape())));
    }
    below = output;
    source.cells.push_back({from.kind, from.z_keeps, input, hidden, output, Var<S>(from.weight_ih),
                            Var<S>(from.weight_hh), optional_var(from.bias_ih), optional_var(from.bias_hh),
                            optional_var(from.weight_hr)});
  }
  if (head != nullptr) {
    source.has_head = true;
    source.head_weight = Var<S>(head->weight);
    source.head_bias = optional_var(head->bias);
  }
  return Stream<S>(detail::build_stream(source));
}

}  // namespace

template <class S>
Stream<S> freeze(const std::vector<StreamWeights<S>>& layers, const StreamOptions& options) {
  return freeze_weights<S>(layers, nullptr, options.batch);
}

template <class S>
Stream<S> freeze(const std::vector<StreamWeights<S>>& layers, const StreamHead<S>& head,
                 const StreamOptions& options) {
  return freeze_weights(layers, &head, options.batch);
}

#define UNROLL_INSTANTIATE(S)                                                            \
  template Stream<S> freeze(const std::vector<StreamWeights<S>>&, const StreamOptions&); \
  template Stream<S> freeze(const std::vector<StreamWeights<S>>&, const StreamHead<S>&, const StreamOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
