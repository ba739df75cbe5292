// Records of event files: length, check of the length, bytes, check of the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "training/logs/log_file.hpp"

namespace unroll::detail {

// The cyclic redundancy check with Castagnoli's polynomial, as in iSCSI (RFC 3720).
std::uint32_t crc32c(std::string_view bytes) noexcept;

// The masked form that records hold: a CRC of bytes that contain CRCs would be weak.
std::uint32_t masked_crc32c(std::string_view bytes) noexcept;

// The bytes with their frame:
//   uint64 length, uint32 masked crc32c of the 8 bytes before, bytes, uint32 masked crc32c of them
// all little-endian.
std::string record_of(std::string_view bytes);

struct Record {
  std::string_view frame, bytes;
  std::size_t offset;  // of the frame in the file
};

// The complete records of a file. A last one that a crash cut, or whose bytes never reached the disk, is left
// out. Throws the file's FileError with the offset of a damaged record before the last.
std::vector<Record> split_records(const LogFile& file, std::string_view contents);

}  // namespace unroll::detail
