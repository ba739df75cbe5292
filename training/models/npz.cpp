#include "training/models/npz.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/atomic_file.hpp"
#include "framework/element_types.hpp"
#include "framework/errors.hpp"
#include "framework/input_file.hpp"
#include "training/models/npy_header.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

constexpr const char* kExtension = ".npy";
constexpr const char* kMetadata = "__metadata__.json";
// Deflate makes at most 258 bytes from 2 bits, so a member that claims more is broken; this bounds what a
// small file can make us allocate.
constexpr zip_uint64_t kLargestRatio = 1032;
constexpr std::size_t kLargestMetadata = 100000000;  // as in the safetensors format
constexpr std::uint16_t kDosDate = 0x21;             // 1980-01-01, the first there is: NumPy's choice, too

struct ZipError {
  zip_error_t error;
  ZipError() noexcept { zip_error_init(&error); }
  ~ZipError() { zip_error_fini(&error); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  std::string text() { return zip_error_strerror(&error); }
};

struct Discard {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
  void operator()(zip_file_t* file) const noexcept { zip_fclose(file); }
  void operator()(zip_source_t* source) const noexcept { zip_source_free(source); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using MemberFile = std::unique_ptr<zip_file_t, Discard>;
using Source = std::unique_ptr<zip_source_t, Discard>;

// --- reading
// ------------------------------------------------------------------------------------------------

class NpzFile final : public TensorFile {
 public:
  NpzFile(const std::string& path, const std::string& function) : TensorFile(path, function) {
    const InputFile file(path, function);  // for its errors and size
    int code = 0;
    archive_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (!archive_) {
      ZipError error;
      zip_error_init_with_code(&error.error, code);
      fail(fmt::format("want a zip archive of npy files, got: {} (truncated, or not an npz file)",
                       error.text()));
    }
    const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive_.get(), 0));
    for (zip_uint64_t i = 0; i < count; ++i) read_member(i, file.size());
  }

 private:
  void begin(std::size_t position) override {
    open(members_[position].index, tensors()[position].name);
    std::vector<char> header(members_[position].header);
    next(header.data(), header.size());
  }
  void next(void* to, std::size_t bytes) override {
    char* at = static_cast<char*>(to);
    while (bytes > 0) {
      const zip_int64_t count = zip_fread(member_.get(), at, bytes);
      if (count < 0)
        fail(fmt::format("array '{}' want to be read, got: {}", name_, zip_file_strerror(member_.get())));
      if (count == 0) fail(fmt::format("array '{}' want {} bytes more, got none (truncated?)", name_, bytes));
      at += count;
      bytes -= static_cast<std::size_t>(count);
    }
  }
  // Reading on to the end is what compares the checksum.
  void end() override {
    char beyond = 0;
    const zip_int64_t count = zip_fread(member_.get(), &beyond, 1);
    if (count < 0)
      fail(fmt::format("array '{}' want to be whole, got: {}", name_, zip_file_strerror(member_.get())));
    if (count > 0) fail(fmt::format("array '{}' want nothing after its elements, got more", name_));
    member_.reset();
  }

  void open(zip_uint64_t index, const std::string& name) {
    name_ = name;
    member_.reset(zip_fopen_index(archive_.get(), index, 0));
    if (!member_)
      fail(fmt::format("array '{}' want to be read, got: {}", name, zip_strerror(archive_.get())));
  }

  void read_member(zip_uint64_t index, std::uint64_t file_size) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive_.get(), index, 0, &stat) != 0) {
      fail(fmt::format("want a directory of members, got: {}", zip_strerror(archive_.get())));
    }
    std::string name = stat.name;
    if (stat.encryption_method != ZIP_EM_NONE)
      fail(fmt::format("member '{}' want no encryption, got some", name));
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
      fail(fmt::format("member '{}' want to be stored or deflated, got compression method {}", name,
                       stat.comp_method));
    }
    const zip_uint64_t ratio = stat.comp_method == ZIP_CM_STORE ? 1 : kLargestRatio;
    if (stat.comp_size > file_size || stat.size / ratio > stat.comp_size) {
      fail(
          fmt::format("member '{}' want a size that a file of {} bytes can hold, got {} bytes packed into {}",
                      name, file_size, stat.size, stat.comp_size));
    }
    if (name == kMetadata) return read_metadata(index, static_cast<std::size_t>(stat.size));
    if (!name.ends_with(kExtension)) {
      fail(fmt::format("want npy files in the archive, got a member '{}'", name));
    }
    name.resize(name.size() - std::strlen(kExtension));
    open(index, name);
    detail::NpyHeader header = detail::read_npy_header(
        {[this](void* to, std::size_t bytes) { next(to, bytes); },
         [&](const std::string& what) { fail(fmt::format("array '{}' {}", name, what)); }});
    member_.reset();
    if (stat.size - header.bytes != header.elements) {
      fail(fmt::format("array '{}' want {} bytes for {} {}, got {}", name, header.elements,
                       to_string(header.info.dtype), to_string(header.info.shape), stat.size - header.bytes));
    }
    header.info.name = std::move(name);
    add(std::move(header.info));
    members_.push_back({index, header.bytes});
  }

  void read_metadata(zip_uint64_t index, std::size_t size) {
    if (size > kLargestMetadata) {
      fail(fmt::format("{} want at most {} bytes, got {}", kMetadata, kLargestMetadata, size));
    }
    if (seen_metadata_) fail(fmt::format("want one {}, got two", kMetadata));
    seen_metadata_ = true;
    open(index, kMetadata);
    std::string text(size, '\0');
    next(text.data(), size);
    end();
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) fail(fmt::format("{} want a JSON object, got something else", kMetadata));
    for (const auto& [key, value] : json.items()) {
      if (!value.is_string()) {
        fail(fmt::format("{} '{}' want a string, got {}", kMetadata, key, value.type_name()));
      }
      metadata_[key] = value.get<std::string>();
    }
  }

  struct Member {
    zip_uint64_t index;
    std::size_t header;  // bytes
  };
  Archive archive_;
  std::vector<Member> members_;  // as tensors()
  MemberFile member_;            // open
  std::string name_;             // of the open one
  bool seen_metadata_ = false;
};

