// What a training leaves behind: the best model, logs, and a checkpoint to go on from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "examples/support/cli.hpp"
#include "training/run_files.hpp"
#include "training/train_options.hpp"

namespace unroll::examples {

// What every saved model says of itself: program, cell and hidden.
Metadata model_metadata(const std::string& program, const TrainingOptions& given, const Recipe& recipe);

// A trainer's options: the recipe's epochs and clipping, the model of the best epoch in its file, the command
// line's logs. The checkpoint lies beside the model, as MODEL.checkpoint, until a training that is not
// interrupted leaves nothing to go on from.
class Run {
 public:
  // Throws ArgumentError for a file's name, FileError for one that cannot be written.
  Run(const TrainingOptions& given, const Recipe& recipe, const std::string& model, const Metadata& metadata);

  // For classes: a rate that falls along half a cosine over all steps, of so many batches an epoch, and the
  // epoch of the best valid/accuracy.
  Run& classifies(std::size_t batches);

  TrainOptions options;
  // Says which epoch was the best and where it is. False after an interruption, which it says, too.
  bool finished(const TrainResult& result) const;

 private:
  double lr_;
  std::vector<std::unique_ptr<Log>> logs_;
};

// Throws ArgumentError, which names both options, when two of these files, what the options write and the
// model are one file, so that one would overwrite another. files: what is read and written besides, by
// option.
void require_different_files(const TrainingOptions& given, const std::string& model,
                             std::vector<detail::NamedFile> files);

}  // namespace unroll::examples
