// The safetensors format, read: every rule of it is checked before any element is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "framework/input_file.hpp"
#include "framework/tensor_file.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr std::uint64_t kPrefix = 8;                 // bytes of the header length
constexpr std::uint64_t kLargestHeader = 100000000;  // the format's own limit
constexpr int kDeepestHeader = 4;                    // nesting of a header, with room for an error to show

// A tensor's entry in the header.
struct Entry {
  TensorInfo info;
  std::uint64_t begin, end;  // bytes after the header
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
    if (size < kPrefix) {
      fail(fmt::format("want at least {} bytes (the header's length), got {}", kPrefix, size));
    }
    std::array<char, kPrefix> prefix{};
    file_.read(0, prefix.data(), prefix.size());
    header_ = std::bit_cast<std::uint64_t>(prefix);
    if (header_ > kLargestHeader || header_ > size - kPrefix) {
      fail(fmt::format(
          "want a header of at most {} bytes (file of {}), got header length {} (truncated, or not a "
          "safetensors file)",
          std::min(kLargestHeader, size - kPrefix), size, header_));
    }
    data_ = size - kPrefix - header_;
    std::string text(header_, '\0');
    file_.read(kPrefix, text.data(), text.size());
    if (!text.starts_with('{')) {
      fail(fmt::format("want a header that begins with '{{', got {}",
                       text.empty() ? "an empty one" : abbreviate(text.substr(0, 60))));
    }
    const Json header = parse(text);
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadata) {
        read_metadata(value);
      } else {
        entries.push_back(read_entry(name, value));
      }
    }
    take(std::move(entries));
  }

  // JSON parsers keep one of two equal names silently; here that would hide a tensor.
  Json parse(const std::string& text) const {
    std::vector<std::set<std::string>> names;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (depth > kDeepestHeader) fail("want a header of flat entries, got deeper nesting");
      if (event == Json::parse_event_t::object_start) names.emplace_back();
      if (event == Json::parse_event_t::object_end) names.pop_back();
      if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second) {
        fail(fmt::format("want distinct names in the header, got '{}' twice", parsed.get<std::string>()));
      }
      return true;
    };
    try {
      return Json::parse(text, watch);
    } catch (const Json::exception& error) {
      fail(fmt::format("want JSON as header, got: {}", error.what()));
    }
  }

  void read_metadata(const Json& value) {
    if (!value.is_object()) fail(fmt::format("__metadata__ want an object, got {}", value.type_name()));
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        fail(fmt::format("__metadata__ '{}' want a string, got {}", key, text.type_name()));
      }
      metadata_[key] = text.get<std::string>();
    }
  }

  Entry read_entry(const std::string& name, const Json& value) const {
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets")) {
      fail(fmt::format("tensor '{}' want {{dtype, shape, data_offsets}}, got {}", name, abbreviate(value)));
    }
    const Json& type = value["dtype"];
    const auto dtype = type.is_string() ? dtype_of_name(type.get_ref<const std::string&>()) : std::nullopt;
    if (!dtype) {
      fail(fmt::format("tensor '{}' dtype want one of BOOL, U8 .. I64, F16, BF16, F32, F64, F8_*, got {}",
                       name, abbreviate(type)));
    }
    Entry entry{{name, *dtype}, 0, 0};
    const Json& shape = value["shape"];
    if (!shape.is_array() || shape.size() > kMaxRank) {
      fail(fmt::format("tensor '{}' shape want at most {} sizes, got {}", name, kMaxRank, abbreviate(shape)));
    }
    for (const Json& size : shape) entry.info.shape.push_back(natural(name, "shape", size));
    const auto bytes = detail::element_bytes(*dtype, entry.info.shape);
    if (!bytes) {
      fail(
          fmt::format("tensor '{}' shape want a size that memory can hold, got {}", name, abbreviate(shape)));
    }
    const Json& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2) {
      fail(fmt::format("tensor '{}' data_offsets want [begin, end], got {}", name, abbreviate(offsets)));
    }
    entry.begin = natural(name, "data_offsets", offsets[0]);
    entry.end = natural(name, "data_offsets", offsets[1]);
    if (entry.begin > entry.end || entry.end > data_) {
      fail(fmt::format(
          "tensor '{}' data_offsets want begin <= end <= {} (the bytes after the header), got [{}, {}] "
          "(truncated?)",
          name, data_, entry.begin, entry.end));
    }
    if (entry.end - entry.begin != *bytes) {
      fail(fmt::format("tensor '{}' want {} bytes for {} {}, got data_offsets [{}, {}]", name, *bytes,
                       to_string(*dtype), to_string(entry.info.shape), entry.begin, entry.end));
    }
    return entry;
  }

  std::uint64_t natural(const std::string& name, const char* field, const Json& value) const {
    if (!value.is_number_unsigned()) {
      fail(fmt::format("tensor '{}' {} want whole numbers >= 0, got {}", name, field, abbreviate(value)));
    }
    return value.get<std::uint64_t>();
  }

  // In the order of their places. The format leaves no byte out and uses none twice.
  void take(std::vector<Entry> entries) {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t expected = 0;
    for (Entry& entry : entries) {
      if (entry.begin != expected) {
        fail(fmt::format(
            "tensor '{}' data_offsets want to begin at {}, where the tensor before ends, got {} ({})",
            entry.info.name, expected, entry.begin, entry.begin < expected ? "overlap" : "gap"));
      }
      expected = entry.end;
      begins_.push_back(entry.begin);
      add(std::move(entry.info));
    }
    if (expected != data_) {
      fail(fmt::format("want {} bytes after the header (the tensors' sizes), got {}", expected, data_));
    }
  }

  static std::string abbreviate(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

  InputFile file_;
  std::uint64_t header_ = 0;  // bytes of the header
  std::uint64_t data_ = 0;    // bytes after it
  std::vector<std::uint64_t> begins_;
  std::uint64_t at_ = 0;  // of the next element
};

}  // namespace

std::unique_ptr<TensorFile> open_safetensors(const std::string& path, const std::string& function) {
  return std::make_unique<SafetensorsFile>(path, function);
}

}  // namespace unroll
