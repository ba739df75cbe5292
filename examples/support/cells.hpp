// From the name on the command line to the layer's type.
#pragma once

#include <string>

#include "framework/errors.hpp"
#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"

namespace unroll::examples {

// Calls f.template operator()<Layer>() with the layer called "rnn", "lstm" or "gru"; throws ArgumentError for
// another name.
template <class F>
auto with_layer(const std::string& cell, F&& f) {
  if (cell == "rnn") return f.template operator()<Rnn<float>>();
  if (cell == "lstm") return f.template operator()<Lstm<float>>();
  if (cell == "gru") return f.template operator()<Gru<float>>();
  throw ArgumentError("cell want rnn, lstm or gru, got '" + cell + "'");
}

}  // namespace unroll::examples
