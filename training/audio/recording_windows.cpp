#include "training/audio/recording_windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/errors.hpp"

namespace unroll {
namespace {

// The steps first .. first + count - 1 of streams that begin `apart` steps from each other, (count,B,C).
template <class S>
Tensor<S> of_streams(const Tensor<S>& samples, std::size_t first, std::size_t count, std::size_t streams,
                     std::size_t apart) {
  const std::size_t channels = samples.shape()[1];
  Tensor<S> result = empty<S>({count, streams, channels});
  for (std::size_t b = 0; b < streams; ++b) {
    const S* from = samples.data() + (first + b * apart) * channels;
    for (std::size_t t = 0; t < count; ++t, from += channels)
      std::copy_n(from, channels, result.data() + (t * streams + b) * channels);
  }
  return result;
}

}  // namespace

template <class S>
RecordingWindows<S>::RecordingWindows(Recording<S> dry, Recording<S> wet,
                                      const RecordingWindowOptions& options)
    : dry_(std::move(dry)), wet_(std::move(wet)) {
  const auto check = [](const char* name, Index value, Index least) {
    if (value >= least) return static_cast<std::size_t>(value);
    throw ArgumentError(
        fmt::format("[RecordingWindows] {}: expected a number >= {}, got {}", name, least, value));
  };
  streams_ = check("streams", options.streams, 1);
  window_ = check("window", options.window, 1);
  warm_up_ = check("warm_up", options.warm_up, 0);
  if (dry_.sample_rate != wet_.sample_rate) {
    throw ArgumentError(
        fmt::format("[RecordingWindows] wet: expected the dry recording's rate, {} Hz, got {} Hz",
                    dry_.sample_rate, wet_.sample_rate));
  }
  const std::size_t steps = dry_.samples.shape()[0];
  if (wet_.samples.shape()[0] != steps) {
    throw ShapeError(
        fmt::format("[RecordingWindows] wet: expected {} steps, as the dry recording has, got {}", steps,
                    wet_.samples.shape()[0]));
  }
  steps_ = steps > warm_up_ ? (steps - warm_up_) / streams_ : 0;
  if (steps_ == 0) {
    throw ShapeError(
        fmt::format("[RecordingWindows] dry: expected at least {} steps, for a warm-up of {} and {} "
                    "streams, got {}",
                    warm_up_ + streams_, warm_up_, streams_, steps));
  }
}

template <class S>
std::size_t RecordingWindows<S>::size() const noexcept {
  return (steps_ + window_ - 1) / window_;
}

template <class S>
RecordingBatch<S> RecordingWindows<S>::batch(std::size_t i) const {
  if (i >= size())
    throw ArgumentError(fmt::format("[RecordingWindows.batch] i: expected a number < {}, got {}", size(), i));
  const std::size_t first = i * window_, count = std::min(window_, steps_ - first);
  RecordingBatch<S> batch{.warm_up = empty<S>({0, streams_, dry_.samples.shape()[1]}),
                          .values = of_streams(dry_.samples, warm_up_ + first, count, streams_, steps_),
                          .targets = of_streams(wet_.samples, warm_up_ + first, count, streams_, steps_)};
  if (i == 0) batch.warm_up = of_streams(dry_.samples, 0, warm_up_, streams_, steps_);
  return batch;
}

template <class S>
Recording<S> part(const Recording<S>& recording, std::size_t first, std::size_t last) {
  const Shape& shape = recording.samples.shape();
  if (first > last || last > shape[0]) {
    throw ArgumentError(
        fmt::format("[part] steps: expected first <= last <= {}, got {} and {}", shape[0], first, last));
  }
  Recording<S> result{empty<S>({last - first, shape[1]}), recording.sample_rate};
  std::copy_n(recording.samples.data() + first * shape[1], result.samples.size(), result.samples.data());
  return result;
}

#define UNROLL_INSTANTIATE(S)         \
  template class RecordingWindows<S>; \
  template Recording<S> part(const Recording<S>&, std::size_t, std::size_t);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
