#include "training/trainer/adapters.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "framework/errors.hpp"

namespace unroll::detail {
namespace {

// evaluate() belongs to no epoch.
bool is_evaluation(std::string_view data) { return data == "evaluated"; }

// "[Trainer.fit] validation source"
std::string source_of(std::string_view data) {
  if (is_evaluation(data)) return "[Trainer.evaluate] source";
  return data == "valid" ? "[Trainer.fit] validation source" : "[Trainer.fit] source";
}

}  // namespace

template <class S>
void check_loss(const LossValue<S>& value, const char* data, std::int64_t epoch, std::size_t batch) {
  const auto where = [&] {
    return is_evaluation(data) ? fmt::format("loss of batch {}", batch + 1)
                               : fmt::format("{} loss of epoch {}, batch {}", data, epoch, batch + 1);
  };
  if (value.loss.size() != 1) {
    throw ShapeError(fmt::format("[Trainer] {}: expected one element, got shape {} (a mean over the batch?)",
                                 where(), to_string(value.loss.shape())));
  }
  if (!(value.weight >= 0.0 && std::isfinite(value.weight))) {
    throw ArgumentError(
        fmt::format("[Trainer] weight of {}: expected a finite number >= 0, got {}", where(), value.weight));
  }
  const auto loss = static_cast<double>(value.loss.item());
  if (value.weight == 0.0 || std::isfinite(loss)) return;
  throw NonfiniteError(fmt::format("{}: expected a finite number, got {}", where(), loss));
}
template void check_loss(const LossValue<float>&, const char*, std::int64_t, std::size_t);
template void check_loss(const LossValue<double>&, const char*, std::int64_t, std::size_t);

void throw_nonfinite_batch(const char* data, std::int64_t epoch, std::size_t batch, const char* what) {
  throw NonfiniteError(is_evaluation(data) ? fmt::format("[Trainer.evaluate] batch {}: {}", batch + 1, what)
                                           : fmt::format("[Trainer.fit] validation of epoch {}, batch {}: {}",
                                                         epoch, batch + 1, what));
}

void check_batches(const char* data, std::size_t batches) {
  if (batches > 0) return;
  throw ArgumentError(fmt::format("{}: expected at least one batch, got none", source_of(data)));
}

double mean_loss(const char* data, std::int64_t epoch, double sum, double weight) {
  if (weight > 0.0) return sum / weight;
  throw ArgumentError(fmt::format(
      "{}: expected a batch of weight above 0, got none in epoch {} (is every label one that is ignored?)",
      source_of(data), epoch));
}

void throw_same_metric(const std::string& name) {
  throw ArgumentError(fmt::format(
      "[Trainer] metrics: expected distinct names, got '{}' twice (named(\"...\", metric) gives another)",
      name));
}

void throw_metric_state(const std::string& name) {
  throw ArgumentError(fmt::format("[Trainer] metrics: expected a state of '{}', got none", name));
}

}  // namespace unroll::detail
