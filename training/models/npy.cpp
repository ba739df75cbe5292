#include "training/models/npy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "framework/atomic_file.hpp"
#include "framework/element_types.hpp"
#include "framework/errors.hpp"
#include "framework/input_file.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"

namespace unroll {

namespace detail {

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

// What NumPy's other element types are called, by the letter of their kind.
struct Kind {
  char letter;
  const char* name;
};
constexpr std::array<Kind, 12> kKinds{{{'O', "pickled objects, which can run any code"},
                                       {'S', "byte strings"},
                                       {'a', "byte strings"},
                                       {'U', "text"},
                                       {'M', "dates"},
                                       {'m', "time spans"},
                                       {'V', "raw bytes"},
                                       {'c', "complex numbers"},
                                       {'f', "floats of another size"},
                                       {'i', "whole numbers of another size"},
                                       {'u', "whole numbers of another size"},
                                       {'b', "booleans of another size"}}};

// "text (<U5)", or "" for what is no element type of NumPy's.
std::string unreadable_type(std::string_view descr, std::string_view type) {
  const auto* kind = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const Kind& k) { return !type.empty() && type[0] == k.letter; });
  if (kind == kKinds.end() || type.size() > 24) return "";
  const auto digits = type.find_first_not_of("0123456789", 1);
  // Behind the size only dates have something: their unit.
  const bool unit = (kind->letter == 'M' || kind->letter == 'm') && digits != type.npos &&
                    type[digits] == '[' && type.back() == ']';
  if (digits != type.npos && !unit) return "";
  if (type == "f16" || type == "f12") return fmt::format("long doubles ({})", escaped(descr));
  return fmt::format("{} ({})", kind->name, escaped(descr));
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
      const std::string_view key = quoted_text("a key");
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
    fail(source_, fmt::format("header: expected {}, got {} at byte {} of {}", what, quoted(rest_, 40),
                              all_.size() - rest_.size(), quoted(all_, 40)));
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

  std::string_view quoted_text(const char* what) {
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
    if (rest_.starts_with('[')) {
      skip_list();
      info.dtype = Dtype::other;
      info.unreadable = "records";
      return;
    }
    const std::string_view descr = quoted_text("an element type");
    const std::string_view order = descr.substr(0, std::min(descr.size(), descr.find_first_not_of("<>|=")));
    const std::string_view type = descr.substr(order.size());
    const auto* found =
        std::find_if(kDescrs.begin(), kDescrs.end(), [&](const Descr& d) { return d.name == type; });
    const bool known = found != kDescrs.end();
    const bool single = known && size_of(found->dtype) == 1;
    // "|" says that the order of bytes does not matter, so of numbers it stands at single bytes only.
    if (!known && order.size() <= 1) info.unreadable = unreadable_type(descr, type);
    if (order.size() > 1 || (known ? order == "|" && !single : info.unreadable.empty())) {
      fail(source_, fmt::format("element type: expected one of b1, i1 .. i8, u1 .. u8, f2, f4 and f8 with "
                                "'<', '>' or '|' before it, got {}",
                                quoted(descr)));
    }
    info.dtype = known ? found->dtype : Dtype::other;
    info.big_endian = known && order == ">" && !single;
  }

  // Records: a Python list of tuples, whose nesting is counted only.
  void skip_list() {
    std::size_t depth = 0;
    do {
      skip_space();
      if (rest_.empty()) wanted("the end of a list of records");
      const char c = rest_.front();
      if (c == '\'' || c == '"') {
        quoted_text("a name");
        continue;
      }
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
      rest_.remove_prefix(1);
    } while (depth > 0);
  }

  bool read_bool() {
    if (take("True")) return true;
    if (!take("False")) wanted("True or False");
    return false;
  }

  void read_shape(TensorInfo& info) {
    expect("(");
    std::size_t axes = 0;
    while (!take(")")) {
      skip_space();
      const auto size = take_number<std::size_t>(rest_);
      if (!size) wanted("sizes >= 0 that memory can hold");
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2 wrote it
      if (++axes <= kMaxRank) info.shape.push_back(*size);
      if (take(",")) continue;
      if (axes == 1) wanted("a comma after the only size");
      expect(")");
      break;
    }
    if (axes > kMaxRank) {
      info.shape.clear();
      info.unreadable = fmt::format("{} axes (at most {} are read)", axes, kMaxRank);
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
    fail(source, "expected an npy file (\"\\x93NUMPY\" at its start), got another");
  }
  const int major = static_cast<unsigned char>(start[6]), minor = static_cast<unsigned char>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    fail(source, fmt::format("expected version 1.0, 2.0 or 3.0 of the npy format, got {}.{}", major, minor));
  }
  std::array<unsigned char, 4> length{};
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  source.next(length.data(), length_bytes);
  std::size_t size = 0;
  for (std::size_t i = length_bytes; i-- > 0;) size = size << 8 | length[i];
  if (size > kLargestHeader) {
    fail(source, fmt::format("expected a header of at most {} bytes, got {}", kLargestHeader, size));
  }
  std::string text(size, '\0');
  source.next(text.data(), text.size());

  NpyHeader header{Parser(source, text).parse(), start.size() + length_bytes + size, 0};
  if (!header.info.unreadable.empty()) return header;
  const auto bytes = element_bytes(header.info.dtype, header.info.shape);
  if (!bytes) {
    fail(source,
         fmt::format("shape: expected a size that memory can hold, got {}", to_string(header.info.shape)));
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

}  // namespace detail

namespace {

class NpyFile final : public TensorFile {
 public:
  NpyFile(const std::string& path, const std::string& function)
      : TensorFile(path, function), file_(path, function) {
    const std::string kind = file_.kind();
    if (!kind.empty() && kind != "a NumPy .npy file") fail(fmt::format("expected an npy file, got {}", kind));
    detail::NpyHeader header = detail::read_npy_header(
        {[this](void* to, std::size_t bytes) { next(to, bytes); }, [this](const auto& what) { fail(what); }});
    header_ = header.bytes;
    if (header.info.unreadable.empty() && file_.size() - header_ != header.elements) {
      fail(fmt::format("expected {} bytes after the header for {} {}, got {}{}", header.elements,
                       to_string(header.info.dtype), to_string(header.info.shape), file_.size() - header_,
                       file_.size() - header_ < header.elements ? " (truncated?)" : ""));
    }
    add(std::move(header.info));
  }

 private:
  void begin(std::size_t) override { at_ = header_; }
  void next(void* to, std::size_t bytes) override {
    file_.read(at_, to, bytes);
    at_ += bytes;
  }

  InputFile file_;
  std::uint64_t header_ = 0, at_ = 0;
};

}  // namespace

std::unique_ptr<TensorFile> open_npy(const std::string& path, const std::string& function) {
  return std::make_unique<NpyFile>(path, function);
}

template <class S>
Tensor<S> load_npy(const std::string& path, Rounding rounding) {
  return NpyFile(path, "load_npy").read<S>("", rounding);
}

template <class S>
void save_npy(const std::string& path, const Tensor<S>& tensor) {
  const std::string header = detail::npy_header(dtype_of<S>(), tensor.shape());
  AtomicFile file(path, "save_npy");
  file.write(header.data(), header.size());
  file.write(tensor.data(), tensor.size() * sizeof(S));
  file.commit();
}

#define UNROLL_INSTANTIATE(S)                                \
  template Tensor<S> load_npy(const std::string&, Rounding); \
  template void save_npy(const std::string&, const Tensor<S>&);
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
