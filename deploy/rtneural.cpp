#include "deploy/rtneural.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "deploy/json_file.hpp"
#include "deploy/plain_layer.hpp"
#include "deploy/rtneural_file.hpp"
#include "framework/errors.hpp"
#include "framework/ops.hpp"

namespace unroll {
namespace detail {
namespace {

template <class... F>
struct Cases : F... {
  using F::operator()...;
};
template <class... F>
Cases(F...) -> Cases<F...>;

// The place of each of our gates in a file's order: i f g o and i f c o, r z n and z r h.
template <class Cell>
constexpr auto gate_places() {
  if constexpr (requires(Cell cell) { cell.options.peepholes; }) {
    return std::array<std::size_t, 4>{0, 1, 2, 3};
  } else {
    return std::array<std::size_t, 3>{1, 0, 2};
  }
}

// Calls f(element of ours, element of the file) for a weight (gates H, columns) and a kernel (columns, gates
// H); a bias has one column.
template <std::size_t G, class F>
void for_each_place(const std::array<std::size_t, G>& gates, std::size_t hidden, std::size_t columns, F&& f) {
  for (std::size_t g = 0; g < G; ++g)
    for (std::size_t h = 0; h < hidden; ++h)
      for (std::size_t i = 0; i < columns; ++i)
        f((g * hidden + h) * columns + i, (i * G + gates[g]) * hidden + h);
}

template <class S, std::size_t G>
void fill(Var<S>& parameter, const double* values, const std::array<std::size_t, G>& gates,
          std::size_t hidden) {
  S* const data = parameter.mutable_value().data();
  const std::size_t columns = parameter.size() / (G * hidden);
  for_each_place(gates, hidden, columns,
                 [&](std::size_t mine, std::size_t theirs) { data[mine] = static_cast<S>(values[theirs]); });
}
template <class S, std::size_t G>
std::vector<double> taken(const Var<S>& parameter, const std::array<std::size_t, G>& gates,
                          std::size_t hidden) {
  std::vector<double> values(parameter.size());
  for_each_place(gates, hidden, values.size() / (G * hidden),
                 [&](std::size_t mine, std::size_t theirs) { values[theirs] = element(parameter, mine); });
  return values;
}

Activation activation_named(const std::string& name) {
  if (name == "tanh") return Activation::tanh();
  if (name == "relu") return Activation::relu();
  if (name == "sigmoid") return Activation::sigmoid();
  if (name == "elu") return Activation::elu();
  return Activation("softmax", [](const auto& x) { return softmax(x); });
}

std::string file_name(const Activation& activation) {
  if (activation == Activation::tanh()) return "tanh";
  if (activation == Activation::relu()) return "relu";
  if (activation == Activation::sigmoid()) return "sigmoid";
  const std::string& name = activation.name();
  if (name == Activation::elu().name()) return "elu";
  if (name == "softmax") return name;
  throw ArgumentError(fmt::format(
      "[save_rtneural] activation: expected tanh, relu, sigmoid, elu or softmax, got '{}'", name));
}

template <class Layer, class S = scalar_t<Layer>>
Layer recurrent_of(const RtNeuralLayer& from, Bias bias) {
  Rng rng(0);
  Layer layer(
      {.input = static_cast<Index>(from.input), .hidden = static_cast<Index>(from.output), .bias = bias},
      rng);
  auto& cell = layer.cells()[0];
  const auto gates = gate_places<std::remove_cvref_t<decltype(cell)>>();
  fill(cell.weight_ih, from.weights[0].data(), gates, from.output);
  fill(cell.weight_hh, from.weights[1].data(), gates, from.output);
  const double* const biases = from.weights[2].data();
  fill(cell.bias_ih, biases, gates, from.output);
  if (bias == Bias::both) fill(cell.bias_hh, biases + gates.size() * from.output, gates, from.output);
  return layer;
}

template <class S>
Linear<S> linear_of(const RtNeuralLayer& from) {
  Rng rng(0);
  Linear<S> layer(static_cast<Index>(from.input), static_cast<Index>(from.output), rng,
                  {.bias = from.weights.size() == 2});
  const std::array<std::size_t, 1> one{0};
  fill(layer.weight, from.weights[0].data(), one, from.output);
  if (layer.bias.defined()) fill(layer.bias, from.weights[1].data(), one, from.output);
  return layer;
}

// --- to a file

template <class S>
void require_zero_states(const char* name, const Var<S>& initial) {
  const Tensor<S>& values = initial.value();
  if (std::all_of(values.begin(), values.end(), [](S e) { return e == S(0); })) return;
  throw ArgumentError(fmt::format(
      "[save_rtneural] {}: expected initial states of 0, got learned ones, which the format does not have",
      name));
}

template <class Cell, class S = scalar_t<Cell>>
void add_layers(std::vector<RtNeuralLayer>& list, const Recurrent<Cell>& layer, const char* type) {
  require_plain("save_rtneural", layer);
  for (const auto& initial : layer.learned_states())
    for_each_in_state(initial, [](const Var<S>& var) { require_zero_states(Recurrent<Cell>::kName, var); });
  const auto gates = gate_places<Cell>();
  for (const Cell& cell : layer.cells()) {
    const std::size_t H = cell.weight_hh.shape(1), rows = gates.size() * H;
    Var<S> first = Var<S>::zeros({rows}), second = Var<S>::zeros({rows});
    for (std::size_t i = 0; i < rows; ++i) {
      first.raw()[i] = static_cast<S>(element(cell.bias_ih, i));
      second.raw()[i] = static_cast<S>(element(cell.bias_hh, i));
      if (gates.size() == 4) first.raw()[i] = static_cast<S>(bias_sum(cell.bias_ih, cell.bias_hh, i));
    }
    std::vector<double> bias = taken(first, gates, H);
    if (gates.size() == 3) {
      const std::vector<double> recurrent = taken(second, gates, H);
      bias.insert(bias.end(), recurrent.begin(), recurrent.end());
    }
    list.push_back({type,
                    "",
                    cell.weight_ih.shape(1),
                    H,
                    {taken(cell.weight_ih, gates, H), taken(cell.weight_hh, gates, H), std::move(bias)}});
  }
}

template <class S>
void add_layer(std::vector<RtNeuralLayer>& list, const Linear<S>& layer) {
  if (!layer.weight.defined()) throw ArgumentError("[save_rtneural] Linear: expected a weight, got none");
  const std::array<std::size_t, 1> one{0};
  const std::size_t O = layer.weight.shape(0);
  list.push_back({"dense", "", layer.weight.shape(1), O, {taken(layer.weight, one, O)}});
  if (layer.bias.defined()) list.back().weights.push_back(taken(layer.bias, one, O));
}

}  // namespace

template <class S>
StreamSource<S> source_of(StreamSource<S> how, const RtNeuralModel<S>& model) {
  how.layer = {"RtNeuralModel"};
  auto input = static_cast<std::size_t>(model.input_size());
  const auto add = [&](const auto& f) {
    how.cells.push_back(stream_function<S>(how.layer, input, [&](const Var<S>& x) { return f(x); }));
    input = how.cells.back().program->output;
  };
  for (const auto& layer : model.layers) {
    std::visit(Cases{[&]<class Cell>(const Recurrent<Cell>& recurrent) {
                       detail::add_cells(recurrent, how);
                       input = recurrent.output_size();
                     },
                     [&](const auto& f) { add(f); }},
               layer);
  }
  return how;
}

}  // namespace detail

template <class S>
Var<S> RtNeuralModel<S>::operator()(const Var<S>& x) const {
  Var<S> y = x;
  for (const Layer& layer : layers) {
    std::visit(detail::Cases{[&]<class Cell>(const Recurrent<Cell>& recurrent) { y = recurrent(y).output; },
                             [&](const auto& f) { y = f(y); }},
               layer);
  }
  return y;
}

template <class S>
Index RtNeuralModel<S>::input_size() const {
  for (const Layer& layer : layers) {  // an activation takes any
    if (const auto* lstm = std::get_if<Lstm<S>>(&layer)) return static_cast<Index>(lstm->input_size());
    if (const auto* gru = std::get_if<Gru<S>>(&layer)) return static_cast<Index>(gru->input_size());
    if (const auto* linear = std::get_if<Linear<S>>(&layer); linear != nullptr && linear->weight.defined())
      return static_cast<Index>(linear->weight.shape(1));
  }
  throw ArgumentError("[RtNeuralModel.input_size] layers: expected one with weights, got none");
}

template <class S>
void RtNeuralModel<S>::set_kinds(const std::vector<std::size_t>& kinds) {
  bool same = kinds.size() == layers.size();
  for (std::size_t l = 0; same && l < kinds.size(); ++l) same = layers[l].index() == kinds[l];
  if (same) return;
  layers.clear();
  layers.reserve(kinds.size());
  for (const std::size_t kind : kinds) {
    if (kind == 0) layers.emplace_back(Lstm<S>());
    if (kind == 1) layers.emplace_back(Gru<S>());
    if (kind == 2) layers.emplace_back(Linear<S>());
    if (kind == 3) layers.emplace_back(Activation::identity());
  }
}

template <class S>
RtNeuralModel<S> load_rtneural(const std::string& path) {
  const std::vector<detail::RtNeuralLayer> file = detail::read_rtneural(path, "load_rtneural");
  RtNeuralModel<S> model;
  model.layers.reserve(2 * file.size());
  for (const detail::RtNeuralLayer& layer : file) {
    if (layer.type == "lstm") model.layers.emplace_back(detail::recurrent_of<Lstm<S>>(layer, Bias::single));
    if (layer.type == "gru") model.layers.emplace_back(detail::recurrent_of<Gru<S>>(layer, Bias::both));
    if (layer.type == "dense") model.layers.emplace_back(detail::linear_of<S>(layer));
    if (!layer.activation.empty()) model.layers.emplace_back(detail::activation_named(layer.activation));
  }
  return model;
}

template <class S>
void save_rtneural(const std::string& path, const RtNeuralModel<S>& model) {
  std::vector<detail::RtNeuralLayer> list;
  std::size_t width = static_cast<std::size_t>(model.input_size());
  for (const auto& layer : model.layers) {
    std::visit(detail::Cases{[&](const Lstm<S>& lstm) { detail::add_layers(list, lstm, "lstm"); },
                             [&](const Gru<S>& gru) { detail::add_layers(list, gru, "gru"); },
                             [&](const Linear<S>& linear) { detail::add_layer(list, linear); },
                             [&](const Activation& f) {
                               list.push_back({"activation", detail::file_name(f), width, width, {}});
                             }},
               layer);
    width = list.back().output;
  }
  for (std::size_t l = 1; l < list.size(); ++l) {
    if (list[l].input == list[l - 1].output) continue;
    throw ArgumentError(
        fmt::format("[save_rtneural] layer {}: expected {} inputs, as the one before has "
                    "outputs, got {}",
                    l, list[l - 1].output, list[l].input));
  }
  detail::write_text(path, "save_rtneural", detail::rtneural_text(list, std::is_same_v<S, float>));
}

#define UNROLL_INSTANTIATE(S)                                               \
  template struct RtNeuralModel<S>;                                         \
  template RtNeuralModel<S> load_rtneural(const std::string&);              \
  template void save_rtneural(const std::string&, const RtNeuralModel<S>&); \
  template detail::StreamSource<S> detail::source_of(detail::StreamSource<S>, const RtNeuralModel<S>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
