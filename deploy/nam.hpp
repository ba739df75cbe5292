// Files of Neural Amp Modeler (.nam): LSTMs for audio effects.
#pragma once

#include <string>
#include <utility>

#include "deploy/nam_file.hpp"
#include "layers/linear.hpp"
#include "layers/lstm.hpp"

namespace unroll {

// A model of a .nam file: y = head(lstm(x)). The initial states are learned ones of the LSTM.
template <class S>
struct NamModel : MoveOnly {
  using Scalar = S;
  NamInfo info;
  Lstm<S> lstm;
  Linear<S> head;

  NamModel() = default;
  UNROLL_MOVE_ONLY(NamModel)
  NamModel(NamInfo what, Lstm<S> layer, Linear<S> last)
      : info(std::move(what)), lstm(std::move(layer)), head(std::move(last)) {}
  // x (T,B,I) -> y (T,B,O)
  Var<S> operator()(const Var<S>& x) const { return head(lstm(x).output); }

  static void each(auto& self, auto&& visit) {
    visit("info", self.info);
    visit("lstm", self.lstm);
    visit("head", self.head);
  }
};

// Reads a .nam file of the architecture "LSTM". Throws FileError that lists all that is missing, unknown or
// of another size; every weight is used. Members of the file that change no output are ignored, but metadata
// and sample_rate.
template <class S>
NamModel<S> load_nam(const std::string& path);

// Writes a .nam file. The two biases of a gate become their sum. Throws ArgumentError for what the format
// does not have: another direction, options of the cell beyond input, hidden and bias, layers of different
// widths, a metadata that is no JSON object, a sample
// rate of 0, NaN; ShapeError for a head that does not fit; FileError for the file.
template <class S>
void save_nam(const std::string& path, const Lstm<S>& lstm, const Linear<S>& head, const NamInfo& info = {});
template <class S>
void save_nam(const std::string& path, const NamModel<S>& model) {
  save_nam(path, model.lstm, model.head, model.info);
}

}  // namespace unroll
