// TextStream: a long text in parallel streams, window after window, for truncated backpropagation through
// time.
#pragma once

#include <cstdint>
#include <vector>

#include "framework/tensor.hpp"
#include "training/data/batch_source.hpp"

namespace unroll {

struct TextStreamOptions {
  Index batch_size = 32;  // B streams side by side
  Index window = 64;      // T steps
};

// One window of all streams.
struct TextBatch {
  IndexTensor ids;     // (T,B)
  IndexTensor labels;  // (T,B): what follows each id in the text
  bool first = false;  // the streams begin here: states start anew, else they go on from the window before
  std::size_t position = 0;  // of its first step in every stream
  // What its mean loss weighs: T B tokens.
  std::size_t size() const noexcept { return ids.size(); }
};

// The ids of a text cut into B streams of n = floor((N-1) / B) steps each: stream b reads ids b n ... b n + n
// - 1 and is to say the ids one later. Every one of these B n pairs is in one window of an epoch; windows
// have T steps, the last one maybe fewer, and come in the order of the text. A BatchSource whose epochs are
// alike; whoever goes through it carries the states from window to window:
//
//   if (batch.first) states = {};
//   auto [y, after] = layer(embedding(batch.ids), {.states = states});
//   states = detach(after);
//
// One that was moved from has no windows, and batch throws ArgumentError.
class TextStream {
 public:
  // Throws ArgumentError for batch_size or window < 1, a negative id, and fewer than B + 1 ids.
  explicit TextStream(std::vector<std::int64_t> ids, const TextStreamOptions& options = {});

  // Windows in an epoch.
  std::size_t size() const noexcept;
  // From 1. Throws ArgumentError for less.
  void start_epoch(std::int64_t epoch);
  // Throws ArgumentError unless i < size().
  TextBatch batch(std::size_t i) const;

  // n.
  std::size_t steps() const noexcept { return ids_.empty() ? 0 : (ids_.size() - 1) / streams_; }

 private:
  std::vector<std::int64_t> ids_;
  std::size_t streams_ = 0, window_ = 0;
};

static_assert(BatchSource<TextStream>);

}  // namespace unroll
