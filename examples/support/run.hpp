// What a training leaves behind: logs, and a checkpoint to go on from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "examples/support/cli.hpp"
#include "training/models/state_dict.hpp"
#include "training/train_options.hpp"

namespace unroll::examples {

// How a task is trained, where the command line says nothing.
struct Recipe {
  Index epochs = 0, batch = 0;
  double lr = 0.0, clip = 0.0;
  // The same with the command line's numbers.
  Recipe with(const TrainingOptions& given) const;
};

// A trainer's options: the recipe's epochs and clipping, a rate that falls along half a cosine over all
// steps, the epoch of the best valid/accuracy, the command line's logs. The checkpoint lies beside the model,
// as MODEL.checkpoint, until a training that is not interrupted leaves nothing to go on from.
class Run {
 public:
  // batches: of an epoch. Throws FileError for a log or picture that cannot be written.
  Run(const TrainingOptions& given, const std::string& model, const Recipe& recipe, std::size_t batches);

  TrainOptions options;
  // Writes the model to its file after every epoch that is the best so far.
  template <Module M>
  void save_best(const M& model, const Metadata& metadata) {
    options.on_epoch = [this, &model, metadata](const EpochReport& epoch) {
      if (epoch.best) save_model(model_, model, metadata);
    };
  }

 private:
  std::string model_;
  std::vector<std::unique_ptr<Log>> logs_;
};

}  // namespace unroll::examples
