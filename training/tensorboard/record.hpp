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

// As it stands in a record, turned and moved, so that a check over bytes that hold checks stays sound.
std::uint32_t masked_crc32c(std::string_view bytes) noexcept;

// The bytes with their frame:
//   uint64 length, uint32 masked crc32c of the 8 bytes before, bytes, uint32 masked crc32c of them
// all little-endian.
std::string record_of(std::string_view bytes);

struct Record {
  std::string_view frame, bytes;
  std::size_t offset;  // of the frame in the file
};

// The whole records of a file's contents. A last one that a crash has cut, or left with bytes that never came
// to disk, is left out. Throws the file's FileError with the offset where one before the last does not check.
std::vector<Record> split_records(const LogFile& file, std::string_view contents);

}  // namespace unroll::detail
