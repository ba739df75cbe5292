// Constants of the safetensors format, for its writer and its reader.
#pragma once

#include <cstdint>

namespace unroll::detail::safetensors {

inline constexpr const char* kMetadata = "__metadata__";
inline constexpr std::uint64_t kPrefix = 8;                 // bytes of the header length
inline constexpr std::uint64_t kLargestHeader = 100000000;  // the format's own limit

}  // namespace unroll::detail::safetensors
