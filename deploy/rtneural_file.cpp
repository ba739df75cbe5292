#include "deploy/rtneural_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "deploy/json_file.hpp"

namespace unroll::detail {
namespace {

// The format: https://github.com/jatinchowdhury18/RTNeural (RTNeural/model_loader.h, python/model_utils.py).

using Json = JsonFile::Json;

constexpr std::size_t kMostUnits = std::size_t{1} << 16;
constexpr std::array<std::string_view, 5> kActivations{"tanh", "relu", "sigmoid", "elu", "softmax"};

// The last entry of a shape: the number of features; 0 after a fault.
std::size_t features(JsonFile& json, const Json* shape, const std::string& where) {
  if (shape == nullptr) return 0;
  if (shape->is_array() && !shape->empty()) {
    const Json& last = shape->back();
    if (last.is_number_unsigned() && last >= 1U && last <= kMostUnits) return last.get<std::size_t>();
  }
  json.expected(where, fmt::format("a list that ends with a size from 1 to {}", kMostUnits),
                JsonFile::shown(*shape));
  return 0;
}

std::string activation_of(JsonFile& json, const Json& object, const std::string& where, bool recurrent) {
  const auto found = object.find("activation");
  if (found == object.end() || *found == "") return "";
  const std::string name = found->is_string() ? found->get<std::string>() : "";
  if (recurrent) {  // tanh inside the cell, and nothing behind it
    if (name != "tanh") json.expected(where + "activation", "'tanh' or ''", JsonFile::shown(*found));
    return "";
  }
  if (std::find(kActivations.begin(), kActivations.end(), name) == kActivations.end())
    json.expected(where + "activation", "tanh, relu, sigmoid, elu, softmax or ''", JsonFile::shown(*found));
  return name;
}

void read_weights(JsonFile& json, const Json& object, const std::string& where, RtNeuralLayer& layer) {
  const Json* weights = json.member(object, where, "weights");
  if (weights == nullptr) return;
  const std::size_t I = layer.input, O = layer.output;
  const bool dense = layer.type == "dense";
  const std::size_t gates = layer.type == "lstm" ? 4 : layer.type == "gru" ? 3 : 1, want = dense ? 2 : 3;
  const bool no_bias = dense && weights->is_array() && weights->size() == 1;
  if (!weights->is_array() || (weights->size() != want && !no_bias)) {
    json.expected(where + "weights", fmt::format("a list of {}", want), JsonFile::shown(*weights));
    return;
  }
  const auto name = [&](int k) { return fmt::format("{}weights[{}]", where, k); };
  layer.weights.push_back(json.numbers((*weights)[0], name(0), I, gates * O));
  if (no_bias) return;
  if (!dense) layer.weights.push_back(json.numbers((*weights)[1], name(1), O, gates * O));
  const Json& bias = weights->back();
  const int last = static_cast<int>(want) - 1;
  layer.weights.push_back(layer.type == "gru" ? json.numbers(bias, name(last), 2, 3 * O)
                                              : json.numbers(bias, name(last), gates * O));
}

RtNeuralLayer read_layer(JsonFile& json, const Json& object, std::size_t index, std::size_t input) {
  const std::string where = fmt::format("layers[{}].", index);
  RtNeuralLayer layer{.type = "", .activation = "", .input = input};
  const Json* type = json.member(object, where, "type");
  if (type == nullptr) return layer;
  if (type->is_string()) layer.type = type->get<std::string>();
  if (layer.type == "time-distributed-dense") layer.type = "dense";
  const bool recurrent = layer.type == "lstm" || layer.type == "gru", function = layer.type == "activation";
  if (!recurrent && !function && layer.type != "dense") {
    json.expected(where + "type", "lstm, gru, dense, time-distributed-dense or activation",
                  JsonFile::shown(*type));
    const auto shape = object.find("shape");  // for the layers behind
    if (shape != object.end()) layer.output = features(json, &*shape, where + "shape");
    return layer;
  }
  layer.activation = activation_of(json, object, where, recurrent);
  layer.output = features(json, json.member(object, where, "shape"), where + "shape");
  if (function) {
    if (layer.activation.empty()) json.expected(where + "activation", "a function", "none");
    if (layer.output != input && layer.output > 0 && input > 0)
      json.expected(where + "shape", fmt::format("{} features, as the layer before", input),
                    fmt::format("{}", layer.output));
    if (const auto weights = object.find("weights"); weights != object.end() && !weights->empty())
      json.expected(where + "weights", "none", JsonFile::shown(*weights));
  } else if (input > 0 && layer.output > 0) {
    read_weights(json, object, where, layer);
  }
  return layer;
}

// Appends rows of numbers, as a list of lists.
void append_rows(std::string& text, const std::vector<double>& values, std::size_t columns, bool single) {
  text += "[";
  for (std::size_t at = 0; at < values.size(); at += columns) {
    text += at == 0 ? "[" : ",[";
    append_numbers(text, "save_rtneural", values.data() + at, columns, single);
    text += "]";
  }
  text += "]";
}

}  // namespace

std::vector<RtNeuralLayer> read_rtneural(const std::string& path, const char* function) {
  JsonFile json(path, function);
  const Json& root = json.root();
  std::size_t size = features(json, json.member(root, "", "in_shape"), "in_shape");
  const Json* list = json.member(root, "", "layers");
  if (list != nullptr && (!list->is_array() || list->empty()))
    json.expected("layers", "a list of layers", JsonFile::shown(*list));
  json.check();
  std::vector<RtNeuralLayer> layers;
  for (const Json& object : *list) {
    layers.push_back(read_layer(json, object, layers.size(), size));
    size = layers.back().output;
  }
  json.check();
  return layers;
}

std::string rtneural_text(const std::vector<RtNeuralLayer>& layers, bool single) {
  std::string text = fmt::format("{{\"in_shape\":[null,null,{}],\"layers\":[", layers.front().input);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const RtNeuralLayer& layer = layers[l];
    text += fmt::format("{}\n{{\"type\":\"{}\",\"activation\":\"{}\",\"shape\":[null,null,{}],\"weights\":[",
                        l == 0 ? "" : ",", layer.type, layer.activation, layer.output);
    for (std::size_t k = 0; k < layer.weights.size(); ++k) {
      const std::vector<double>& values = layer.weights[k];
      if (k > 0) text += ",";
      const bool vector = k > 0 && k + 1 == layer.weights.size() && layer.type != "gru";
      if (vector) {
        text += "[";
        append_numbers(text, "save_rtneural", values.data(), values.size(), single);
        text += "]";
      } else {
        const std::size_t gates = layer.type == "lstm" ? 4 : layer.type == "gru" ? 3 : 1;
        append_rows(text, values, gates * layer.output, single);
      }
    }
    text += "]}";
  }
  return text + "\n]}\n";
}

}  // namespace unroll::detail
