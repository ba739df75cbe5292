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
// The score of this name. Throws ArgumentError, listing the names, if there is none.
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
  Scores train = {};       // computed during training
  Scores valid = {};       // empty without validation data
  double grad_norm = 0.0;  // mean over the steps, before clipping
  double lr = 0.0;         // of the first group, in the last step
  bool best = false;       // the monitored score is the best so far
  bool operator==(const EpochReport& other) const;
};

// Why training ended: after the last epoch, by early stopping, by Ctrl-C, or by stop().
enum class StopReason { finished, early, interrupted, requested };
const char* to_string(StopReason stop) noexcept;

struct TrainResult {
  StopReason stop = StopReason::finished;
  std::int64_t steps = 0;            // optimizer steps, including those before a resume
  std::vector<EpochReport> history;  // of each complete epoch, including those before a resume
  double best_score = 0.0;           // of the monitored score; NaN without a complete epoch
  std::int64_t best_epoch = 0;       // 0 without a complete epoch
  std::string message = {};          // the same in words, and how to continue after an interruption
  bool interrupted() const noexcept { return stop == StopReason::interrupted; }
};

// What a schedule counts.
enum class Interval { epoch, step };

struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t accumulate = 1;  // batches per step; their gradients are weighted by the batches' weights
  double clip_norm = 0.0;       // largest norm of all gradients together; 0: not clipped
  double clip_value = 0.0;  // largest absolute value of a gradient's element, after clip_norm; 0: not clipped

  // The learning rate, at most one of: lr(k); lr_factor(k), a factor on each group's initial rate; plateau,
  // called with the monitored score after each epoch (with several groups it is a factor: set its lr to 1).
  Schedule lr = {};
  Schedule lr_factor = {};
  Interval lr_per = Interval::epoch;  // k counts epochs or steps, from 0
  std::optional<PlateauSchedule> plateau = {};

  // The score that decides; "": "valid/loss", or "train/loss" without validation data.
  std::string monitor = "";
  std::optional<Goal> goal = {};  // none: the metric's; the loss is minimized
  std::int64_t patience = 0;      // epochs without a better score before stopping; 0: never stop
  double min_delta = 0.0;         // smallest improvement that resets `patience`
  bool restore_best = true;       // the model ends with its weights after the best epoch

  // A checkpoint holds everything the run depends on: resuming from it gives the same bits.
  std::string checkpoint = "";        // file; "": none is written
  std::int64_t checkpoint_every = 0;  // steps between checkpoints; there is one after each epoch, too
  bool resume = false;                // continue from the file `checkpoint` if it exists
  std::string best_file = "";         // model file of the best weights (.npz, else safetensors); "": none
  Metadata best_metadata = {};        // metadata of best_file
  std::string resume_hint = "";       // how to continue, for the user: "run again with --resume"

  std::vector<Log*> logs = {};        // must outlive fit()
  std::int64_t log_every = 0;         // steps between scalars of single steps; 0: of epochs only
  std::int64_t histograms_every = 0;  // steps between histograms of weights and gradients; 0: none

  bool progress = true;       // a bar on a terminal's stderr, plain lines elsewhere
  bool interruptible = true;  // on Ctrl-C, SIGTERM, SIGHUP or SIGPIPE, finish the step, save and return

  std::function<void(const StepReport&)> on_step = {};
  std::function<void(const EpochReport&)> on_epoch = {};  // before the epoch's checkpoint
  std::function<void(const TrainResult&)> on_stop = {};   // called last

  // Throws ArgumentError for an invalid value.
  void check() const;
};

}  // namespace unroll
