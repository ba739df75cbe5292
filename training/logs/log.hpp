// Where a training run is written down: scalars, histograms and texts by step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace unroll {

struct NamedScalar {
  std::string name;  // "train/loss", "valid/accuracy", "lr" ...
  double value;
};

// One destination of a run: CSV, JSON lines, TensorBoard, a picture. step counts optimizer steps from 1. What
// a destination cannot hold (a histogram in a CSV file) it ignores. Functions throw FileError when the file
// cannot be written.
class Log {
 public:
  virtual ~Log() = default;
  // What was measured after this step of this epoch, together.
  virtual void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) = 0;
  virtual void histogram(std::int64_t, std::string_view, std::span<const float>) {}
  virtual void text(std::int64_t, std::string_view, std::string_view) {}
  // Everything so far is in the file when it returns.
  virtual void flush() {}
  // A run goes on from a checkpoint taken at this step: what the file holds of later steps is dropped.
  virtual void resume(std::int64_t) {}
  // The file that it writes, which nothing else of the run may write; empty without one.
  virtual std::string path() const { return {}; }
};

}  // namespace unroll
