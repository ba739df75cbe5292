#include "deploy/nam_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "deploy/json_file.hpp"
#include "framework/errors.hpp"
#include "framework/flat_json.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

// The format: https://github.com/sdatkinson/NeuralAmpModelerCore (NAM/lstm.cpp), version 0.5 of its files.

constexpr std::size_t kMostNamUnits = std::size_t{1} << 16, kMostNamLayers = 1024;

constexpr std::array<std::string_view, 5> kNames{"input_size", "hidden_size", "num_layers", "in_channels",
                                                 "out_channels"};

std::size_t layer_weights(std::size_t input, std::size_t hidden) {
  return 4 * hidden * (input + hidden) + 4 * hidden + 2 * hidden;
}

}  // namespace

NamFile read_nam(const std::string& path, const char* function) {
  JsonFile json(path, function);
  const auto& root = json.root();
  NamFile file;
  if (const auto* kind = json.member(root, "", "architecture"); kind != nullptr && *kind != "LSTM")
    json.expected("architecture", "'LSTM'", JsonFile::shown(*kind));
  json.check();  // the other members of another architecture would be faults, too
  if (const auto* config = json.member(root, "", "config")) {
    file.input = json.count(*config, "config.", "input_size", kMostNamUnits);
    file.hidden = json.count(*config, "config.", "hidden_size", kMostNamUnits);
    file.layers = json.count(*config, "config.", "num_layers", kMostNamLayers);
    for (const auto& [name, value] : config->items()) {
      if (name == "in_channels" && value != file.input && file.input > 0)
        json.expected("config.in_channels", fmt::format("input_size, {}", file.input),
                      JsonFile::shown(value));
      if (name == "out_channels") file.output = json.count(*config, "config.", "out_channels", kMostNamUnits);
      if (std::find(kNames.begin(), kNames.end(), name) == kNames.end())
        json.expected("config", fmt::format("{}", fmt::join(kNames, ", ")), quoted(name));
    }
  }
  if (const auto rate = root.find("sample_rate"); rate != root.end() && !rate->is_null()) {
    if (rate->is_number() && std::isfinite(rate->get<double>()) && *rate > 0)
      file.info.sample_rate = rate->get<double>();
    else
      json.expected("sample_rate", "a number > 0", JsonFile::shown(*rate));
  }
  if (const auto metadata = root.find("metadata"); metadata != root.end() && !metadata->is_null()) {
    if (metadata->is_object())
      file.info.metadata = metadata->dump();
    else
      json.expected("metadata", "an object", JsonFile::shown(*metadata));
  }
  const auto* weights = json.member(root, "", "weights");
  json.check();
  const std::size_t H = file.hidden;
  const std::size_t recurrent = layer_weights(file.input, H) + (file.layers - 1) * layer_weights(H, H);
  const std::size_t got = weights->is_array() ? weights->size() : 0;
  // What is left is the head's, H + 1 for each output.
  const std::size_t rest = got > recurrent ? got - recurrent : 0, outputs = rest / (H + 1);
  if (rest == 0 || rest % (H + 1) != 0 || (file.output > 0 && outputs != file.output)) {
    json.expected(
        "weights",
        fmt::format("{} numbers and {} for each {}, of {} layers with {} units and {} inputs", recurrent,
                    H + 1, file.output > 0 ? fmt::format("of {} outputs", file.output) : "output",
                    file.layers, H, file.input),
        JsonFile::shown(*weights));
  } else {
    file.output = outputs;
    file.weights = json.numbers(*weights, "weights", got);
  }
  json.check();
  return file;
}

std::string nam_text(const NamFile& file, bool single) {
  if (!(file.info.sample_rate > 0.0 && std::isfinite(file.info.sample_rate))) {
    throw ArgumentError(
        fmt::format("[save_nam] sample_rate: expected a number > 0, got {}", file.info.sample_rate));
  }
  const auto refuse = [&] {
    throw ArgumentError(
        fmt::format("[save_nam] metadata: expected a JSON object, got {}", quoted(file.info.metadata)));
  };
  if (nested_deeper(file.info.metadata, 7)) refuse();
  const auto metadata = nlohmann::json::parse(file.info.metadata, nullptr, /*allow_exceptions=*/false);
  if (!metadata.is_object()) refuse();
  // Of one channel each nothing is said: older players know no others.
  const std::string channels =
      file.input == 1 && file.output == 1
          ? ""
          : fmt::format(R"(,"in_channels":{},"out_channels":{})", file.input, file.output);
  std::string text = fmt::format(
      R"({{"version":"0.5.4","metadata":{},"architecture":"LSTM",)"
      R"("config":{{"input_size":{},"hidden_size":{},"num_layers":{}{}}},"sample_rate":{},"weights":[)",
      metadata.dump(), file.input, file.hidden, file.layers, channels, file.info.sample_rate);
  append_numbers(text, "save_nam", file.weights.data(), file.weights.size(), single);
  return text + "]}\n";
}

}  // namespace unroll::detail