// --- writing
// ------------------------------------------------------------------------------------------------

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

}  // namespace

std::unique_ptr<TensorFile> open_npz(const std::string& path, const std::string& function) {
  return std::make_unique<NpzFile>(path, function);
}

NpzWriter::NpzWriter(std::string path, NpzOptions options, std::string function)
    : path_(std::move(path)), options_(options), function_(std::move(function)) {}

void NpzWriter::add_member(std::string name, std::string bytes) {
  const auto fail = [&](const char* what, const std::string& got) {
    throw ArgumentError(fmt::format("[{}] name want {}, got {}", function_, what, got));
  };
  if (!is_utf8(name)) fail("UTF-8", "other bytes");
  if (name.find('\0') != std::string::npos) fail("no zero byte", "one");
  if (name.size() > 65535) fail("at most 65535 bytes", std::to_string(name.size()));
  if (std::any_of(members_.begin(), members_.end(), [&](const Member& m) { return m.name == name; })) {
    fail("to be new", fmt::format("'{}' twice", name));
  }
  members_.push_back({std::move(name), std::move(bytes)});
}

template <class S>
void NpzWriter::add(const std::string& name, const Tensor<S>& tensor) {
  std::string bytes = detail::npy_header(dtype_of<S>(), tensor.shape());
  bytes.append(reinterpret_cast<const char*>(tensor.data()), tensor.size() * sizeof(S));
  add_member(name + kExtension, std::move(bytes));
}

void NpzWriter::add_metadata(const std::map<std::string, std::string>& metadata) {
  try {
    add_member(kMetadata, Json(metadata).dump());
  } catch (const Json::exception& error) {
    throw ArgumentError(fmt::format("[{}] metadata want UTF-8, got: {}", function_, error.what()));
  }
}

void NpzWriter::commit() {
  const auto fail = [&](const char* text) {
    throw FileError(fmt::format("[{}] {}: want to pack the archive, got: {}", function_, path_, text));
  };
  AtomicFile file(path_, function_);
  if (members_.empty()) {
    // What numpy.savez writes then: an end of the directory. libzip deletes an archive without members.
    const std::string nothing = "PK\5\6" + std::string(18, '\0');
    file.write(nothing.data(), nothing.size());
    file.commit();
    return;
  }
  ZipError error;
  const Source memory(zip_source_buffer_create(nullptr, 0, 0, &error.error));
  if (!memory) fail(error.text().c_str());
  zip_source_keep(memory.get());  // the archive takes one reference, and we read what it has written
  Archive archive(zip_open_from_source(memory.get(), ZIP_TRUNCATE, &error.error));
  if (!archive) {
    zip_source_free(memory.get());
    fail(error.text().c_str());
  }
  for (const Member& member : members_) {
    Source bytes(zip_source_buffer(archive.get(), member.bytes.data(), member.bytes.size(), 0));
    if (!bytes) fail(zip_strerror(archive.get()));
    const zip_int64_t added = zip_file_add(archive.get(), member.name.c_str(), bytes.get(), ZIP_FL_ENC_UTF_8);
    if (added < 0) fail(zip_strerror(archive.get()));
    static_cast<void>(bytes.release());  // the archive's now
    const auto index = static_cast<zip_uint64_t>(added);
    const zip_int32_t method = options_.compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
    if (zip_set_file_compression(archive.get(), index, method, 0) != 0 ||
        zip_file_set_dostime(archive.get(), index, 0, kDosDate, 0) != 0) {
      fail(zip_strerror(archive.get()));
    }
  }
  if (zip_close(archive.get()) != 0) fail(zip_strerror(archive.get()));
  static_cast<void>(archive.release());

  if (zip_source_open(memory.get()) != 0) fail(zip_error_strerror(zip_source_error(memory.get())));
  std::vector<char> block(std::size_t{1} << 20);
  zip_int64_t count = 0;
  while ((count = zip_source_read(memory.get(), block.data(), block.size())) > 0) {
    file.write(block.data(), static_cast<std::size_t>(count));
  }
  const bool read = count == 0;
  zip_source_close(memory.get());
  if (!read) fail(zip_error_strerror(zip_source_error(memory.get())));
  file.commit();
}

template <class S>
void save_npz(const std::string& path, const StateDict<S>& state, NpzOptions options) {
  NpzWriter writer(path, options, "save_npz");
  for (const auto& [name, tensor] : state.tensors) writer.add(name, tensor);
  if (!state.metadata.empty()) writer.add_metadata(state.metadata);
  writer.commit();
}

template <class S>
StateDict<S> load_npz(const std::string& path) {
  return detail::read_all<S>(*open_npz(path, "load_npz"));
}

#define UNROLL_INSTANTIATE(S) template void NpzWriter::add(const std::string&, const Tensor<S>&);
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE
template void save_npz(const std::string&, const StateDict<float>&, NpzOptions);
template void save_npz(const std::string&, const StateDict<double>&, NpzOptions);
template StateDict<float> load_npz(const std::string&);
template StateDict<double> load_npz(const std::string&);

}  // namespace unroll
