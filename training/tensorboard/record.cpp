#include "training/tensorboard/record.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

namespace unroll::detail {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, lowest bit first
constexpr std::uint32_t kMask = 0xa282ead8;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ kPolynomial : crc >> 1;
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xffU];
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) noexcept { return std::rotr(crc32c(bytes), 15) + kMask; }

namespace {

static_assert(std::endian::native == std::endian::little, "the file format is little-endian");

constexpr std::size_t kHead = 12, kTail = 4;

template <class T>
void append(std::string& text, T value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T at(std::string_view text, std::size_t offset) {
  T value;
  std::memcpy(&value, text.data() + offset, sizeof value);
  return value;
}

}  // namespace

std::string record_of(std::string_view bytes) {
  std::string frame;
  frame.reserve(kHead + bytes.size() + kTail);
  append(frame, static_cast<std::uint64_t>(bytes.size()));
  append(frame, masked_crc32c(frame));
  frame.append(bytes);
  append(frame, masked_crc32c(bytes));
  return frame;
}

std::vector<Record> split_records(const LogFile& file, std::string_view contents) {
  std::vector<Record> records;
  std::size_t offset = 0;
  while (contents.size() - offset >= kHead) {
    const std::string_view rest = contents.substr(offset);
    const auto length = at<std::uint64_t>(rest, 0);
    if (at<std::uint32_t>(rest, 8) != masked_crc32c(rest.substr(0, 8))) {
      // A crash of the machine can leave the file longer than what came to disk, with zeros at its end.
      if (rest.find_first_not_of('\0') == rest.npos) break;
      file.fail(0, fmt::format("expected a record at byte {}, got a length whose check fails", offset));
    }
    if (length > rest.size() - kHead || rest.size() - kHead - length < kTail) break;
    const std::string_view bytes = rest.substr(kHead, length);
    const std::size_t size = kHead + length + kTail;
    if (at<std::uint32_t>(rest, kHead + length) != masked_crc32c(bytes)) {
      if (rest.substr(size).find_first_not_of('\0') == rest.npos) break;
      file.fail(0, fmt::format("expected a record at byte {}, got bytes whose check fails", offset));
    }
    records.push_back({rest.substr(0, size), bytes, offset});
    offset += size;
  }
  return records;
}

}  // namespace unroll::detail
