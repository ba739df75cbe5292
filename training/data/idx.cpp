#include "training/data/idx.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <vector>

#include "framework/errors.hpp"
#include "framework/input_file.hpp"
#include "framework/tensor_file.hpp"

namespace unroll {
namespace {

struct ElementType {
  unsigned code;
  const char* name;
  Dtype dtype;
};

constexpr std::array<ElementType, 6> kTypes{{{0x08, "u8", Dtype::u8},
                                             {0x09, "i8", Dtype::i8},
                                             {0x0B, "i16", Dtype::i16},
                                             {0x0C, "i32", Dtype::i32},
                                             {0x0D, "f32", Dtype::f32},
                                             {0x0E, "f64", Dtype::f64}}};

constexpr std::size_t kBlock = std::size_t{1}
                               << 16;  // bytes read at a time; a multiple of every element's size

// The file's bytes one after the other, unpacked where they begin as a gzip stream does. Not zlib's gzread,
// which ignores what follows the compressed data.
class Reader {
 public:
  explicit Reader(const std::string& path) : file_(path, "read_idx"), input_(kBlock) {
    refill();
    if (!at_gzip()) return;
    constexpr int kGzip = 16;  // and no other format
    if (::inflateInit2(&stream_, MAX_WBITS + kGzip) != Z_OK)
      throw MemoryError("[read_idx] not enough memory for zlib");
    compressed_ = true;
  }
  ~Reader() {
    if (compressed_) ::inflateEnd(&stream_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool compressed() const noexcept { return compressed_; }
  std::uint64_t file_size() const noexcept { return file_.size(); }
  std::string kind() const { return file_.kind(); }
  // Bytes still to come where the file says it: where it is not compressed.
  std::uint64_t rest() const noexcept { return file_.size() - read_ + stream_.avail_in; }

  // At most `count` bytes; fewer only where the data ends.
  std::size_t read(unsigned char* to, std::size_t count) {
    std::size_t done = 0;
    while (done < count && !ended_) {
      if (stream_.avail_in == 0) refill();
      if (compressed_) {
        done += unpack(to + done, count - done);
      } else {
        const std::size_t got = std::min<std::size_t>(count - done, stream_.avail_in);
        std::copy_n(stream_.next_in, got, to + done);
        take(got);
        done += got;
        ended_ = got == 0;
      }
    }
    return done;
  }

  [[noreturn]] void fail(const std::string& what) const { file_.fail(what); }

 private:
  void refill() {
    // What is left is moved to the front: a gzip stream is told by two bytes, which may be in two blocks.
    std::copy_n(stream_.next_in, stream_.avail_in, input_.data());
    const auto more =
        static_cast<std::size_t>(std::min<std::uint64_t>(kBlock - stream_.avail_in, file_.size() - read_));
    file_.read(read_, input_.data() + stream_.avail_in, more);
    read_ += more;
    stream_.next_in = input_.data();
    stream_.avail_in += static_cast<unsigned>(more);
  }

  void take(std::size_t bytes) noexcept {
    stream_.next_in += bytes;
    stream_.avail_in -= static_cast<unsigned>(bytes);
  }

  bool at_gzip() {
    if (stream_.avail_in < 2) refill();
    return stream_.avail_in >= 2 && stream_.next_in[0] == 0x1f && stream_.next_in[1] == 0x8b;
  }

  std::size_t unpack(unsigned char* to, std::size_t count) {
    const auto want = static_cast<unsigned>(std::min<std::size_t>(count, kBlock));
    stream_.next_out = to;
    stream_.avail_out = want;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      // Several streams end to end are one, as gzip has it.
      ended_ = !at_gzip();
      if (!ended_) ::inflateReset(&stream_);
      if (ended_ && rest() > 0) {
        fail(
            fmt::format("expected the end of the file after the compressed data, got {} bytes more", rest()));
      }
    } else if (status == Z_BUF_ERROR) {
      fail("expected whole data, got: unexpected end of file");
    } else if (status != Z_OK) {
      fail(fmt::format("expected whole data, got: {}", stream_.msg ? stream_.msg : "damaged data"));
    }
    return want - stream_.avail_out;
  }

  InputFile file_;
  std::vector<unsigned char> input_;
  std::uint64_t read_ = 0;  // bytes of the file that are or were in input_
  z_stream stream_{};
  bool compressed_ = false, ended_ = false;
};

struct Header {
  ElementType type;
  Shape shape;
  std::size_t bytes;  // of the elements
};

Header read_header(Reader& reader) {
  std::array<unsigned char, 4> magic{};
  if (reader.read(magic.data(), magic.size()) < magic.size() || magic[0] != 0 || magic[1] != 0) {
    const std::string kind = reader.compressed() ? "" : reader.kind();
    reader.fail(fmt::format("expected an IDX file (two bytes 0, a type, a number of axes), got {}",
                            kind.empty() ? "something else" : kind));
  }
  const auto* type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.code == magic[2]; });
  if (type == kTypes.end()) {
    reader.fail(fmt::format("expected an element type 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e, got 0x{:02x}",
                            static_cast<unsigned>(magic[2])));
  }
  const std::size_t rank = magic[3];
  if (rank < 1 || rank > kMaxRank) reader.fail(fmt::format("expected 1..{} axes, got {}", kMaxRank, rank));
  std::array<unsigned char, 4 * kMaxRank> sizes{};
  if (reader.read(sizes.data(), 4 * rank) < 4 * rank)
    reader.fail(fmt::format("expected the sizes of {} axes, got the end of the file", rank));
  Header header{*type, {}, 0};
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | sizes[4 * axis + i];
    header.shape.push_back(size);
  }
  const auto bytes = detail::element_bytes(type->dtype, header.shape);
  if (!bytes) reader.fail(fmt::format("expected sizes that fit memory, got {}", to_string(header.shape)));
  header.bytes = *bytes;
  return header;
}

