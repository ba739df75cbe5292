// JsonLinesLog: a run's scalars and texts as lines of JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "training/logs/log.hpp"
#include "training/logs/log_file.hpp"

namespace unroll {

// One object per line for every call of scalars() and text():
//   {"step":1200,"epoch":3,"time":1767225600.25,"train/loss":0.4123,"lr":0.001}
//   {"step":0,"time":1767225590.5,"name":"model","text":"..."}
// time is in seconds since 1970 (UTC). Numbers have enough digits to restore the same double. JSON has no NaN
// and no infinities: they are the strings "NaN", "Infinity" and "-Infinity", which Python's float() and
// JavaScript's Number() accept.
//
// A line is in the file when the call returns, and on disk when flush() does. Without resume() the first line
// replaces an old file. resume() keeps the lines up to that step and removes a last line that a crash cut; a
// missing file is created. Histograms are ignored.
class JsonLinesLog : public Log {
 public:
  // Throws FileError when the file cannot be written.
  explicit JsonLinesLog(const std::string& path);

  // Both throw FileError, and ArgumentError for what is not UTF-8; scalars() also for a name that is empty,
  // repeated, "step", "epoch", "time", "name" or "text". The file is then unchanged.
  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  void text(std::int64_t step, std::string_view name, std::string_view text) override;
  void flush() override;
  // Throws FileError with the line for another kind of file, which is then unchanged.
  void resume(std::int64_t step) override;
  std::string path() const override { return file_.path(); }

 private:
  void append(const std::string& line);

  detail::LogFile file_;
  bool started_ = false;
};

}  // namespace unroll
