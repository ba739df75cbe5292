// ModelAdapter and DataAdapter: what the training loop asks of a model, its loss and its data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/random.hpp"
#include "framework/serialization.hpp"
#include "layers/module.hpp"
#include "training/trainer/train_options.hpp"

namespace unroll::detail {

template <class S>
struct LossValue {
  Var<S> loss;  // one element
  double weight = 0.0;
};

// A random generator whose state belongs to the run.
struct NamedRng {
  std::string name;
  Rng* rng;
};

// The data of one fit().
template <class S>
class DataAdapter {
 public:
  virtual ~DataAdapter() = default;
  virtual std::size_t batches() = 0;
  // Starts the source's epoch; with start_loss also the loss's, and resets the metrics.
  virtual void start_epoch(std::int64_t epoch, bool start_loss) = 0;
  // The loss of this batch, recorded on the current tape if there is one; updates the metrics.
  virtual LossValue<S> measure(std::size_t batch) = 0;
  // None without validation data.
  virtual std::optional<std::size_t> validation_batches() = 0;
  virtual Scores validate(std::int64_t epoch) = 0;
};

// The model, its loss and the running metrics.
template <class S>
class ModelAdapter {
 public:
  virtual ~ModelAdapter() = default;
  virtual std::vector<NamedParameter<S>> parameters() const = 0;
  virtual std::vector<NamedRng> generators() = 0;
  virtual std::string summary() const = 0;
  virtual void set_training(bool training) = 0;

  // The state of the loss.
  virtual TensorMap<S> carried() const = 0;
  virtual void load_carried(const TensorMap<S>& state) = 0;

  virtual Scores metric_values() const = 0;
  virtual std::map<std::string, std::string> metric_states() const = 0;
  // All or none. Throws ArgumentError.
  virtual void load_metric_states(const std::map<std::string, std::string>& states) = 0;
  virtual void snapshot_metrics() = 0;
  virtual void rollback_metrics() = 0;
  // None if there is no metric of this name.
  virtual std::optional<Goal> goal(const std::string& metric) const = 0;
};

}  // namespace unroll::detail
