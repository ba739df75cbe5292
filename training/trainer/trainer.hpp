// Trainer: trains a model with a loss on batches.
//
//   Adam<float> adam(parameters(model), {.lr = 3e-3});
//   const auto loss = [](Model& m, const Batch& b) {
//     const auto logits = m(b.x);
//     return LossOutput{cross_entropy(logits, b.labels), logits, b.labels};
//   };
//   Trainer trainer(model, adam, loss, {.epochs = 20, .clip_norm = 1.0, .checkpoint = "run.safetensors"},
//                   Accuracy());
//   const TrainResult result = trainer.fit(train, valid);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/anomaly.hpp"
#include "training/data/batches.hpp"
#include "training/loss_output.hpp"
#include "training/metrics/metric_list.hpp"
#include "training/trainer/train_loop.hpp"

namespace unroll {

namespace detail {

// The source; a copy of a const one, because start_epoch() changes it.
template <class Source>
class SourceUse {
  using Plain = std::remove_const_t<Source>;
  static constexpr bool kCopied = !BatchSource<Source> && BatchSource<Plain>;
  static_assert(BatchSource<Plain>,
                "a source of batches needs size() const, start_epoch(epoch) and batch(i) const: see "
                "training/data/batches.hpp");
  static_assert(!kCopied || std::is_copy_constructible_v<Plain>,
                "a source that cannot be copied must be non-const, as start_epoch() changes it");

 public:
  explicit SourceUse(Source& source) : source_(source) {}
  auto& get() noexcept { return source_; }

 private:
  std::conditional_t<kCopied, Plain, Source&> source_;
};

}  // namespace detail

// loss(model, batch) returns the batch's mean loss: a Var<S> of one element, or a struct with a member loss
// and, optionally, weight, outputs and targets (LossOutput, WeightedLoss). The default weight is
// batch.size(). A loss that carries state from batch to batch, for example of a recurrent layer, has members
//   void start_epoch()                         before an epoch's first batch
//   TensorMap<S> state() const                 a snapshot of the state
//   void load_state(const TensorMap<S>&)       restores it
// Model and optimizer must outlive the trainer and must not move.
template <class Model, class Loss, class... Metrics>
class Trainer : private detail::ModelAdapter<scalar_t<Model>> {
 public:
  using S = scalar_t<Model>;

  // Throws ArgumentError for invalid options and for two metrics of one name.
  Trainer(Model& model, Optimizer<S>& optimizer, Loss loss, TrainOptions options = {}, Metrics... metrics)
      : model_(model),
        loss_(std::move(loss)),
        fresh_(std::move(metrics)...),
        running_(fresh_),
        snapshot_(fresh_),
        loop_(*this, optimizer, std::move(options)) {}
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Trains until options.epochs epochs are complete, or until early stopping, Ctrl-C or stop(). Continues
  // where an earlier fit() or a checkpoint ended. Leaves the model in evaluation mode. A const source is
  // copied. Throws NonfiniteError, naming epoch, batch, op and layer, for a loss or gradient that is not
  // finite, and for a monitored score that is NaN; ArgumentError for data without a batch that counts;
  // FileError for files that cannot be written and for a checkpoint that another training writes. After any
  // exception the model has the weights of the last complete step, and options.checkpoint is a complete
  // checkpoint, of that step if it can be written.
  template <class Train, class Valid>
  TrainResult fit(Train&& train, Valid&& valid) {
    Fit<std::remove_reference_t<Train>, std::remove_reference_t<Valid>> task(*this, train, &valid);
    return loop_.run(task);
  }
  // Without validation data.
  template <class Train>
  TrainResult fit(Train&& train) {
    Fit<std::remove_reference_t<Train>, std::remove_reference_t<Train>> task(*this, train, nullptr);
    return loop_.run(task);
  }

  // Loss and metrics over a source, in evaluation mode. The model's mode and the state of the loss are
  // restored afterwards. Throws ArgumentError for a source without a batch that counts, and in a callback for
  // the one that fit() is in.
  template <class Source>
  Scores evaluate(Source&& source) {
    detail::SourceUse<std::remove_reference_t<Source>> use(source);
    if (&use.get() == fitting_) detail::throw_source_in_use();
    return evaluate_as(use.get(), "evaluated", 1);
  }

  // Asks fit() to save and return after the current step: for callbacks.
  void stop() noexcept { loop_.stop(); }
  // Restores a checkpoint. Throws FileError naming the file and up to 100 differences: parameters and
  // optimizer state that are missing, unexpected or of another shape, other metrics or generators. Nothing
  // has changed then.
  void resume(const std::string& path) { loop_.resume(path); }
  // Writes a checkpoint.
  void save(const std::string& path) { loop_.save(path); }
  // Gives the model its weights after the best epoch; false before the first epoch's end.
  bool restore_best() { return loop_.restore_best(); }
  // Adds the state of your own random generator to every checkpoint. fit() throws ArgumentError for two of
  // one name.
  void keep(std::string name, Rng& rng) { kept_.push_back({"kept." + std::move(name), &rng}); }

  const TrainState& state() const noexcept { return loop_.state(); }
  const TrainOptions& options() const noexcept { return loop_.options(); }
  // Sets the options of the next fit(). Throws ArgumentError as the constructor does.
  void set_options(TrainOptions options) { loop_.set_options(std::move(options)); }
  Loss& loss() noexcept { return loss_; }

 private:
  using List = detail::MetricList<Metrics...>;

