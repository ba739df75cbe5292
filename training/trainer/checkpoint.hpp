// Checkpoints: everything the rest of a training run depends on, in one file.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "framework/serialization.hpp"
#include "training/trainer/train_options.hpp"

namespace unroll {

// Where a run stands, apart from its tensors.
struct TrainState {
  std::int64_t epoch = 1;    // the current one, from 1
  std::int64_t batch = 0;    // its batches so far
  std::int64_t step = 0;     // optimizer steps so far
  std::int64_t batches = 0;  // in an epoch

  // Sums over the current epoch.
  double loss = 0.0, weight = 0.0;  // sum of weight times loss, sum of weights
  double grad_norm = 0.0;
  std::int64_t steps = 0;
  std::map<std::string, std::string> metrics;  // each metric's state()

  std::vector<double> lr;  // of each group
  std::string plateau;     // its state(); "" without one
  EarlyStopping::Memory patience;
  double best_score = std::numeric_limits<double>::quiet_NaN();
  std::int64_t best_epoch = 0;
  std::string monitor;                        // what best_score is of, and which way: "min valid/loss"
  std::map<std::string, std::string> random;  // each generator's state()
  std::vector<EpochReport> history;

  // As JSON, exactly, and back. Throws ArgumentError naming what is missing or wrong.
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
// in the metadata. It replaces an old file atomically; temporary files of killed writers are removed. Throws
// FileError when it cannot be written.
template <class S>
void save_checkpoint(const std::string& path, Checkpoint<S> checkpoint);

// Reads a checkpoint. Throws FileError unless it is a complete one of scalar type S.
template <class S>
Checkpoint<S> load_checkpoint(const std::string& path);

// Whether there is a file of this name.
bool checkpoint_exists(const std::string& path);

}  // namespace unroll
