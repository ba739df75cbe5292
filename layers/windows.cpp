#include "layers/windows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll {

std::vector<Window> windows(Index steps, Index size) {
  if (size < 1) throw ArgumentError(fmt::format("[windows] size want >= 1, got {}", size));
  std::vector<Window> result;
  for (Index first = 0; first < steps; first += size)
    result.push_back({first, std::min(first + size, steps)});
  return result;
}

std::vector<Index> lengths_in(Window window, const std::vector<Index>& lengths) {
  std::vector<Index> result;
  for (const Index length : lengths) {
    result.push_back(std::clamp<Index>(length - window.first, 0, window.size()));
  }
  return result;
}

void detail::check_window_lengths(Index steps, const std::vector<Index>& lengths) {
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || lengths[b] > steps) {
      throw ArgumentError(
          fmt::format("[for_each_window] lengths[{}] want 0..{} (the steps), got {}", b, steps, lengths[b]));
    }
  }
}

}  // namespace unroll
