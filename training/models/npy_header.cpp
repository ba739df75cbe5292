#include "training/models/npy_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "framework/errors.hpp"

namespace unroll::detail {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kLargestHeader = std::size_t{1} << 20;  // far more than a plain array's can be
constexpr std::size_t kAlignment = 64;

struct Descr {
  std::string_view name;  // kind and size
  Dtype dtype;
};
constexpr std::array<Descr, 12> kDescrs{{{"b1", Dtype::boolean},
                                         {"u1", Dtype::u8},
                                         {"i1", Dtype::i8},
                                         {"u2", Dtype::u16},
                                         {"i2", Dtype::i16},
                                         {"u4", Dtype::u32},
                                         {"i4", Dtype::i32},
                                         {"u8", Dtype::u64},
                                         {"i8", Dtype::i64},
                                         {"f2", Dtype::f16},
                                         {"f4", Dtype::f32},
                                         {"f8", Dtype::f64}}};

// What fail() of a source does, for the compiler to know.
[[noreturn]] void fail(const NpySource& source, const std::string& what) {
  source.fail(what);
  throw FileError(what);
}

// The text as an error message may show it.
std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 60)) result += c >= ' ' && c <= '~' ? c : '?';
  return result + (text.size() > 60 ? "..." : "");
}

// Reads the Python dict of a header. Only what NumPy writes for plain arrays is known.
class Parser {
 public:
  Parser(const NpySource& source, std::string_view text) : source_(source), all_(text), rest_(text) {}

  TensorInfo parse() {
    TensorInfo info;
    bool descr = false, order = false, shape = false;
    expect("{");
    while (!take("}")) {
      const std::string_view key = quoted("a key");
      expect(":");
      if (key == "descr" && !descr) {
        descr = true;
        read_descr(info);
      } else if (key == "fortran_order" && !order) {
        order = true;
        info.column_major = read_bool();
      } else if (key == "shape" && !shape) {
        shape = true;
        read_shape(info);
      } else {
        wanted("the keys descr, fortran_order and shape, each once");
      }
      if (!take(",")) {
        expect("}");
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) wanted("nothing after the closing brace");
    if (!descr || !order || !shape) wanted("the keys descr, fortran_order and shape");
    return info;
  }

 private:
  [[noreturn]] void wanted(const std::string& what) const {
    fail(source_, fmt::format("header want {}, got \"{}\" at byte {} of \"{}\"", what, shown(rest_),
                              all_.size() - rest_.size(), shown(all_)));
  }
  void skip_space() {
    const auto end = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
  }
  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) wanted(fmt::format("'{}'", token));
  }

  std::string_view quoted(const char* what) {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    const auto end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) wanted(fmt::format("{} in quotes", what));
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  void read_descr(TensorInfo& info) {
    skip_space();
    if (rest_.starts_with('[')) wanted("one element type (arrays of records are not read)");
    const std::string_view descr = quoted("an element type");
    const std::string_view order = descr.substr(0, descr.find_first_not_of("<>|="));
    const auto* found = std::find_if(kDescrs.begin(), kDescrs.end(),
                                     [&](const Descr& d) { return d.name == descr.substr(order.size()); });
    const bool single = found != kDescrs.end() && size_of(found->dtype) == 1;
    // "|" says that the order of bytes does not matter, so it stands at single bytes only.
    if (found == kDescrs.end() || order.size() > 1 || (order == "|" && !single)) {
      fail(source_, fmt::format("element type want one of b1, i1 .. i8, u1 .. u8, f2, f4 and f8 with '<', "
                                "'>' or '|' before it, got '{}'{}",
                                shown(descr),
                                descr.substr(order.size()).starts_with('O')
                                    ? " (pickled objects can run any code and are not read)"
                                    : ""));
    }
    info.dtype = found->dtype;
    info.big_endian = order == ">" && !single;
  }

  bool read_bool() {
    if (take("True")) return true;
    if (!take("False")) wanted("True or False");
    return false;
  }

  void read_shape(TensorInfo& info) {
    expect("(");
    while (!take(")")) {
      skip_space();
      std::size_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc()) wanted("sizes >= 0 that memory can hold");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2 wrote it
      if (info.shape.size() == kMaxRank) wanted(fmt::format("at most {} axes", kMaxRank));
      info.shape.push_back(size);
      if (take(",")) continue;
      if (info.shape.size() == 1) wanted("a comma after the only size");
      expect(")");
      break;
    }
  }

  const NpySource& source_;
  std::string_view all_, rest_;
};

}  // namespace

NpyHeader read_npy_header(const NpySource& source) {
  std::array<char, 8> start{};
  source.next(start.data(), start.size());
  if (std::string_view(start.data(), kMagic.size()) != kMagic) {
    fail(source, "want an npy file (\"\\x93NUMPY\" at its start), got another");
  }
  const int major = static_cast<unsigned char>(start[6]), minor = static_cast<unsigned char>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    fail(source, fmt::format("want version 1.0, 2.0 or 3.0 of the npy format, got {}.{}", major, minor));
  }
  std::array<unsigned char, 4> length{};
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  source.next(length.data(), length_bytes);
  std::size_t size = 0;
  for (std::size_t i = length_bytes; i-- > 0;) size = size << 8 | length[i];
  if (size > kLargestHeader) {
    fail(source, fmt::format("want a header of at most {} bytes, got {}", kLargestHeader, size));
  }
  std::string text(size, '\0');
  source.next(text.data(), text.size());

  NpyHeader header{Parser(source, text).parse(), start.size() + length_bytes + size, 0};
  const auto bytes = element_bytes(header.info.dtype, header.info.shape);
  if (!bytes) {
    fail(source, fmt::format("shape want a size that memory can hold, got {}", to_string(header.info.shape)));
  }
  header.elements = *bytes;
  return header;
}

std::string npy_header(Dtype dtype, const Shape& shape) {
  const auto* found =
      std::find_if(kDescrs.begin(), kDescrs.end(), [&](const Descr& d) { return d.dtype == dtype; });
  std::string sizes;
  for (const std::size_t n : shape) sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", n);
  if (shape.size() == 1) sizes += ',';
  std::string text = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                 size_of(dtype) == 1 ? '|' : '<', found->name, sizes);
  const std::size_t start = kMagic.size() + 4;  // with version and length
  text.append(kAlignment - 1 - (start + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string header(kMagic);
  header += {'\1', '\0', static_cast<char>(text.size() & 0xffU), static_cast<char>(text.size() >> 8)};
  return header + text;
}

}  // namespace unroll::detail