// Before memory is asked for: whether the file can hold what its header says.
template <class S>
void check_size(const Reader& reader, const Header& header, const UnpackOptions& options) {
  const auto says =
      fmt::format("{} bytes of elements ({} of {})", header.bytes, header.type.name, to_string(header.shape));
  const auto bytes = detail::element_bytes(dtype_of<S>(), header.shape);
  const std::uint64_t limit = detail::unpack_limit(options, reader.file_size());
  if (!bytes || (reader.compressed() && *bytes > limit)) {
    reader.fail(fmt::format(
        "expected at most {} bytes in memory from a compressed file of {}, got {} (.max_bytes allows more)",
        limit, reader.file_size(), says));
  }
  if (reader.compressed()) return;
  if (reader.rest() < header.bytes) reader.fail(fmt::format("expected {}, got {}", says, reader.rest()));
  if (reader.rest() > header.bytes)
    reader.fail(fmt::format("expected the end of the file after {}, got more", says));
}

}  // namespace

template <class S>
Tensor<S> read_idx(const std::string& path, const UnpackOptions& options) {
  Reader reader(path);
  const Header header = read_header(reader);
  if (!readable_as<S>(header.type.dtype)) {
    reader.fail(fmt::format("expected elements that a {} holds, got {}",
                            std::integral<S>          ? "64-bit integer"
                            : std::same_as<S, double> ? "double"
                                                      : "float",
                            header.type.name));
  }
  check_size<S>(reader, header, options);
  Tensor<S> result(header.shape);
  const std::size_t size = size_of(header.type.dtype);
  std::vector<unsigned char> block(kBlock);
  for (std::size_t done = 0; done < header.bytes;) {
    const std::size_t want = std::min(kBlock, header.bytes - done);
    const std::size_t got = reader.read(block.data(), want);
    if (got < want) {
      reader.fail(fmt::format("expected {} bytes of elements ({} of {}), got {}", header.bytes,
                              header.type.name, to_string(header.shape), done + got));
    }
    for (std::size_t at = 0; at < want; at += size) std::reverse(&block[at], &block[at] + size);
    detail::decode(header.type.dtype, block.data(), want / size, result.data() + done / size);
    done += want;
  }
  // Reading on also checks the sum at the end of compressed data.
  if (reader.read(block.data(), 1) != 0) {
    reader.fail(fmt::format("expected the end of the file after {} bytes of elements ({} of {}), got more",
                            header.bytes, header.type.name, to_string(header.shape)));
  }
  return result;
}

template Tensor<float> read_idx<float>(const std::string&, const UnpackOptions&);
template Tensor<double> read_idx<double>(const std::string&, const UnpackOptions&);
template Tensor<std::int64_t> read_idx<std::int64_t>(const std::string&, const UnpackOptions&);

}  // namespace unroll
