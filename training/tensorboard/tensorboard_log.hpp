// TensorBoardLog: event files for TensorBoard. Link unroll::tensorboard, which is built if protobuf is
// installed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "training/logs/log.hpp"

namespace unroll {

struct TensorBoardOptions {
  bool markdown = false;  // texts are Markdown; else they are shown verbatim, in a fixed-width font
};

// Writes scalars as floats, histograms in TensorBoard's buckets, and texts into an event file in a folder.
// For `tensorboard --logdir` every folder is a run. Every object writes its own file, created at the first
// event.
//
// An event is in the file when the call returns, and on disk when flush() does. resume() removes later
// events, and one that a crash cut, from this library's earlier files in the folder; without a file the run
// begins at that step. Without resume() TensorBoard is told to forget the earlier files, which stay.
class TensorBoardLog : public Log {
 public:
  // Creates the folder and removes temporary files of killed writers. Throws FileError if the folder or a
  // file in it cannot be written.
  explicit TensorBoardLog(const std::string& directory, TensorBoardOptions options = {});
  ~TensorBoardLog() override;

  // All throw FileError when the file cannot be written, leaving nothing of the event in it, and
  // ArgumentError for names and texts that are not UTF-8 and for empty names.
  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  // NaN and infinities have no bucket; their count, if any, is the scalar name + "/nonfinite". Without values
  // nothing is written.
  void histogram(std::int64_t step, std::string_view name, std::span<const float> values) override;
  void text(std::int64_t step, std::string_view name, std::string_view text) override;
  void flush() override;
  // Throws FileError naming file and place for an event file that is damaged before its end.
  void resume(std::int64_t step) override;

  // The event file; empty before the first event.
  std::string path() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace unroll
