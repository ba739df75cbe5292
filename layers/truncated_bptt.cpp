#include "layers/truncated_bptt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll {

std::vector<Window> windows(Index steps, Index size) {
  if (size < 1) throw ArgumentError(fmt::format("[windows] size: expected >= 1, got {}", size));
  if (steps < 0) throw ArgumentError(fmt::format("[windows] steps: expected >= 0, got {}", steps));
  constexpr Index kMost = Index{1} << 28;  // more must be a mistake, and would fill the memory
  const Index count = steps == 0 ? 0 : (steps - 1) / size + 1;
  if (count > kMost)
    throw ArgumentError(
        fmt::format("[windows] expected <= {} windows, got {} steps in windows of {}", kMost, steps, size));
  std::vector<Window> result;
  for (Index k = 0; k < count; ++k) {
    const Index first = k * size;
    result.push_back({first, first + std::min(size, steps - first)});
  }
  return result;
}

std::vector<Index> lengths_in(Window window, const std::vector<Index>& lengths) {
  std::vector<Index> result;
  for (const Index length : lengths) {
    result.push_back(std::clamp(length, window.first, std::max(window.first, window.last)) - window.first);
  }
  return result;
}

void detail::check_window_lengths(Index steps, const std::vector<Index>& lengths) {
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || lengths[b] > steps) {
      throw ArgumentError(fmt::format("[for_each_window] lengths[{}]: expected 0..{} (the steps), got {}", b,
                                      steps, lengths[b]));
    }
  }
}

void detail::throw_no_function(const char* name) {
  throw ArgumentError(fmt::format("[for_each_window] {}: expected a function, got an empty one", name));
}

}  // namespace unroll
