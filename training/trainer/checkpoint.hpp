// Checkpoints: all that the rest of a training run depends on, in one file.
#pragma once

#include <string>

#include "framework/serialization.hpp"
#include "training/trainer/train_state.hpp"

namespace unroll {

template <class S>
struct Checkpoint {
  std::string optimizer_name;  // "Adam"
  TensorMap<S> model, optimizer;
  TensorMap<S> best;     // the weights after the best epoch; empty before it
  TensorMap<S> carried;  // the loss's own state
  TrainState state;
};

// Writes a safetensors file with tensors "model.N", "optimizer.N", "best.N", "carried.N" and the rest as text
// in the metadata; it appears whole under its name (save_tensors), and what earlier writers of this name left
// beside it when they were killed is removed. Throws FileError when it cannot be written.
template <class S>
void save_checkpoint(const std::string& path, Checkpoint<S> checkpoint);

// Reads such a file. Throws FileError naming it when it is no complete checkpoint of scalar type S.
template <class S>
Checkpoint<S> load_checkpoint(const std::string& path);

// True when there is a file of this name.
bool checkpoint_exists(const std::string& path);

}  // namespace unroll
