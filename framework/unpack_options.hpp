// UnpackOptions: a limit for compressed files.
#pragma once

#include <algorithm>
#include <cstdint>

namespace unroll {

// A compressed file of a few kilobytes can claim to hold gigabytes. Its claimed sizes are compared with this
// limit before memory is allocated.
struct UnpackOptions {
  // The most bytes that compressed contents may take in memory; 0: 256 MiB or 64 times the file's size,
  // whichever is more.
  std::uint64_t max_bytes = 0;
};

namespace detail {

inline std::uint64_t unpack_limit(const UnpackOptions& options, std::uint64_t file_bytes) noexcept {
  constexpr std::uint64_t kAlways = std::uint64_t{1} << 28, kRatio = 64;
  const std::uint64_t claimed = file_bytes > UINT64_MAX / kRatio ? UINT64_MAX : file_bytes * kRatio;
  return options.max_bytes != 0 ? options.max_bytes : std::max(kAlways, claimed);
}

}  // namespace detail
}  // namespace unroll
