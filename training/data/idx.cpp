#include "training/data/idx.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "framework/errors.hpp"
#include "training/data/file_text.hpp"

namespace unroll {
namespace {

enum class Kind { integer, real };

struct ElementType {
  unsigned code;
  const char* name;
  Kind kind;
  std::size_t bytes;
};

constexpr std::array<ElementType, 6> kTypes{{{0x08, "u8", Kind::integer, 1},
                                             {0x09, "i8", Kind::integer, 1},
                                             {0x0B, "i16", Kind::integer, 2},
                                             {0x0C, "i32", Kind::integer, 4},
                                             {0x0D, "f32", Kind::real, 4},
                                             {0x0E, "f64", Kind::real, 8}}};

// Whether S holds every value of the type.
template <class S>
bool holds(const ElementType& type) {
  if (std::integral<S>) return type.kind == Kind::integer;
  if (std::same_as<S, double>) return true;
  return type.kind == Kind::integer ? type.bytes < 4 : type.bytes == 4;
}

// The file's bytes, after decompression where they begin as a gzip stream does.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {
    try {
      file_ = detail::read_bytes(path);
    } catch (const FileError& error) {
      throw FileError(fmt::format("[read_idx] {}", error.what()));
    }
    stream_.next_in = reinterpret_cast<unsigned char*>(file_.data());
    stream_.avail_in = static_cast<unsigned>(file_.size());
    if (file_.size() > std::numeric_limits<unsigned>::max()) fail("want a file of less than 4 GiB, got more");
    if (!at_gzip()) return;
    constexpr int kGzip = 16;  // and no other format
    if (::inflateInit2(&stream_, MAX_WBITS + kGzip) != Z_OK) throw std::bad_alloc();
    compressed_ = true;
  }
  ~Reader() {
    if (compressed_) ::inflateEnd(&stream_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // At most `count` bytes; fewer only where the file ends.
  std::vector<unsigned char> read(std::size_t count) {
    // What a header claims is only believed as far as the file goes.
    constexpr std::size_t kBlock = std::size_t{1} << 24;
    std::vector<unsigned char> bytes;
    while (bytes.size() < count) {
      const std::size_t begin = bytes.size(), want = std::min(kBlock, count - begin);
      bytes.resize(begin + want);
      const std::size_t got = fill(bytes.data() + begin, want);
      bytes.resize(begin + got);
      if (got < want) break;
    }
    return bytes;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(fmt::format("[read_idx] {}: {}", path_, what));
  }

 private:
  bool at_gzip() const {
    return stream_.avail_in >= 2 && stream_.next_in[0] == 0x1f && stream_.next_in[1] == 0x8b;
  }

  std::size_t fill(unsigned char* to, std::size_t count) {
    if (!compressed_) {
      const std::size_t got = std::min<std::size_t>(count, stream_.avail_in);
      std::copy_n(stream_.next_in, got, to);
      stream_.next_in += got;
      stream_.avail_in -= static_cast<unsigned>(got);
      return got;
    }
    stream_.next_out = to;
    stream_.avail_out = static_cast<unsigned>(count);
    while (stream_.avail_out > 0 && !ended_) {
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        // Several streams end to end are one, as gzip has it.
        ended_ = !at_gzip();
        if (!ended_) ::inflateReset(&stream_);
      } else if (status == Z_BUF_ERROR) {
        fail("want whole data, got: unexpected end of file");
      } else if (status != Z_OK) {
        fail(fmt::format("want whole data, got: {}", stream_.msg ? stream_.msg : "damaged data"));
      }
    }
    if (ended_ && stream_.avail_in > 0) {
      fail(fmt::format("want the end of the file after the compressed data, got {} bytes more",
                       stream_.avail_in));
    }
    return count - stream_.avail_out;
  }

  const std::string& path_;
  std::string file_;
  z_stream stream_{};
  bool compressed_ = false, ended_ = false;
};

struct Header {
  ElementType type;
  Shape shape;
};

Header read_header(Reader& reader) {
  const auto magic = reader.read(4);
  if (magic.size() < 4 || magic[0] != 0 || magic[1] != 0)
    reader.fail("want an IDX file (two bytes 0, a type, a number of axes), got something else");
  const auto type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.code == magic[2]; });
  if (type == kTypes.end()) {
    reader.fail(fmt::format("want an element type 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e, got 0x{:02x}",
                            static_cast<unsigned>(magic[2])));
  }
  const std::size_t rank = magic[3];
  if (rank < 1 || rank > kMaxRank) reader.fail(fmt::format("want 1..{} axes, got {}", kMaxRank, rank));
  const auto sizes = reader.read(4 * rank);
  if (sizes.size() < 4 * rank)
    reader.fail(fmt::format("want the sizes of {} axes, got the end of the file", rank));
  Header header{*type, {}};
  std::size_t count = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | sizes[4 * axis + i];
    constexpr std::size_t kMost = std::numeric_limits<std::ptrdiff_t>::max() / 8;
    if (size != 0 && count > kMost / size) reader.fail("want a size that fits memory, got more");
    count *= size;
    header.shape.push_back(size);
  }
  return header;
}

// A big-endian element of this many bytes.
template <class T, class Bits>
T element(const unsigned char* from) {
  Bits bits = 0;
  for (std::size_t i = 0; i < sizeof(Bits); ++i) bits = static_cast<Bits>(bits << 8 | from[i]);
  return std::bit_cast<T>(bits);
}

template <class T, class Bits, class S>
void convert(const std::vector<unsigned char>& bytes, Tensor<S>& to) {
  for (std::size_t i = 0; i < to.size(); ++i)
    to.data()[i] = static_cast<S>(element<T, Bits>(bytes.data() + i * sizeof(Bits)));
}

}  // namespace

template <class S>
Tensor<S> read_idx(const std::string& path) {
  Reader reader(path);
  const Header header = read_header(reader);
  if (!holds<S>(header.type)) {
    reader.fail(fmt::format("want elements that a {} holds, got {}",
                            std::integral<S>          ? "64-bit integer"
                            : std::same_as<S, double> ? "double"
                                                      : "float",
                            header.type.name));
  }
  const std::size_t bytes = element_count(header.shape) * header.type.bytes;
  const auto data = reader.read(bytes);
  if (data.size() < bytes) {
    reader.fail(fmt::format("want {} bytes of elements ({} of {}), got {}", bytes, header.type.name,
                            to_string(header.shape), data.size()));
  }
  // Reading on also checks the sum at the end of compressed data.
  if (!reader.read(1).empty()) {
    reader.fail(fmt::format("want the end of the file after {} bytes of elements ({} of {}), got more", bytes,
                            header.type.name, to_string(header.shape)));
  }
  Tensor<S> result(header.shape);
  switch (header.type.code) {
    case 0x08:
      convert<std::uint8_t, std::uint8_t>(data, result);
      break;
    case 0x09:
      convert<std::int8_t, std::uint8_t>(data, result);
      break;
    case 0x0B:
      convert<std::int16_t, std::uint16_t>(data, result);
      break;
    case 0x0C:
      convert<std::int32_t, std::uint32_t>(data, result);
      break;
    case 0x0D:
      convert<float, std::uint32_t>(data, result);
      break;
    default:
      convert<double, std::uint64_t>(data, result);
  }
  return result;
}

template Tensor<float> read_idx<float>(const std::string&);
template Tensor<double> read_idx<double>(const std::string&);
template Tensor<std::int64_t> read_idx<std::int64_t>(const std::string&);

}  // namespace unroll
