// The checksum of event files.
#pragma once

#include <cstdint>
#include <string_view>

namespace unroll::detail {

// The cyclic redundancy check with Castagnoli's polynomial, as in iSCSI (RFC 3720).
std::uint32_t crc32c(std::string_view bytes) noexcept;

// As it stands in a record, turned and moved, so that a check over bytes that hold checks stays sound.
std::uint32_t masked_crc32c(std::string_view bytes) noexcept;

}  // namespace unroll::detail
