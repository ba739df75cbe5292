// Files of RTNeural (JSON): recurrent and dense layers for audio effects.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deploy/export_c.hpp"
#include "layers/gru.hpp"
#include "layers/linear.hpp"
#include "layers/lstm.hpp"

namespace unroll {

// The layers of an RTNeural file, one after another: x (T,B,I) -> y (T,B,O).
template <class S>
struct RtNeuralModel : MoveOnly {
  using Scalar = S;
  using Layer = std::variant<Lstm<S>, Gru<S>, Linear<S>, Activation>;
  std::vector<Layer> layers;

  RtNeuralModel() = default;
  UNROLL_MOVE_ONLY(RtNeuralModel)
  // RtNeuralModel<float> model(share(lstm), share(head));
  template <class... Layers>
  requires(std::is_constructible_v<Layer, Layers>&&...) explicit RtNeuralModel(Layers... parts) {
    layers.reserve(sizeof...(parts));
    (layers.emplace_back(std::move(parts)), ...);
  }
  Var<S> operator()(const Var<S>& x) const;
  // The features of x.
  Index input_size() const;

  static void each(auto& self, auto&& visit) {
    // The kinds are a setting: a copy sets them first and then fills the layers.
    std::vector<std::size_t> kinds;
    for (const Layer& layer : self.layers) kinds.push_back(layer.index());
    visit("kinds", kinds);
    if constexpr (!std::is_const_v<std::remove_reference_t<decltype(self)>>) self.set_kinds(kinds);
    for (std::size_t l = 0; l < self.layers.size(); ++l)
      std::visit([&](auto& layer) { visit(std::to_string(l), layer); }, self.layers[l]);
  }

 private:
  void set_kinds(const std::vector<std::size_t>& kinds);
};

// Reads a JSON file of RTNeural: layers lstm, gru (reset after), dense, time-distributed-dense and
// activation, the activations tanh, relu, sigmoid, elu and softmax. Throws FileError that lists every layer
// that is unknown and all that is missing or of another size; every weight is used.
template <class S>
RtNeuralModel<S> load_rtneural(const std::string& path);

// Writes a JSON file of RTNeural. The layers of a stack become one each, the two biases of an LSTM their sum.
// Throws ArgumentError for what the format does not have: another direction, options of a cell beyond input,
// hidden and bias, learned initial states that are not 0, other activations, an empty model, NaN; FileError
// for the file.
template <class S>
void save_rtneural(const std::string& path, const RtNeuralModel<S>& model);
template <class Cell>
void save_rtneural(const std::string& path, const Recurrent<Cell>& layer,
                   const Linear<scalar_t<Cell>>& head) {
  save_rtneural(path, RtNeuralModel<scalar_t<Cell>>(share(layer), share(head)));
}

namespace detail {
template <class S>
StreamSource<S> source_of(StreamSource<S> how, const RtNeuralModel<S>& model);
}

// As for a Sequential of the layers.
template <class S>
Stream<S> freeze(const RtNeuralModel<S>& model, const StreamOptions& options = {}) {
  return detail::make_stream<S>(options, model);
}
template <class S>
void export_c(const RtNeuralModel<S>& model, const std::string& file, const COptions& options = {}) {
  detail::export_c<S>(file, options, model);
}

}  // namespace unroll
