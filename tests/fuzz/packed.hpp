// Compressed files by hand: a gigabyte in a megabyte, and archives that say what is not so.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace unroll::hostile {

// A number in so many bytes, little-endian.
inline std::string little(std::uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, number >>= 8) text += static_cast<char>(static_cast<unsigned char>(number));
  return text;
}
inline std::string big(std::uint64_t number, int bytes) {
  const std::string text = little(number, bytes);
  return {text.rbegin(), text.rend()};
}

// A deflate stream. What is there many times is compressed once, so that a bomb is made in no time.
class Deflated {
 public:
  Deflated() = default;
  explicit Deflated(const std::string& text) { add(text); }

  Deflated& add(const std::string& text, std::size_t times = 1) {
    const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
    z_stream stream{};
    ::deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    std::string packed(::deflateBound(&stream, static_cast<uLong>(text.size())) + 16, '\0');
    stream.next_in = const_cast<Bytef*>(bytes);
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    ::deflate(&stream, Z_FULL_FLUSH);  // ends on a whole byte and refers to nothing before it
    packed.resize(stream.total_out);
    ::deflateEnd(&stream);
    const auto length = static_cast<z_off_t>(text.size());
    const uLong crc = ::crc32(0, bytes, static_cast<uInt>(text.size()));
    for (std::size_t i = 0; i < times; ++i) {
      stream_ += packed;
      crc_ = ::crc32_combine(crc_, crc, length);
      size_ += text.size();
    }
    return *this;
  }
  std::string bytes() const { return stream_ + std::string("\3\0", 2); }  // an empty last block
  std::uint64_t size() const { return size_; }                            // unpacked
  std::uint64_t crc() const { return crc_; }

 private:
  std::string stream_;
  uLong crc_ = 0;
  std::uint64_t size_ = 0;
};

inline std::string gzip(const Deflated& text) {
  return std::string("\x1f\x8b\x08\0\0\0\0\0\2\xff", 10) + text.bytes() + little(text.crc(), 4) +
         little(text.size(), 4);
}

// A zip archive's member; what it says of itself can be set apart from what it is.
struct Member {
  std::string name, packed;
  std::uint64_t size = 0, crc = 0;
  int method = 0;          // 8: deflated
  bool as_before = false;  // its bytes are those of the member before

  static Member stored(std::string name, std::string bytes) {
    const auto crc =
        ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    const std::uint64_t size = bytes.size();
    return {std::move(name), std::move(bytes), size, crc};
  }
  static Member deflated(std::string name, const Deflated& text) {
    return {std::move(name), text.bytes(), text.size(), text.crc(), 8};
  }
};

// count: what the end says of the number of members; -1: the truth.
inline std::string zip(const std::vector<Member>& members, int count = -1) {
  std::string file, directory;
  std::size_t offset = 0;
  for (const Member& m : members) {
    const std::string both = little(20, 2) + little(0, 2) + little(static_cast<unsigned>(m.method), 2) +
                             little(0, 4) + little(m.crc, 4) + little(m.packed.size(), 4) +
                             little(m.size, 4) + little(m.name.size(), 2) + little(0, 2);
    if (!m.as_before) {
      offset = file.size();
      file += "PK\3\4" + both + m.name + m.packed;
    }
    directory += "PK\1\2" + little(20, 2) + both + little(0, 10) + little(offset, 4) + m.name;
  }
  const std::uint64_t said = count < 0 ? members.size() : static_cast<std::uint64_t>(count);
  return file + directory + "PK\5\6" + little(0, 4) + little(said, 2) + little(said, 2) +
         little(directory.size(), 4) + little(file.size(), 4) + little(0, 2);
}

}  // namespace unroll::hostile
