#include "framework/serialization.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <vector>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file format is little-endian");

constexpr const char* kMetadata = "__metadata__";
constexpr std::uint64_t kPrefix = 8;                 // bytes of the header length
constexpr std::uint64_t kLargestHeader = 100000000;  // the format's own limit
constexpr std::uint64_t kLargestTensor = std::numeric_limits<std::ptrdiff_t>::max();
constexpr int kDeepestHeader = 4;  // nesting of a header, with room for an error to show

template <class S>
constexpr const char* kDtype = sizeof(S) == 4 ? "F32" : "F64";

// value as JSON; what it holds must be UTF-8.
std::string utf8_json(const Json& value) {
  try {
    return value.dump();
  } catch (const Json::exception& error) {
    throw ArgumentError(fmt::format("[save_tensors] names and metadata want UTF-8, got: {}", error.what()));
  }
}

// --- reading
// ------------------------------------------------------------------------------------------------

struct Entry {
  std::string name;
  bool is_double;
  Shape shape;
  std::uint64_t begin, end;  // bytes after the header
};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) fail(fmt::format("want a file, got: {}", std::strerror(errno)));
    if (!S_ISREG(info.st_mode)) fail("want a regular file, got a directory or device");
    stream_.open(path, std::ios::binary);
    if (!stream_) fail(fmt::format("want a readable file, got: {}", std::strerror(errno)));
    size_ = static_cast<std::uint64_t>(info.st_size);
    read_header();
  }

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

  template <class S>
  Tensor<S> read(const Entry& entry) {
    Tensor<S> tensor(entry.shape);
    stream_.seekg(static_cast<std::streamoff>(kPrefix + header_ + entry.begin));
    stream_.read(reinterpret_cast<char*>(tensor.data()),
                 static_cast<std::streamsize>(entry.end - entry.begin));
    if (!stream_)
      fail(fmt::format("want {} bytes of tensor '{}', got fewer", entry.end - entry.begin, entry.name));
    return tensor;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(fmt::format("[load_tensors] {}: {}", path_, what));
  }

 private:
  void read_header() {
    if (size_ < kPrefix) {
      fail(fmt::format("want at least {} bytes (the header's length), got {}", kPrefix, size_));
    }
    std::array<char, kPrefix> prefix{};
    stream_.read(prefix.data(), prefix.size());
    header_ = std::bit_cast<std::uint64_t>(prefix);
    if (header_ > kLargestHeader || header_ > size_ - kPrefix) {
      fail(fmt::format(
          "want a header of at most {} bytes (file of {}), got header length {} (truncated, or not a "
          "safetensors file)",
          std::min(kLargestHeader, size_ - kPrefix), size_, header_));
    }
    std::string text(header_, '\0');
    stream_.read(text.data(), static_cast<std::streamsize>(header_));
    if (!stream_) fail(fmt::format("want a header of {} bytes, got fewer", header_));
    const Json header = parse(text);
    if (!header.is_object()) fail(fmt::format("want a JSON object as header, got {}", header.type_name()));
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadata) {
        read_metadata(value);
      } else {
        read_entry(name, value);
      }
    }
    check_offsets();
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

  void read_entry(const std::string& name, const Json& value) {
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets")) {
      fail(fmt::format("tensor '{}' want {{dtype, shape, data_offsets}}, got {}", name, abbreviate(value)));
    }
    const Json& dtype = value["dtype"];
    if (dtype != "F32" && dtype != "F64") {
      fail(fmt::format("tensor '{}' dtype want F32 or F64, got {}", name, abbreviate(dtype)));
    }
    Entry entry{name, dtype == "F64", {}, 0, 0};
    const Json& shape = value["shape"];
    if (!shape.is_array() || shape.size() > kMaxRank) {
      fail(fmt::format("tensor '{}' shape want at most {} sizes, got {}", name, kMaxRank, abbreviate(shape)));
    }
    std::uint64_t bytes = entry.is_double ? 8 : 4;
    bool zero = false;
    for (const Json& size : shape) {
      const std::uint64_t n = natural(name, "shape", size);
      entry.shape.push_back(n);
      zero |= n == 0;
      if (n != 0 && bytes > kLargestTensor / n) {
        fail(fmt::format("tensor '{}' shape want a size that memory can hold, got {}", name,
                         abbreviate(shape)));
      }
      if (n != 0) bytes *= n;
    }
    if (zero) bytes = 0;
    const Json& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2) {
      fail(fmt::format("tensor '{}' data_offsets want [begin, end], got {}", name, abbreviate(offsets)));
    }
    entry.begin = natural(name, "data_offsets", offsets[0]);
    entry.end = natural(name, "data_offsets", offsets[1]);
    const std::uint64_t data = size_ - kPrefix - header_;
    if (entry.begin > entry.end || entry.end > data) {
      fail(fmt::format(
          "tensor '{}' data_offsets want begin <= end <= {} (the bytes after the header), got [{}, {}] "
          "(truncated?)",
          name, data, entry.begin, entry.end));
    }
    if (entry.end - entry.begin != bytes) {
      fail(fmt::format("tensor '{}' want {} bytes for {} {}, got data_offsets [{}, {}]", name, bytes,
                       entry.is_double ? "F64" : "F32", to_string(entry.shape), entry.begin, entry.end));
    }
    entries_.push_back(std::move(entry));
  }

  std::uint64_t natural(const std::string& name, const char* field, const Json& value) const {
    if (!value.is_number_unsigned()) {
      fail(fmt::format("tensor '{}' {} want whole numbers >= 0, got {}", name, field, abbreviate(value)));
    }
    return value.get<std::uint64_t>();
  }

  // The format leaves no byte out and uses none twice.
  void check_offsets() {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t expected = 0;
    for (const Entry& entry : entries_) {
      if (entry.begin != expected) {
        fail(fmt::format(
            "tensor '{}' data_offsets want to begin at {}, where the tensor before ends, got {} ({})",
            entry.name, expected, entry.begin, entry.begin < expected ? "overlap" : "gap"));
      }
      expected = entry.end;
    }
    const std::uint64_t data = size_ - kPrefix - header_;
    if (expected != data) {
      fail(fmt::format("want {} bytes after the header (the tensors' sizes), got {}", expected, data));
    }
  }

  static std::string abbreviate(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

  const std::string& path_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;    // bytes of the file
  std::uint64_t header_ = 0;  // bytes of the header
  std::vector<Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

template <class S>
void save_tensors(const std::string& path, const StateDict<S>& state) {
  std::string text = "{";
  const auto add = [&](const std::string& name, const std::string& value) {
    if (text.size() > 1) text += ',';
    text += utf8_json(name) + ':' + value;
  };
  if (!state.metadata.empty()) add(kMetadata, utf8_json(state.metadata));
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : state.tensors) {
    if (name == kMetadata) {
      throw ArgumentError(
          fmt::format("[save_tensors] tensors want names other than '{}', got it", kMetadata));
    }
    const std::uint64_t end = offset + tensor.size() * sizeof(S);
    add(name, fmt::format(R"({{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", kDtype<S>,
                          fmt::join(tensor.shape(), ","), offset, end));
    offset = end;
  }
  text += '}';
  text.append((kPrefix - text.size() % kPrefix) % kPrefix, ' ');
  if (text.size() > kLargestHeader) {
    throw ArgumentError(fmt::format("[save_tensors] names and metadata want at most {} bytes in all, got {}",
                                    kLargestHeader, text.size()));
  }

  AtomicFile file(path, "save_tensors");
  const std::uint64_t length = text.size();
  file.write(&length, sizeof(length));
  file.write(text.data(), text.size());
  for (const auto& [name, tensor] : state.tensors) file.write(tensor.data(), tensor.size() * sizeof(S));
  file.commit();
}

template <class S>
StateDict<S> load_tensors(const std::string& path) {
  Reader reader(path);
  StateDict<S> state;
  state.metadata = reader.metadata();
  for (const Entry& entry : reader.entries()) {
    Tensor<S>& tensor = state.tensors[entry.name];
    if (entry.is_double == std::is_same_v<S, double>) {
      tensor = reader.read<S>(entry);
    } else if constexpr (std::is_same_v<S, double>) {
      tensor = convert_tensor<double>(reader.read<float>(entry));
    } else {
      reader.fail(fmt::format(
          "tensor '{}' want F32, got F64 (load_tensors<double> reads both; convert_tensor rounds)",
          entry.name));
    }
  }
  return state;
}

template void save_tensors(const std::string&, const StateDict<float>&);
template void save_tensors(const std::string&, const StateDict<double>&);
template StateDict<float> load_tensors(const std::string&);
template StateDict<double> load_tensors(const std::string&);

}  // namespace unroll
