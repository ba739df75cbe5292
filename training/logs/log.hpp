// Log: a destination for the scalars, histograms and texts of a training run.
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

// step counts optimizer steps from 1. A log ignores what it cannot hold, for example a histogram in a CSV
// file. Functions throw FileError when the file cannot be written.
class Log {
 public:
  virtual ~Log() = default;
  // Values of this step of this epoch.
  virtual void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) = 0;
  virtual void histogram(std::int64_t, std::string_view, std::span<const float>) {}
  virtual void text(std::int64_t, std::string_view, std::string_view) {}
  // Returns when everything is in the file.
  virtual void flush() {}
  // The run resumes from a checkpoint of this step: removes later steps from the file.
  virtual void resume(std::int64_t) {}
  // The file that it writes, which nothing else in the run may write; empty without one.
  virtual std::string path() const { return {}; }
};

}  // namespace unroll
