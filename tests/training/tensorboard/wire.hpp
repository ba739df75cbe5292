// Reads event files by the published description of their bytes, without the code that writes them and
// without protobuf.
#pragma once

#include <bit>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace unroll::wire {

template <class T>
T at(const std::string& bytes, std::size_t offset) {
  REQUIRE(offset + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// A bit at a time, by the polynomial's definition.
inline std::uint32_t crc32c(const std::string& bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) * 0x82f63b78U);
  }
  return crc ^ 0xffffffffU;
}

inline std::uint32_t masked(const std::string& bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

// The bytes of every record; all frames are checked, and nothing follows the last.
inline std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> result;
  for (std::size_t offset = 0; offset < file.size();) {
    const auto length = at<std::uint64_t>(file, offset);
    REQUIRE(at<std::uint32_t>(file, offset + 8) == masked(file.substr(offset, 8)));
    REQUIRE(offset + 16 + length <= file.size());
    result.push_back(file.substr(offset + 12, length));
    REQUIRE(at<std::uint32_t>(file, offset + 12 + length) == masked(result.back()));
    offset += 16 + length;
  }
  return result;
}

// A message of protobuf's wire format: every field's number with its values, which are the bytes of a
// fixed-size or length-delimited one, and the number of a varint in 8 bytes.
struct Message {
  std::map<int, std::vector<std::string>> fields;

  explicit Message(const std::string& bytes) {
    for (std::size_t offset = 0; offset < bytes.size();) {
      const std::uint64_t tag = varint(bytes, offset);
      std::size_t size = 0;
      std::string value;
      switch (tag & 7) {
        case 0: {
          const std::uint64_t number = varint(bytes, offset);
          value.assign(reinterpret_cast<const char*>(&number), sizeof number);
          break;
        }
        case 1:
          size = 8;
          break;
        case 2:
          size = varint(bytes, offset);
          break;
        case 5:
          size = 4;
          break;
        default:
          FAIL("wire type " << (tag & 7));
      }
      REQUIRE(offset + size <= bytes.size());
      if ((tag & 7) != 0) value = bytes.substr(offset, size);
      offset += size;
      fields[static_cast<int>(tag >> 3)].push_back(value);
    }
  }
  bool has(int field) const { return fields.contains(field); }
  const std::string& bytes(int field) const {
    CAPTURE(field);
    REQUIRE(has(field));
    REQUIRE(fields.at(field).size() == 1);
    return fields.at(field)[0];
  }
  Message message(int field) const { return Message(bytes(field)); }
  // 0 where it is not there: proto3 leaves it out.
  std::int64_t integer(int field) const { return has(field) ? at<std::int64_t>(bytes(field), 0) : 0; }
  double real(int field) const { return has(field) ? at<double>(bytes(field), 0) : 0.0; }
  float real32(int field) const { return at<float>(bytes(field), 0); }
  std::vector<double> packed(int field) const {
    const std::string& all = bytes(field);
    REQUIRE(all.size() % 8 == 0);
    std::vector<double> values(all.size() / 8);
    std::memcpy(values.data(), all.data(), all.size());
    return values;
  }

 private:
  static std::uint64_t varint(const std::string& bytes, std::size_t& offset) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE(offset < bytes.size());
      REQUIRE(shift < 64);
      const auto byte = static_cast<unsigned char>(bytes[offset++]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
};

// The fields' numbers, as TensorFlow's event.proto, summary.proto and tensor.proto publish them.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kSummaryValue = 1;
constexpr int kTag = 1, kSimpleValue = 2, kHisto = 5, kTensor = 8, kMetadata = 9;
}  // namespace event

inline std::vector<Message> events(const std::string& file) {
  std::vector<Message> result;
  for (const std::string& record : records(file)) result.emplace_back(record);
  return result;
}

}  // namespace unroll::wire
