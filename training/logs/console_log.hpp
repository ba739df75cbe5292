// A run's scalars as lines to read.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>

#include "training/logs/log.hpp"

namespace unroll {

struct ConsoleLogOptions {
  std::int64_t epochs = 0;     // of the whole run; 0: not said
  int digits = 4;              // that count, of every value
  std::FILE* stream = stdout;  // the caller's; it outlives the log
};

// Prints a line for every call of scalars(), and a text below its name:
//   epoch 3/12 step 1200 train/loss 0.4123 valid/accuracy 0.912
// Plain text without colours or a bar, the same on a terminal and in a pipe; a reader of the pipe has every
// line when the call returns. Histograms are left out, and resume() changes nothing of what was printed.
class ConsoleLog : public Log {
 public:
  // Throws ArgumentError for digits out of 1 .. 17 and for epochs below 0.
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
