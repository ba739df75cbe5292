// Reads the safetensors format: checks every rule of it before it reads an element.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "framework/errors.hpp"
#include "framework/file_kind.hpp"
#include "framework/input_file.hpp"
#include "framework/json_events.hpp"
#include "framework/quoted.hpp"
#include "framework/safetensors_format.hpp"
#include "framework/tensor_file.hpp"

namespace unroll {
namespace {

using detail::safetensors::kLargestHeader;
using detail::safetensors::kMetadata;
using detail::safetensors::kPrefix;

// A tensor's entry in the header.
struct Entry {
  TensorInfo info;
  std::string type = {};  // "F32"
  std::vector<std::uint64_t> shape = {}, offsets = {};
  bool has_type = false, has_shape = false, has_offsets = false;
  std::uint64_t begin = 0, end = 0;  // bytes after the header
};

// Whether a word may be the name of a type, including types newer than this reader.
bool is_type_name(const std::string& word) {
  constexpr std::size_t kLongest = 24;
  return !word.empty() && word.size() <= kLongest && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Parses the header as a stream, so that time and memory grow only with its length.
class HeaderReader final : public detail::JsonEvents {
 public:
  // data: bytes after the header.
  HeaderReader(const InputFile& file, std::uint64_t data) : file_(file), data_(data) {}

  void read(const std::string& text) { parse(text); }

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

 private:
  // The place in the header: outside, among its names, in the metadata, in an entry, or in a list of an
  // entry.
  enum class Place { outside, header, metadata, entry, list };
  using Numbers = std::vector<std::uint64_t>;

  bool begin(bool list) override {
    switch (place_) {
      case Place::outside:
        place_ = Place::header;  // the text begins with '{'
        return true;
      case Place::header:
        if (list) wanted_entry("a list");
        place_ = name_ == kMetadata ? Place::metadata : Place::entry;
        entry_ = {};
        entry_.info.name = name_;
        return true;
      case Place::metadata:
        file_.fail(fmt::format("{} {}: expected a string, got {}", kMetadata, quoted(key_),
                               list ? "a list" : "an object"));
      case Place::entry:
        if (!list || key_ == "dtype") wanted(list ? "a list" : "an object");
        place_ = Place::list;
        return true;
      case Place::list:
        file_.fail(fmt::format("{} {}: expected whole numbers >= 0, got {}", tensor(), key_,
                               list ? "a list" : "an object"));
    }
    return false;
  }

  bool end() override {
    if (place_ == Place::list) {
      place_ = Place::entry;
    } else if (place_ == Place::header) {
      place_ = Place::outside;
    } else {
      if (place_ == Place::entry) finish_entry();
      place_ = Place::header;
    }
    return true;
  }

  bool name(std::string& name) override {
    if (place_ != Place::header) {
      key_ = std::move(name);
      if (place_ == Place::entry) begin_field();
      return true;
    }
    name_ = std::move(name);
    if (!names_.insert(name_).second) twice(name_);
    return true;
  }

  bool value(const Value& value) override {
    switch (place_) {
      case Place::outside:
        break;
      case Place::header:
        wanted_entry(value.shown());
      case Place::metadata:
        if (value.kind != Value::text) {
          file_.fail(
              fmt::format("{} {}: expected a string, got {}", kMetadata, quoted(key_), value.kind_name()));
        }
        if (!metadata.emplace(key_, std::move(*value.string)).second) twice(key_);
        break;
      case Place::entry:
        if (key_ != "dtype" || value.kind != Value::text || !is_type_name(*value.string))
          wanted(value.shown());
        entry_.type = std::move(*value.string);
        break;
      case Place::list:
        if (value.kind != Value::natural) {
          file_.fail(
              fmt::format("{} {}: expected whole numbers >= 0, got {}", tensor(), key_, value.shown()));
        }
        add_number(value.number);
    }
    return true;
  }

  bool broken(const std::string& what) override {
    file_.fail(fmt::format("expected JSON as header, got: {}", what));
  }

  void begin_field() {
    bool* const seen = key_ == "dtype"          ? &entry_.has_type
                       : key_ == "shape"        ? &entry_.has_shape
                       : key_ == "data_offsets" ? &entry_.has_offsets
                                                : nullptr;
    if (seen == nullptr) wanted_entry(quoted(key_) + " as well");
    if (std::exchange(*seen, true)) twice(key_);
  }

  void add_number(std::uint64_t number) {
    // Longer shapes than any format allows need not be kept.
    constexpr std::size_t kMostAxes = 64;
    Numbers& list = key_ == "shape" ? entry_.shape : entry_.offsets;
    if (key_ == "shape" && list.size() == kMostAxes) wanted(fmt::format("more than {}", kMostAxes));
    if (key_ != "shape" && list.size() == 2) wanted("more");
    list.push_back(number);
  }

  void finish_entry() {
    if (!entry_.has_type || !entry_.has_shape || !entry_.has_offsets) wanted_entry("less");
    if (entry_.offsets.size() != 2) {
      key_ = "data_offsets";
      wanted(fmt::format("{} numbers", entry_.offsets.size()));
    }
    entry_.begin = entry_.offsets[0];
    entry_.end = entry_.offsets[1];
    if (entry_.begin > entry_.end || entry_.end > data_) {
      file_.fail(
          fmt::format("{} data_offsets: expected begin <= end <= {} (the bytes after the header), got [{}, "
                      "{}] (truncated?)",
                      tensor(), data_, entry_.begin, entry_.end));
    }
    const auto dtype = dtype_of_name(entry_.type);
    TensorInfo& info = entry_.info;
    info.dtype = dtype.value_or(Dtype::other);
    if (entry_.shape.size() <= kMaxRank) info.shape.assign(entry_.shape.begin(), entry_.shape.end());
    if (!dtype) {
      info.unreadable = entry_.type;
    } else if (entry_.shape.size() > kMaxRank) {
      info.unreadable = fmt::format("{} axes (at most {} are read)", entry_.shape.size(), kMaxRank);
    } else {
      check_bytes(*dtype, info.shape);
    }
    entries.push_back(std::move(entry_));
  }

  void check_bytes(Dtype dtype, const Shape& shape) const {
    const auto bytes = detail::element_bytes(dtype, shape);
    if (!bytes) {
      file_.fail(
          fmt::format("{} shape: expected a size that memory can hold, got {}", tensor(), to_string(shape)));
    }
    if (entry_.end - entry_.begin != *bytes) {
      file_.fail(fmt::format("{}: expected {} bytes for {} {}, got data_offsets [{}, {}]", tensor(), *bytes,
                             to_string(dtype), to_string(shape), entry_.begin, entry_.end));
    }
  }

  std::string tensor() const { return fmt::format("tensor {}", quoted(name_)); }
  [[noreturn]] void twice(const std::string& name) const {
    file_.fail(fmt::format("expected distinct names in the header, got {} twice", quoted(name)));
  }
  [[noreturn]] void wanted_entry(const std::string& got) const {
    if (name_ == kMetadata) file_.fail(fmt::format("{}: expected an object, got {}", kMetadata, got));
    file_.fail(fmt::format("{}: expected {{dtype, shape, data_offsets}}, got {}", tensor(), got));
  }
  [[noreturn]] void wanted(const std::string& got) const {
    file_.fail(fmt::format("{} {}: expected {}, got {}", tensor(), key_,
                           key_ == "dtype"   ? "a type's name (BOOL, U8 .. I64, F16, BF16, F32, F64 ..)"
                           : key_ == "shape" ? "a list of sizes"
                                             : "[begin, end]",
                           got));
  }

  const InputFile& file_;
  std::uint64_t data_;
  Place place_ = Place::outside;
  std::string name_, key_;
  Entry entry_;
  std::set<std::string>
      names_;  // JSON parsers silently keep one of two equal names; that would hide a tensor
};

class SafetensorsFile final : public TensorFile {
 public:
  SafetensorsFile(const std::string& path, const std::string& function)
      : TensorFile(path, function), file_(path, function) {
    read_header();
  }

 private:
  void begin(std::size_t position) override { at_ = kPrefix + header_ + begins_[position]; }
  void next(void* to, std::size_t bytes) override {
    file_.read(at_, to, bytes);
    at_ += bytes;
  }

  void read_header() {
    const std::uint64_t size = file_.size();
    const std::string kind = file_.kind();
    const bool other = !kind.empty() && kind != kSafetensorsKind;
    if (size < kPrefix && !other) {
      fail(fmt::format("expected at least {} bytes (the header's length), got {}", kPrefix, size));
    }
    std::array<char, kPrefix> prefix{};
    if (size >= kPrefix) file_.read(0, prefix.data(), prefix.size());
    header_ = std::bit_cast<std::uint64_t>(prefix);
    if (size < kPrefix || header_ > kLargestHeader || header_ > size - kPrefix) {
      if (other) fail(fmt::format("expected a safetensors file, got {}", kind));
      fail(
          fmt::format("expected a header of at most {} bytes (file of {}), got header length {} (truncated, "
                      "or not a safetensors file)",
                      std::min(kLargestHeader, size - kPrefix), size, header_));
    }
    const std::uint64_t data = size - kPrefix - header_;
    std::string text(header_, '\0');
    file_.read(kPrefix, text.data(), text.size());
    if (!text.starts_with('{')) {
      if (other) fail(fmt::format("expected a safetensors file, got {}", kind));
      fail(fmt::format("expected a header that begins with '{{', got {}",
                       text.empty() ? "an empty one" : quoted(text)));
    }
    HeaderReader header(file_, data);
    header.read(text);
    metadata_ = std::move(header.metadata);
    take(std::move(header.entries), data);
  }

  // In the order of their offsets. The format requires that every byte is used exactly once.
  void take(std::vector<Entry> entries, std::uint64_t data) {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t expected = 0;
    for (Entry& entry : entries) {
      if (entry.begin != expected) {
        fail(fmt::format(
            "tensor {} data_offsets: expected a begin of {}, the end of the tensor before, got {} ({})",
            quoted(entry.info.name), expected, entry.begin, entry.begin < expected ? "overlap" : "gap"));
      }
      expected = entry.end;
      begins_.push_back(entry.begin);
      add(std::move(entry.info));
    }
    if (expected != data) {
      fail(fmt::format("expected {} bytes after the header (the tensors' sizes), got {}", expected, data));
    }
  }

  InputFile file_;
  std::uint64_t header_ = 0;  // bytes of the header
  std::vector<std::uint64_t> begins_;
  std::uint64_t at_ = 0;  // of the next element
};

}  // namespace

std::unique_ptr<TensorFile> open_safetensors(const std::string& path, const std::string& function) {
  try {
    return std::make_unique<SafetensorsFile>(path, function);
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format("[{}] {}: not enough memory for its header", function, escaped(path)));
  }
}

}  // namespace unroll
