#include "training/logs/console_log.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "framework/errors.hpp"

namespace unroll {

ConsoleLog::ConsoleLog(ConsoleLogOptions options) : options_(options) {
  if (options.digits < 1 || options.digits > 17) {
    throw ArgumentError(fmt::format("[ConsoleLog] digits: expected 1..17, got {}", options.digits));
  }
  if (options.stream == nullptr)
    throw ArgumentError("[ConsoleLog] stream: expected a stream, got a null pointer");
  if (options.epochs < 0)
    throw ArgumentError(fmt::format("[ConsoleLog] epochs: expected >= 0, got {}", options.epochs));
}

void ConsoleLog::scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) {
  std::string line = fmt::format("epoch {}", epoch);
  if (options_.epochs > 0) line += fmt::format("/{}", options_.epochs);
  line += fmt::format(" step {}", step);
  for (const NamedScalar& value : values) {
    line += fmt::format(" {} {:.{}g}", value.name, value.value, options_.digits);
  }
  print(line + "\n");
}

void ConsoleLog::text(std::int64_t, std::string_view name, std::string_view text) {
  print(fmt::format("{}:\n{}{}", name, text, text.ends_with('\n') ? "" : "\n"));
}

void ConsoleLog::flush() { print(""); }

void ConsoleLog::print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), options_.stream) != text.size() ||
      std::fflush(options_.stream) != 0) {
    throw FileError(fmt::format("[ConsoleLog] cannot write a line: {}", std::strerror(errno)));
  }
}

}  // namespace unroll
