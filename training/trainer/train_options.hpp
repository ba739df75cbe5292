// How a trainer trains, and what it reports.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optim/schedules.hpp"
#include "training/logs/log.hpp"
#include "training/models/metadata.hpp"
#include "training/trainer/early_stopping.hpp"

namespace unroll {

// The mean loss and the metrics of some data, by name: "loss", "accuracy" ...
using Scores = std::vector<NamedScalar>;
// The score of this name. Throws ArgumentError, listing those there are, when there is none.
double score(const Scores& scores, const std::string& name);

// One optimizer step.
struct StepReport {
  std::int64_t step = 0;   // from 1, over all epochs
  std::int64_t epoch = 0;  // from 1
  std::int64_t batch = 0;  // batches of this epoch so far, this step's included
  double loss = 0.0;       // weighted mean over the step's batches
  double grad_norm = 0.0;  // before clipping
  double lr = 0.0;         // of the first group
};

// One epoch.
struct EpochReport {
  std::int64_t epoch = 0;  // from 1
  std::int64_t step = 0;   // optimizer steps so far
  Scores train = {};       // as the batches were learned from
  Scores valid = {};       // empty without validation data
  double grad_norm = 0.0;  // mean over the steps, before clipping
  double lr = 0.0;         // of the first group, in the last step
  bool best = false;       // the monitored score is the best so far
  bool operator==(const EpochReport& other) const;
};

// Why a training ended: after the last epoch, by early stopping, by Ctrl-C, or by stop().
enum class StopReason { finished, early, interrupted, requested };
const char* to_string(StopReason stop) noexcept;

struct TrainResult {
  StopReason stop = StopReason::finished;
  std::int64_t steps = 0;            // optimizer steps, those before a resume included
  std::vector<EpochReport> history;  // one for each complete epoch, those before a resume included
  double best_score = 0.0;           // of the monitored score; NaN without a complete epoch
  std::int64_t best_epoch = 0;       // 0 without a complete epoch
  std::string message = {};          // the same in words, and how to go on after an interruption
  bool interrupted() const noexcept { return stop == StopReason::interrupted; }
};

// What a schedule counts.
enum class Interval { epoch, step };

struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t accumulate = 1;  // batches whose gradients make one step, weighted by the batches' weights
  double clip_norm = 0.0;       // largest norm of all gradients together; 0: not clipped
  double clip_value = 0.0;      // largest size of a gradient's element, after clip_norm; 0: not clipped

  // The learning rate, from one of: lr(k); lr_factor(k), a factor on what each group had at construction;
  // plateau, called with the monitored score after each epoch (with several groups a factor: give it lr = 1).
  Schedule lr = {};
  Schedule lr_factor = {};
  Interval lr_per = Interval::epoch;  // k counts epochs or steps, from 0
  std::optional<PlateauSchedule> plateau = {};

  // The score that decides what is best; none: "valid/loss", or "train/loss" without validation data.
  std::string monitor = "";
  std::optional<Goal> goal = {};  // none: the metric's own, lower for the loss
  std::int64_t patience = 0;      // stop after so many epochs without a better score; 0: never
  double min_delta = 0.0;         // what is better for `patience` is so by more than this
  bool restore_best = true;       // the model ends with its weights after the best epoch

  // A checkpoint holds all that the run depends on: the trainer goes on from it to the same bits.
  std::string checkpoint = "";        // file; "": none is written
  std::int64_t checkpoint_every = 0;  // steps, and at each epoch's end; 0: at each epoch's end
  bool resume = false;                // go on from the file `checkpoint` when there is one
  std::string best_file = "";         // the best weights alone, a model's file (.npz, else safetensors)
  Metadata best_metadata = {};        // what best_file says beside them
  std::string resume_hint = "";       // how to go on, in the user's terms: "run again with --resume"

  std::vector<Log*> logs = {};        // live as long as the trainer trains
  std::int64_t log_every = 0;         // steps between scalars of single steps; 0: of epochs only
  std::int64_t histograms_every = 0;  // steps between histograms of weights and gradients; 0: none

  bool progress = true;       // a bar on a terminal's stderr, plain lines elsewhere
  bool interruptible = true;  // Ctrl-C, SIGTERM, SIGHUP, SIGPIPE finish the step, save, return

  std::function<void(const StepReport&)> on_step = {};
  std::function<void(const EpochReport&)> on_epoch = {};  // before the epoch's checkpoint
  std::function<void(const TrainResult&)> on_stop = {};   // the last thing

  // Throws ArgumentError for a value that is not allowed.
  void check() const;
};

}  // namespace unroll
