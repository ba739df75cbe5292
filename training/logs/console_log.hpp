// ConsoleLog: a run's scalars as lines of text.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>

#include "training/logs/log.hpp"

namespace unroll {

struct ConsoleLogOptions {
  std::int64_t epochs = 0;     // of the whole run; 0: not shown
  int digits = 4;              // significant digits
  std::FILE* stream = stdout;  // must outlive the log
};

// Prints a line for every call of scalars(), and a text below its name:
//   epoch 3/12 step 1200 train/loss 0.4123 valid/accuracy 0.912
// The output is plain text, the same on a terminal and in a pipe, and is flushed by every call. Histograms
// are ignored, and resume() does nothing.
class ConsoleLog : public Log {
 public:
  // Throws ArgumentError for digits outside 1..17 and epochs below 0.
  explicit ConsoleLog(ConsoleLogOptions options = {});

  // All throw FileError when the stream cannot be written.
  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  void text(std::int64_t step, std::string_view name, std::string_view text) override;
  void flush() override;

 private:
  void print(std::string_view text);

  ConsoleLogOptions options_;
};

}  // namespace unroll
