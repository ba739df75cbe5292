// A run for TensorBoard. An optional part: link unroll::tensorboard, which is built where protobuf is
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
  bool markdown = false;  // texts are Markdown; else they are shown as they are, in a type of one width
};

// Writes an event file into a folder, for `tensorboard --logdir` of it or of the folder above, where every
// folder is a run: scalars as floats, histograms in TensorBoard's buckets, texts. Every object writes a file
// of its own, from the first event on.
//
// An event is in the file when the call returns, and on disk when flush() does. resume() removes later events
// from the earlier files of these runs in the folder, and an event that a crash has cut; where there is no
// file, the run begins at that step. A run that does not resume() tells TensorBoard to forget what earlier
// files of the folder hold, and leaves them.
class TensorBoardLog : public Log {
 public:
  // Creates the folder, and removes what killed writers have left in it. Throws FileError when it or a file
  // in it cannot be written.
  explicit TensorBoardLog(const std::string& directory, TensorBoardOptions options = {});
  ~TensorBoardLog() override;

  // All throw FileError when the file cannot be written; then nothing of the event is. Names and texts want
  // UTF-8 and names are not empty, else ArgumentError.
  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  // NaN and infinities have no bucket: where there are any, their number is the scalar name + "/nonfinite".
  // Without values nothing is written.
  void histogram(std::int64_t step, std::string_view name, std::span<const float> values) override;
  void text(std::int64_t step, std::string_view name, std::string_view text) override;
  void flush() override;
  // Throws FileError also for an event file that is damaged before its end, naming file and place.
  void resume(std::int64_t step) override;

  // The event file that this object writes; empty before the first event, which creates it.
  std::string path() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace unroll
