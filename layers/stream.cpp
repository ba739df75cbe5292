#include "layers/stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "framework/errors.hpp"
#include "layers/kernels/gru.hpp"
#include "layers/kernels/lstm.hpp"
#include "layers/kernels/mgu.hpp"
#include "layers/kernels/rnn.hpp"
#include "layers/stream/model.hpp"

namespace unroll {

template <class S>
std::span<const S> Stream<S>::step(std::span<const S> x) noexcept {
  if (state_ == nullptr || state_->model->takes_ids() || x.size() != batch() * input_size()) return {};
  return {state_->step(x.data()), batch() * output_size()};
}

template <class S>
std::span<const S> Stream<S>::step(std::span<const std::int64_t> ids) noexcept {
  if (state_ == nullptr || ids.size() != batch() || !state_->model->has_ids(ids)) return {};
  return {state_->step(state_->embed(ids.data())), batch() * output_size()};
}

namespace {

// x_of(t): the input of step t.
template <class S, class Inputs>
void run_block(detail::StreamState<S>& state, std::size_t steps, S* y, Inputs&& x_of) noexcept {
  const std::size_t out = state.model->batch * state.model->output;
  for (std::size_t t = 0; t < steps; ++t) std::copy_n(state.step(x_of(t)), out, y + t * out);
}

}  // namespace

template <class S>
bool Stream<S>::block(std::span<const S> x, std::span<S> y) noexcept {
  if (state_ == nullptr) return x.empty() && y.empty();
  const std::size_t in = batch() * input_size(), steps = x.size() / in;
  if (state_->model->takes_ids() || x.size() != steps * in || y.size() != steps * batch() * output_size())
    return false;
  run_block(*state_, steps, y.data(), [&](std::size_t t) { return x.data() + t * in; });
  return true;
}

template <class S>
bool Stream<S>::block(std::span<const std::int64_t> ids, std::span<S> y) noexcept {
  if (state_ == nullptr) return ids.empty() && y.empty();
  const std::size_t steps = ids.size() / batch();
  if (ids.size() != steps * batch() || y.size() != steps * batch() * output_size() ||
      !state_->model->has_ids(ids))
    return false;
  run_block(*state_, steps, y.data(), [&](std::size_t t) { return state_->embed(ids.data() + t * batch()); });
  return true;
}

template <class S>
std::span<const S> Stream<S>::output(std::string_view name) const noexcept {
  if (state_ == nullptr) return {};
  for (const auto& program : state_->programs) {
    if (program == nullptr) continue;
    for (const detail::StreamOutput<S>& output : program->outputs)
      if (output.name == name) return output.y;
  }
  return {};
}

template <class S>
void Stream<S>::reset() noexcept {
  if (state_ == nullptr) return;
  std::copy_n(state_->model->initial.data(), state_->model->states_size, state_->memory.data());
}

template <class S>
Stream<S> Stream<S>::clone() const {
  if (state_ == nullptr) return {};
  return Stream(std::make_shared<detail::StreamState<S>>(state_->model, state_->memory));
}

template <class S>
void Stream<S>::write_states(std::size_t count, const std::vector<Var<S>>& parts) {
  std::vector<const detail::StreamLayer<S>*> layers;
  if (state_ != nullptr) layers = detail::layers_with_states(*state_->model);
  if (count != layers.size()) {
    throw ShapeError(fmt::format("[Stream.set_states] states: expected {} entries (one per layer), got {}",
                                 layers.size(), count));
  }
  const std::size_t given = count == 0 ? 0 : parts.size() / count;
  for (const auto* layer : layers) {
    if (layer->parts.size() == given) continue;
    std::vector<std::string> names;
    for (const detail::StreamPart& part : layer->parts) names.push_back(part.name);
    throw ArgumentError(
        fmt::format("[Stream.set_states] states: expected {} per layer, got {} (the states of another cell?)",
                    fmt::join(names, " and "), given));
  }
  // Checks all before it writes one: a stream that throws keeps its state.
  for (const bool write : {false, true}) {
    for (std::size_t k = 0; k < parts.size(); ++k) {
      const detail::StreamPart& place = layers[k / given]->parts[k % given];
      const Shape want{state_->model->batch, place.size};
      if (parts[k].shape() != want) {
        throw ShapeError(
            fmt::format("[Stream.set_states] states[{}].{}: expected {} (batch, features), got {} (the "
                        "states of another layer or batch?)",
                        k / given, place.name, to_string(want), to_string(parts[k].shape())));
      }
      if (write) std::copy_n(parts[k].data(), parts[k].size(), state_->memory.data() + place.at);
    }
  }
}

template <class S>
std::vector<std::vector<Tensor<S>>> Stream<S>::read_states(std::size_t parts_of_state) const {
  std::vector<std::vector<Tensor<S>>> states;
  if (state_ == nullptr) return states;
  for (const auto* layer : detail::layers_with_states(*state_->model)) {
    if (layer->parts.size() != parts_of_state) {
      throw ArgumentError(
          fmt::format("[Stream.states] State: expected {} Vars, got {} (the layer's type State?)",
                      layer->parts.size(), parts_of_state));
    }
    std::vector<Tensor<S>>& parts = states.emplace_back();
    for (const detail::StreamPart& place : layer->parts) {
      Tensor<S>& part = parts.emplace_back(empty<S>({state_->model->batch, place.size}));
      std::copy_n(state_->memory.data() + place.at, part.size(), part.data());
    }
  }
  return states;
}

template <class S>
std::size_t Stream<S>::batch() const noexcept {
  return state_ == nullptr ? 0 : state_->model->batch;
}

template <class S>
std::size_t Stream<S>::input_size() const noexcept {
  return state_ == nullptr ? 0 : state_->model->input;
}

template <class S>
std::size_t Stream<S>::output_size() const noexcept {
  return state_ == nullptr ? 0 : state_->model->output;
}

template <class S>
bptt::Kernel<S> rnn_kernel(bool relu) noexcept {
  return {&bptt::rnn_kernel<S>(), relu};
}

template <class S>
bptt::Kernel<S> lstm_kernel() noexcept {
  return {&bptt::lstm_kernel<S>()};
}

template <class S>
bptt::Kernel<S> gru_kernel(bool reset_after, bool z_keeps) noexcept {
  return {reset_after ? &bptt::gru_after_kernel<S>() : &bptt::gru_before_kernel<S>(), z_keeps};
}

template <class S>
bptt::Kernel<S> mgu_kernel() noexcept {
  return {&bptt::mgu_kernel<S>()};
}

namespace {

template <class S>
Var<S> optional_var(const std::optional<Tensor<S>>& tensor) {
  return tensor.has_value() ? Var<S>(*tensor) : Var<S>();
}

template <class S>
Stream<S> freeze_weights(const std::vector<StreamWeights<S>>& layers, const StreamHead<S>* head,
                         Index batch) {
  detail::StreamSource<S> source{.layer = {"Stream"}, .batch = batch};
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const StreamWeights<S>& from = layers[l];
    if (from.kernel == nullptr) {
      throw ArgumentError(fmt::format(
          "[Stream.freeze] layers[{}].kernel: expected a cell's, such as lstm_kernel<float>, got none", l));
    }
    const std::array<Var<S>, 5> parameters{Var<S>(from.weight_ih), Var<S>(from.weight_hh),
                                           optional_var(from.bias_ih), optional_var(from.bias_hh),
                                           optional_var(from.weight_hr)};
    const std::string at = fmt::format("layers[{}].", l);
    detail::check_matrix(source.layer, at + "weight_ih", parameters[0]);
    detail::check_matrix(source.layer, at + "weight_hh", parameters[1]);
    if (from.weight_hr) detail::check_matrix(source.layer, at + "weight_hr", parameters[4]);
    const bptt::Kernel<S> kernel = from.kernel();
    const bptt::UnitLayout& unit = kernel.unit->layout;
    if (from.weight_hr && !unit.has_cell) {
      throw ArgumentError(fmt::format(
          "[Stream.freeze] layers[{}].weight_hr: expected none, got one (only an LSTM projects)", l));
    }
    if (l > 0 && from.weight_ih.shape()[1] != layers[l - 1].weight_hh.shape()[1]) {
      throw ShapeError(fmt::format(
          "[Stream.freeze] layers[{}].weight_ih: expected ({},{}) for the layer below, got {}", l,
          from.weight_hh.shape()[0], layers[l - 1].weight_hh.shape()[1], to_string(from.weight_ih.shape())));
    }
    VarList<S> inputs(1 + unit.states());
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    source.cells.push_back({kernel, from.weight_ih.shape()[1], std::move(inputs)});
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

namespace detail {

void throw_stream_input(const LayerName& layer, Index size) {
  throw ArgumentError(fmt::format("[{}.freeze] input_size: expected >= 1, got {}", layer.str(), size));
}

void throw_not_frozen(const LayerName& layer, const std::string& why) {
  throw ArgumentError(
      fmt::format("[{}.freeze] step: expected one that is a program, got one that is not: {} (use "
                  "Recurrent::step)",
                  layer.str(), why));
}

}  // namespace detail

#define UNROLL_INSTANTIATE(S)                                                            \
  template class Stream<S>;                                                              \
  template bptt::Kernel<S> rnn_kernel(bool) noexcept;                                    \
  template bptt::Kernel<S> lstm_kernel() noexcept;                                       \
  template bptt::Kernel<S> gru_kernel(bool, bool) noexcept;                              \
  template bptt::Kernel<S> mgu_kernel() noexcept;                                        \
  template Stream<S> freeze(const std::vector<StreamWeights<S>>&, const StreamOptions&); \
  template Stream<S> freeze(const std::vector<StreamWeights<S>>&, const StreamHead<S>&, const StreamOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
