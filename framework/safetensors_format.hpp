// Constants of the safetensors format, shared by writer and reader.
#pragma once

#include <cstdint>

namespace unroll::detail::safetensors {

inline constexpr const char* kMetadata = "__metadata__";
inline constexpr std::uint64_t kPrefix = 8;                 // bytes of the header length
inline constexpr std::uint64_t kLargestHeader = 100000000;  // the format's limit

}  // namespace unroll::detail::safetensors
