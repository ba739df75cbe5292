// TrainStep: one optimizer step over a group of batches, and what stands in its way.
#pragma once

#include <string>

#include "training/trainer/reporter.hpp"
#include "training/trainer/run_state.hpp"

namespace unroll::detail {

// Throws NonfiniteError naming the batch for a loss that is not finite, ShapeError for more than one element,
// ArgumentError for a weight that is negative or not finite.
template <class S>
void check_loss(const LossValue<S>& value, const char* data, std::int64_t epoch, std::size_t batch);
// Throws a NonfiniteError of validation or evaluation that names the batch.
[[noreturn]] void throw_nonfinite_batch(const char* data, std::int64_t epoch, std::size_t batch,
                                        const char* what);
// data: "train", "valid" or "evaluated". Throw ArgumentError for a source without batches, and for a weight
// of 0 in all; mean_loss returns sum / weight.
void check_batches(const char* data, std::size_t batches);
[[noreturn]] void throw_source_in_use();
double mean_loss(const char* data, std::int64_t epoch, double sum, double weight);

template <class S>
class TrainStep {
 public:
  // All of these live as long as this.
  TrainStep(ModelAdapter<S>& model, Optimizer<S>& optimizer, const TrainOptions& options, RunState<S>& run,
            Reporter& reporter)
      : model_(model), optimizer_(optimizer), options_(options), run_(run), reporter_(reporter) {}

  // Forward, backward and the optimizer's step over the next batches of the epoch. Everything that can go
  // wrong does so before anything that lasts has changed. A group without weight makes no step: its report's
  // step is 0. Throws NonfiniteError naming epoch, batch, op and layer.
  StepReport run(DataAdapter<S>& data);
  // The rate of one group, or a factor on those of several.
  void set_lr(double lr);
  // Throws ArgumentError for an optimizer with a parameter that is none of the model's.
  void check_optimizer() const;

 private:
  struct Group {  // batches of one step
    std::size_t first, last;
  };
  void set_scheduled_lr();
  StepReport update(DataAdapter<S>& data, Group group);
  void scale_gradients(S factor);
  double clip();
  [[noreturn]] void throw_nonfinite(DataAdapter<S>& data, Group group, const std::string& what);
  std::string find_op(DataAdapter<S>& data, Group group);

  ModelAdapter<S>& model_;
  Optimizer<S>& optimizer_;
  const TrainOptions& options_;
  RunState<S>& run_;
  Reporter& reporter_;
};

extern template class TrainStep<float>;
extern template class TrainStep<double>;

}  // namespace unroll::detail
