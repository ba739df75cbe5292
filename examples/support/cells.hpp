// Maps a cell's name on the command line to the layer's type.
#pragma once

#include <string>

#include "framework/errors.hpp"
#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"
#include "training/models/state_dict.hpp"

namespace unroll::examples {

// Calls f.template operator()<Layer>() with the layer called "rnn", "lstm" or "gru"; throws ArgumentError for
// another name.
template <class F>
auto with_layer(const std::string& cell, F&& f) {
  if (cell == "rnn") return f.template operator()<Rnn<float>>();
  if (cell == "lstm") return f.template operator()<Lstm<float>>();
  if (cell == "gru") return f.template operator()<Gru<float>>();
  throw ArgumentError("cell: expected rnn, lstm or gru, got '" + cell + "'");
}

// Calls f.template operator()<Layer>(metadata) for a model that this program has saved, with its layer.
// Throws FileError for a file of another kind.
template <class F>
auto with_saved_layer(const std::string& file, const std::string& program, F&& f) {
  const Metadata metadata = load_metadata(file);
  metadata.require("program", program);
  const std::string& cell = metadata.text("cell");
  if (cell != "rnn" && cell != "lstm" && cell != "gru") metadata.fail("cell", "rnn, lstm or gru", cell);
  return with_layer(cell, [&]<class Layer>() { return f.template operator()<Layer>(metadata); });
}

}  // namespace unroll::examples
