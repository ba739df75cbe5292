// The files of a training: the best model, logs, and a checkpoint to resume from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "examples/support/cli.hpp"
#include "training/run_files.hpp"
#include "training/trainer/train_options.hpp"

namespace unroll::examples {

// The metadata of every saved model: program, cell and hidden.
Metadata model_metadata(const std::string& program, const TrainingOptions& given, const Recipe& recipe);

// The options of a trainer: the recipe's epochs and clipping, the file for the model of the best epoch, the
// command line's logs. The checkpoint is MODEL.checkpoint next to the model, and is removed after a complete
// training.
class Run {
 public:
  // Throws ArgumentError for an invalid file name, FileError for a file that cannot be written.
  Run(const TrainingOptions& given, const Recipe& recipe, const std::string& model, const Metadata& metadata);

  // For classification: a learning rate that falls along half a cosine over all steps, with this many batches
  // per epoch, and the epoch of the best valid/accuracy.
  Run& classifies(std::size_t batches);

  TrainOptions options;
  // Prints which epoch was the best and where it is saved. Returns false, with a message, after an
  // interruption.
  bool finished(const TrainResult& result) const;

 private:
  double lr_;
  std::vector<std::unique_ptr<Log>> logs_;
};

// Throws ArgumentError naming both options if two of these files, the options' outputs and the model are the
// same file, so that one would overwrite another. files: other files read or written, by option.
void require_different_files(const TrainingOptions& given, const std::string& model,
                             std::vector<detail::NamedFile> files);

}  // namespace unroll::examples
