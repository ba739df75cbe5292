// StreamedEsrLoss: esr_loss over the windows of a recording, with the states carried from window to window.
#pragma once

#include <utility>

#include "training/audio/recording_windows.hpp"
#include "training/carried_states.hpp"
#include "training/esr_loss.hpp"

namespace unroll {

// For models with a recurrent `layer` and a `head`, and RecordingWindows. The warm-up builds up the states
// without a gradient. Returns a LossOutput like EsrLoss.
template <class Layer>
struct StreamedEsrLoss : CarriedStates<typename Layer::State> {
  EsrOptions options = {};

  template <class Model, class S>
  auto operator()(const Model& model, const RecordingBatch<S>& batch) {
    if (batch.warm_up.size() > 0) {
      const NoGrad constants;
      this->states = model.layer(Var<S>(batch.warm_up)).states;
    }
    auto [y, after] = model.layer(Var<S>(batch.values), {.states = this->states});
    this->states = detach(after);
    Var<S> signal = model.head(y);
    Var<S> loss = esr_loss(signal, Var<S>(batch.targets), options);
    return LossOutput{std::move(loss), std::move(signal), batch.targets, esr_energy(batch.targets, options)};
  }
};

}  // namespace unroll