  template <class Train, class Valid>
  class Fit : public detail::DataAdapter<S> {
   public:
    Fit(Trainer& trainer, Train& train, Valid* valid)
        : trainer_(trainer), train_(train), before_(std::exchange(trainer.fitting_, &train_.get())) {
      if (valid != nullptr) valid_.emplace(*valid);
    }
    ~Fit() override { trainer_.fitting_ = before_; }
    std::size_t batches() override { return train_.get().size(); }
    void start_epoch(std::int64_t epoch, bool start_loss) override {
      train_.get().start_epoch(epoch);
      if (!start_loss) return;
      trainer_.running_ = trainer_.fresh_;
      trainer_.start_loss();
    }
    detail::LossValue<S> measure(std::size_t i) override {
      return trainer_.measure(std::as_const(train_.get()).batch(i), trainer_.running_);
    }
    std::optional<std::size_t> validation_batches() override {
      if (!valid_) return std::nullopt;
      return valid_->get().size();
    }
    Scores validate(std::int64_t epoch) override {
      return trainer_.evaluate_as(valid_->get(), "valid", epoch);
    }

   private:
    Trainer& trainer_;
    detail::SourceUse<Train> train_;
    const void* before_;
    std::optional<detail::SourceUse<Valid>> valid_;
  };

  template <class Batch>
  detail::LossValue<S> measure(const Batch& batch, List& metrics) {
    const auto result = loss_(model_, batch);
    detail::LossValue<S> value;
    if constexpr (requires { result.loss; }) {
      value.loss = result.loss;
    } else {
      value.loss = result;
    }
    value.weight = weight_of(result, batch);
    bool counts = value.weight != 0.0;
    if constexpr (requires { result.counts_anyway; }) counts = counts || result.counts_anyway;
    if (counts && value.loss.size() == 1) {
      metrics.update(result, batch, static_cast<double>(value.loss.item()), value.weight);
    }
    return value;
  }
  template <class Result, class Batch>
  static double weight_of(const Result& result, const Batch& batch) {
    if constexpr (requires { result.weight.value(); }) {
      if (result.weight.has_value()) return result.weight.value();
    } else if constexpr (requires { static_cast<double>(result.weight); }) {
      return static_cast<double>(result.weight);
    }
    static_assert(
        requires { batch.size(); } || requires { result.weight; },
        "a batch without size() needs a loss that returns a weight: WeightedLoss{loss, weight}");
    if constexpr (requires { batch.size(); }) return static_cast<double>(batch.size());
    return 1.0;
  }

  template <class Source>
  Scores evaluate_as(Source& source, const char* data, std::int64_t epoch) {
    const NoGrad no_recording;
    const TensorMap<S> before = carried();
    std::vector<bool> flags;
    detail::for_each_training_flag(model_, [&](bool& flag) { flags.push_back(std::exchange(flag, false)); });
    const auto back = [&] {
      load_carried(before);
      auto flag_before = flags.begin();
      detail::for_each_training_flag(model_, [&](bool& flag) { flag = *flag_before++; });
    };
    try {
      Scores scores;
      try {
        scores = pass_over(source, data, epoch);
      } catch (const NonfiniteError&) {
        const DetectNonfinite detect;  // names the op, if the loss can be had again
        pass_over(source, data, epoch);
        throw;
      }
      back();
      return scores;
    } catch (...) {
      back();
      throw;
    }
  }
  template <class Source>
  Scores pass_over(Source& source, const char* data, std::int64_t epoch) {
    List metrics = fresh_;
    source.start_epoch(epoch);
    start_loss();
    detail::check_batches(data, source.size());
    double sum = 0.0, weight = 0.0;
    for (std::size_t i = 0; i < source.size(); ++i) {
      const auto value = [&] {
        try {
          auto result = measure(std::as_const(source).batch(i), metrics);
          detail::check_loss(result, data, epoch, i);
          return result;
        } catch (const NonfiniteError& error) {
          detail::throw_nonfinite_batch(data, epoch, i, error.what());
        }
      }();
      if (value.weight == 0.0) continue;
      sum += value.weight * static_cast<double>(value.loss.item());
      weight += value.weight;
    }
    Scores scores{{"loss", detail::mean_loss(data, epoch, sum, weight)}};
    metrics.append_values(scores);
    return scores;
  }

  void start_loss() {
    if constexpr (requires { loss_.start_epoch(); }) loss_.start_epoch();
  }

  // --- detail::ModelAdapter
  std::vector<NamedParameter<S>> parameters() const override { return named_parameters(model_); }
  std::vector<detail::NamedRng> generators() override {
    std::vector<detail::NamedRng> list = kept_;
    detail::for_each_slot(model_, "", [&](const std::string& name, auto& slot) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(slot)>, Rng>) list.push_back({name, &slot});
    });
    return list;
  }
  std::string summary() const override { return unroll::summary(model_); }
  void set_training(bool training) override { unroll::set_training(model_, training); }
  TensorMap<S> carried() const override {
    if constexpr (requires { loss_.state(); }) {
      return loss_.state();
    } else {
      return {};
    }
  }
  void load_carried(const TensorMap<S>& state) override {
    if constexpr (requires { loss_.load_state(state); }) loss_.load_state(state);
  }
  Scores metric_values() const override {
    Scores scores;
    running_.append_values(scores);
    return scores;
  }
  std::map<std::string, std::string> metric_states() const override { return running_.states(); }
  void load_metric_states(const std::map<std::string, std::string>& states) override {
    running_.load_states(states);
  }
  void snapshot_metrics() override { snapshot_ = running_; }
  void rollback_metrics() override { running_ = snapshot_; }
  std::optional<Goal> goal(const std::string& metric) const override { return fresh_.goal(metric); }

  Model& model_;
  Loss loss_;
  List fresh_, running_, snapshot_;
  std::vector<detail::NamedRng> kept_;
  const void* fitting_ = nullptr;  // the source of the fit() under way
  detail::TrainLoop<S> loop_;
};

}  // namespace unroll
