// Checkpoints: all that the rest of a training run depends on, in one file.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "framework/serialization.hpp"
#include "training/trainer/train_options.hpp"

namespace unroll {

// All numbers that the rest of a run depends on.
struct TrainState {
  std::int64_t epoch = 1;    // the one under way, from 1
  std::int64_t batch = 0;    // its batches so far
  std::int64_t step = 0;     // optimizer steps so far
  std::int64_t batches = 0;  // in an epoch

  // Sums over the epoch under way.
  double loss = 0.0, weight = 0.0;  // sum of weight times loss, sum of weights
  double grad_norm = 0.0;
  std::int64_t steps = 0;
  std::map<std::string, std::string> metrics;  // each metric's state()

  std::vector<double> lr;  // of each group
  std::string plateau;     // its state(); "" without one
  EarlyStopping::Memory patience;
  double best_score = std::numeric_limits<double>::quiet_NaN();
  std::int64_t best_epoch = 0;
  std::map<std::string, std::string> random;  // each generator's state()
  std::vector<EpochReport> history;

  // As JSON with every bit, and back. Throws ArgumentError naming what is missing or wrong.
  std::string to_text() const;
  static TrainState from_text(const std::string& text);
};

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
