// RecordingWindows: a dry and a wet recording, cut into windows for truncated backpropagation through time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "framework/tensor.hpp"
#include "training/audio/wav.hpp"

namespace unroll {

struct RecordingWindowOptions {
  Index streams = 32;    // B parts of the recording that run side by side
  Index window = 512;    // T steps of a gradient
  Index warm_up = 1024;  // steps before each part, which only build up the states
};

// One window of all streams, time axis first.
template <class S>
struct RecordingBatch {
  Tensor<S> warm_up;  // (W,B,C) before the first window of an epoch; else empty
  Tensor<S> values;   // (T,B,C), of the dry recording
  Tensor<S> targets;  // (T,B,K), of the wet one
  std::size_t size() const noexcept { return targets.size(); }
};

// A BatchSource. Stream b has the steps W + b n .. W + (b+1) n - 1, n = (steps - W) / B, and its windows
// follow one another, so a loss carries the states (CarriedStates); steps that are left over are not used.
template <class S>
class RecordingWindows {
 public:
  // Throws ArgumentError for options below 1 (a warm-up below 0), recordings of different rates, ShapeError
  // for recordings of different lengths and for one that has no step for every stream.
  RecordingWindows(Recording<S> dry, Recording<S> wet, const RecordingWindowOptions& options = {});

  // Windows in an epoch; the last one may be shorter.
  std::size_t size() const noexcept;
  void start_epoch(std::int64_t) noexcept {}
  // Throws ArgumentError unless i < size().
  RecordingBatch<S> batch(std::size_t i) const;

 private:
  Recording<S> dry_, wet_;
  std::size_t streams_, window_, warm_up_, steps_;  // steps_: n
};

extern template class RecordingWindows<float>;
extern template class RecordingWindows<double>;

// The steps first .. last - 1. Throws ArgumentError unless first <= last <= T.
template <class S>
Recording<S> part(const Recording<S>& recording, std::size_t first, std::size_t last);

}  // namespace unroll
