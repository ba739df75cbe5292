#include "layers/stream.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"
#include "layers/stream/model.hpp"

namespace unroll {
template <class S>
Stream<S>::Stream(std::shared_ptr<const detail::StreamModel<S>> model) : model_(std::move(model)) {
  if (model_ != nullptr) memory_ = model_->initial;
}

template <class S>
std::span<const S> Stream<S>::step(std::span<const S> x) noexcept {
  if (model_ == nullptr || x.size() != model_->batch * model_->input) return {};
  return {model_->step(x.data(), memory_.data()), model_->batch * model_->output};
}

template <class S>
void Stream<S>::reset() noexcept {
  if (model_ != nullptr) std::copy_n(model_->initial.data(), model_->states_size, memory_.data());
}

template <class S>
Stream<S> Stream<S>::clone() const {
  Stream copy;
  copy.model_ = model_;
  copy.memory_ = memory_;
  return copy;
}

template <class S>
void Stream<S>::write_states(std::size_t count, const std::vector<Var<S>>& parts) {
  const std::size_t layers = model_ == nullptr ? 0 : model_->layers.size();
  if (count != layers) {
    throw ShapeError(fmt::format("[Stream.set_states] states: expected {} entries (one per layer), got {}",
                                 layers, count));
  }
  if (layers == 0) return;
  const std::size_t per_layer = model_->layers.front().parts();
  if (parts.size() != layers * per_layer) {
    throw ArgumentError(
        fmt::format("[Stream.set_states] states: expected {} per layer, got {} (the states of another cell?)",
                    per_layer == 2 ? "h and c" : "h", parts.size() / layers));
  }
  // All are checked before one is written: a stream that throws goes on as it was.
  for (const bool write : {false, true}) {
    for (std::size_t k = 0; k < parts.size(); ++k) {
      const detail::StreamPart place = model_->layers[k / per_layer].part(k % per_layer);
      const Shape want{model_->batch, place.size};
      if (parts[k].shape() != want) {
        throw ShapeError(
            fmt::format("[Stream.set_states] states[{}].{}: expected {} (batch, features), got {} (the "
                        "states of another layer or batch?)",
                        k / per_layer, place.name, to_string(want), to_string(parts[k].shape())));
      }
      for (std::size_t r = 0; write && r < model_->batch; ++r) {
        std::copy_n(parts[k].data() + r * place.size, place.size,
                    memory_.data() + place.at + r * place.width);
      }
    }
  }
}

template <class S>
std::vector<std::vector<Tensor<S>>> Stream<S>::read_states(std::size_t parts_of_state) const {
  std::vector<std::vector<Tensor<S>>> states;
  if (model_ == nullptr) return states;
  for (const detail::StreamLayer<S>& layer : model_->layers) {
    if (layer.parts() != parts_of_state) {
      throw ArgumentError(
          fmt::format("[Stream.states] State: expected {} Vars, got {} (LstmState for an LSTM, else Var)",
                      layer.parts(), parts_of_state));
    }
    std::vector<Tensor<S>>& parts = states.emplace_back();
    for (std::size_t k = 0; k < parts_of_state; ++k) {
      const detail::StreamPart place = layer.part(k);
      Tensor<S>& part = parts.emplace_back(empty<S>({model_->batch, place.size}));
      for (std::size_t r = 0; r < model_->batch; ++r) {
        std::copy_n(memory_.data() + place.at + r * place.width, place.size, part.data() + r * place.size);
      }
    }
  }
  return states;
}

template <class S>
std::size_t Stream<S>::batch() const noexcept {
  return model_ == nullptr ? 0 : model_->batch;
}

template <class S>
std::size_t Stream<S>::input_size() const noexcept {
  return model_ == nullptr ? 0 : model_->input;
}

template <class S>
std::size_t Stream<S>::output_size() const noexcept {
  return model_ == nullptr ? 0 : model_->output;
}

template class Stream<float>;
template class Stream<double>;

}  // namespace unroll
