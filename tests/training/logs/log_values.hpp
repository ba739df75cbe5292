// What the tests of logs share.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "framework/errors.hpp"
#include "tests/examples/program.hpp"

namespace unroll {

using examples::ScratchFolder;

// The whole file.
inline std::string file_text(const std::string& path) { return examples::read_text(path); }

// The message of the exception E that f throws; empty when it throws none.
template <class E>
std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// The time in seconds as a log writes it, of the log's clock: time() may be milliseconds behind it.
inline double time_in_log() {
  using namespace std::chrono;
  return duration<double>(time_point_cast<microseconds>(system_clock::now()).time_since_epoch()).count();
}

}  // namespace unroll
