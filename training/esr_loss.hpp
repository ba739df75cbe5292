// EsrLoss: the loss of a model of an audio effect.
//
//   Trainer trainer(model, adam, EsrLoss(), options);
#pragma once

#include <utility>

#include "layers/losses.hpp"
#include "training/loss_output.hpp"

namespace unroll {

// esr_loss of model(batch), a signal (T,B,C), with batch.targets of that shape. Returns a LossOutput, whose
// weight is the targets' energy: without the dc term a mean over an epoch is the ratio of all its sequences.
// A batch of silence does not count.
struct EsrLoss {
  EsrOptions options = {};

  template <class Model, class Batch>
  auto operator()(Model& model, const Batch& batch) const {
    EsrOptions how = options;
    if constexpr (requires { how.lengths = batch.lengths; }) how.lengths = batch.lengths;
    auto signal = model(batch);
    const decltype(signal) target(batch.targets);
    auto loss = esr_loss(signal, target, how);
    return LossOutput{std::move(loss), std::move(signal), batch.targets, esr_energy(batch.targets, how)};
  }
};

}  // namespace unroll
