#include "training/data/text_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/errors.hpp"
#include "training/moved_from.hpp"

namespace unroll {

TextStream::TextStream(std::vector<std::int64_t> ids, const TextStreamOptions& options)
    : ids_(std::move(ids)) {
  if (options.batch_size < 1 || options.window < 1) {
    throw ArgumentError(fmt::format("[TextStream] batch_size and window: expected >= 1, got {} and {}",
                                    options.batch_size, options.window));
  }
  streams_ = static_cast<std::size_t>(options.batch_size);
  window_ = static_cast<std::size_t>(options.window);
  if (ids_.size() <= streams_) {
    throw ArgumentError(
        fmt::format("[TextStream] ids: expected at least {} (one step in each of {} streams, and what "
                    "follows the last), got {}",
                    streams_ + 1, streams_, ids_.size()));
  }
  const auto bad = std::find_if(ids_.begin(), ids_.end(), [](std::int64_t id) { return id < 0; });
  if (bad != ids_.end())
    throw ArgumentError(
        fmt::format("[TextStream] ids: expected >= 0, got {} at {}", *bad, bad - ids_.begin()));
}

std::size_t TextStream::size() const noexcept { return (steps() + window_ - 1) / window_; }

void TextStream::start_epoch(std::int64_t epoch) {
  if (epoch < 1)
    throw ArgumentError(fmt::format("[TextStream.start_epoch] epoch: expected >= 1, got {}", epoch));
}

TextBatch TextStream::batch(std::size_t i) const {
  detail::require_contents(!ids_.empty(), "TextStream.batch");
  if (i >= size())
    throw ArgumentError(fmt::format("[TextStream.batch] i: expected 0..{}, got {}", size() - 1, i));
  const std::size_t steps = this->steps(), first = i * window_, count = std::min(window_, steps - first);
  TextBatch batch{empty<std::int64_t>({count, streams_}), empty<std::int64_t>({count, streams_}), i == 0,
                  first};
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t b = 0; b < streams_; ++b) {
      const std::size_t at = b * steps + first + t;
      batch.ids(t, b) = ids_[at];
      batch.labels(t, b) = ids_[at + 1];
    }
  }
  return batch;
}

}  // namespace unroll
