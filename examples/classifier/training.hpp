// Training and evaluation of any model that maps a Batch to logits.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "examples/classifier/batches.hpp"
#include "examples/classifier/data.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/progress.hpp"
#include "layers/losses.hpp"
#include "layers/module.hpp"
#include "optim/adam.hpp"
#include "optim/clip.hpp"
#include "optim/schedules.hpp"

namespace unroll::examples::classifier {

struct Recipe {
  Index epochs = 0, batch = 0;
  double lr = 0.0, clip = 0.0;
};

struct Evaluation {
  double loss = 0.0, accuracy = 0.0;          // means over the samples
  std::vector<std::vector<Index>> confusion;  // [true class][predicted class]
};

// The class with the largest logit in row b of (B,classes).
inline Index predicted_class(const Var<float>& logits, std::size_t b) {
  const std::size_t classes = logits.shape(1);
  const float* row = logits.data() + b * classes;
  return std::max_element(row, row + classes) - row;
}

// Rows whose largest logit is the label's.
inline Index count_correct(const Var<float>& logits, const IndexTensor& labels) {
  Index correct = 0;
  for (std::size_t b = 0; b < labels.size(); ++b) correct += predicted_class(logits, b) == labels(b) ? 1 : 0;
  return correct;
}

// Loss and predictions for all samples, dropout off.
template <class Model>
Evaluation evaluate(Model& model, const std::vector<Sample>& samples, const Encoding& encoding) {
  constexpr Index kBatch = 256;
  const std::size_t classes = encoding.labels.size();
  Evaluation result;
  result.confusion.assign(classes, std::vector<Index>(classes, 0));
  Index correct = 0;
  set_training(model, false);
  for (const Batch& batch : in_order(samples, kBatch, encoding)) {
    const Var<float> logits = model(batch);
    result.loss +=
        static_cast<double>(cross_entropy(logits, batch.labels, {.reduction = Reduction::sum}).item());
    correct += count_correct(logits, batch.labels);
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const auto truth = static_cast<std::size_t>(batch.labels(b));
      ++result.confusion[truth][static_cast<std::size_t>(predicted_class(logits, b))];
    }
  }
  set_training(model, true);
  const auto count = static_cast<double>(samples.size());
  result.loss /= count;
  result.accuracy = static_cast<double>(correct) / count;
  return result;
}

struct EpochResult {
  Index epoch = 0;                                // from 1
  double train_loss = 0.0, train_accuracy = 0.0;  // means over the samples while they were learned from
  Evaluation valid;
  bool best = false;  // so far, by validation accuracy, then loss
};

// Trains until the last epoch or Ctrl-C, and calls report(EpochResult) after every epoch.
template <class Model, class Report>
void train(Model& model, const Dataset& data, const Recipe& recipe, Rng& rng, const Report& report) {
  Adam<float> adam(parameters(model), {.lr = recipe.lr});
  const auto updates = (data.train.size() + static_cast<std::size_t>(recipe.batch) - 1) /
                       static_cast<std::size_t>(recipe.batch) * static_cast<std::size_t>(recipe.epochs);
  const CosineSchedule schedule{.lr = recipe.lr, .period = static_cast<std::int64_t>(updates)};
  Progress progress(updates);
  std::size_t update = 0;
  double best_accuracy = -1.0, best_loss = 0.0;
  for (Index epoch = 1; epoch <= recipe.epochs; ++epoch) {
    EpochResult result;
    result.epoch = epoch;
    Index correct = 0;
    const std::string label = "epoch " + std::to_string(epoch) + "/" + std::to_string(recipe.epochs);
    for (const Batch& batch : shuffled(data.train, recipe.batch, data.encoding, rng)) {
      Tape tape;
      const auto logits = model(batch);
      const auto loss = cross_entropy(logits, batch.labels);
      tape.backward(loss);
      clip_grad_norm(adam.parameters(), recipe.clip);
      adam.set_lr(schedule(static_cast<std::int64_t>(update++)));
      adam.step();
      const auto batch_loss = static_cast<double>(loss.item());
      result.train_loss += batch_loss * static_cast<double>(batch.size());
      correct += count_correct(logits, batch.labels);
      progress.update(update, label, batch_loss);
      if (Interrupt::requested()) return;
    }
    result.train_loss /= static_cast<double>(data.train.size());
    result.train_accuracy = static_cast<double>(correct) / static_cast<double>(data.train.size());
    result.valid = evaluate(model, data.valid, data.encoding);
    const auto& [valid_loss, valid_accuracy, confusion] = result.valid;
    result.best =
        valid_accuracy > best_accuracy || (valid_accuracy == best_accuracy && valid_loss < best_loss);
    if (result.best) std::tie(best_accuracy, best_loss) = std::pair(valid_accuracy, valid_loss);
    progress.clear();
    report(result);
  }
}

}  // namespace unroll::examples::classifier
