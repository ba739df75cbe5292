#include "training/models/npz.hpp"

#include <fmt/format.h>
#include <utf8.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>

#include "framework/atomic_file.hpp"
#include "framework/element_types.hpp"
#include "framework/errors.hpp"
#include "framework/flat_json.hpp"
#include "framework/input_file.hpp"
#include "framework/quoted.hpp"
#include "training/models/npy.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

constexpr const char* kExtension = ".npy";
constexpr const char* kMetadata = "__metadata__.json";
// Deflate makes at most 258 bytes from 2 bits, so a member that claims more is broken; this bounds what a
// small file can make us allocate.
constexpr zip_uint64_t kLargestRatio = 1032;
constexpr std::uint64_t kLargestMetadata = 100000000;  // as in the safetensors format
// What of it may be deflated, whatever the file's size, and how far beyond.
constexpr std::uint64_t kMetadataAlways = std::uint64_t{1} << 23, kMetadataRatio = 16;
constexpr std::uint16_t kDosDate = 0x21;  // 1980-01-01, the first there is: NumPy's choice, too

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
  NpzFile(const std::string& path, const UnpackOptions& options, const std::string& function)
      : TensorFile(path, function), options_(options) {
    const InputFile file(path, function);  // for its errors, kind and size
    const std::string kind = file.kind();
    if (!kind.empty() && kind != "a NumPy .npz archive" && kind.find("zip archive") == kind.npos) {
      fail(fmt::format("expected an npz archive, got {}", kind));
    }
    max_bytes_ = detail::unpack_limit(options, file.size());
    int code = 0;
    archive_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (!archive_) {
      ZipError error;
      zip_error_init_with_code(&error.error, code);
      fail(fmt::format("expected a zip archive of npy files, got: {} (truncated, or not an npz file)",
                       error.text()));
    }
    const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive_.get(), 0));
    for (zip_uint64_t i = 0; i < count; ++i) read_member(i, file.size());
  }

 private:
  void begin(std::size_t position) override {
    open(members_[position].index, at(position).name);
    std::vector<char> header(members_[position].header);
    next(header.data(), header.size());
  }
  void next(void* to, std::size_t bytes) override {
    char* at = static_cast<char*>(to);
    while (bytes > 0) {
      const zip_int64_t count = zip_fread(member_.get(), at, bytes);
      if (count < 0)
        fail(fmt::format("array {}: read failed: {}", quoted(name_), zip_file_strerror(member_.get())));
      if (count == 0)
        fail(fmt::format("array {}: expected {} bytes more, got none (truncated?)", quoted(name_), bytes));
      at += count;
      bytes -= static_cast<std::size_t>(count);
    }
  }
  // Reading on to the end is what compares the checksum.
  void end() override {
    char beyond = 0;
    const zip_int64_t count = zip_fread(member_.get(), &beyond, 1);
    if (count < 0)
      fail(fmt::format("array {}: corrupt data: {}", quoted(name_), zip_file_strerror(member_.get())));
    if (count > 0)
      fail(fmt::format("array {}: expected nothing after its elements, got more", quoted(name_)));
    member_.reset();
  }

  void open(zip_uint64_t index, const std::string& name) {
    name_ = name;
    member_.reset(zip_fopen_index(archive_.get(), index, 0));
    if (!member_) fail(fmt::format("array {}: read failed: {}", quoted(name), zip_strerror(archive_.get())));
  }

  void read_member(zip_uint64_t index, std::uint64_t file_size) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive_.get(), index, 0, &stat) != 0) {
      fail(fmt::format("cannot read the list of members: {}", zip_strerror(archive_.get())));
    }
    std::string name = stat.name;
    const bool stored = stat.comp_method == ZIP_CM_STORE, deflated = stat.comp_method == ZIP_CM_DEFLATE;
    // Members that overlap would let a small file hold any number of large ones.
    packed_ += std::min<zip_uint64_t>(stat.comp_size, file_size + 1);
    if (packed_ > file_size ||
        ((stored || deflated) && stat.size / (stored ? 1 : kLargestRatio) > stat.comp_size)) {
      fail(fmt::format(
          "member {}: expected a size that a file of {} bytes can hold, got {} bytes packed into {}",
          quoted(name), file_size, stat.size, stat.comp_size));
    }
    if (name.ends_with('/')) return;  // a folder
    if (stat.encryption_method != ZIP_EM_NONE) return add_unreadable(name, "an encrypted member");
    if (!stored && !deflated) {
      return add_unreadable(name, fmt::format("compression method {} (0 and 8 are read)", stat.comp_method));
    }
    if (name == kMetadata) return read_metadata(index, stat, file_size);
    if (!name.ends_with(kExtension)) return add_unreadable(name, "a member that is no npy array");
    if (deflated) unpacked_ += stat.size;
    if (unpacked_ > *max_bytes_) {
      fail(fmt::format(
          "expected at most {} bytes in all when unpacked, got more up to {} (.max_bytes allows more)",
          *max_bytes_, quoted(name)));
    }
    name.resize(name.size() - std::strlen(kExtension));
    open(index, name);
    detail::NpyHeader header = detail::read_npy_header(
        {[this](void* to, std::size_t bytes) { next(to, bytes); },
         [&](const std::string& what) { fail(fmt::format("array {}: {}", quoted(name), what)); }});
    member_.reset();
    if (header.info.unreadable.empty() && stat.size - header.bytes != header.elements) {
      fail(fmt::format("array {}: expected {} bytes for {} {}, got {}", quoted(name), header.elements,
                       to_string(header.info.dtype), to_string(header.info.shape), stat.size - header.bytes));
    }
    header.info.name = std::move(name);
    add(std::move(header.info));
    members_.push_back({index, header.bytes});
  }

  void add_unreadable(std::string name, std::string why) {
    if (name.ends_with(kExtension)) name.resize(name.size() - std::strlen(kExtension));
    add({.name = std::move(name), .dtype = Dtype::other, .unreadable = std::move(why)});
    members_.push_back({0, 0});
  }

  void read_metadata(zip_uint64_t index, const zip_stat_t& stat, std::uint64_t file_size) {
    const std::uint64_t limit = stat.comp_method == ZIP_CM_STORE
                                    ? kLargestMetadata
                                    : std::min(kLargestMetadata, metadata_limit(file_size));
    if (stat.size > limit) {
      fail(fmt::format("{}: expected at most {} bytes, got {} packed into {}", kMetadata, limit, stat.size,
                       stat.comp_size));
    }
    if (std::exchange(seen_metadata_, true)) fail(fmt::format("expected one {}, got two", kMetadata));
    open(index, kMetadata);
    std::string text(static_cast<std::size_t>(stat.size), '\0');
    next(text.data(), text.size());
    end();
    metadata_ = detail::parse_texts(
        text, [this](const std::string& what) { fail(fmt::format("{}: {}", kMetadata, what)); });
  }

  std::uint64_t metadata_limit(std::uint64_t file_size) const noexcept {
    return options_.max_bytes != 0 ? options_.max_bytes
                                   : std::max(kMetadataAlways, kMetadataRatio * file_size);
  }

  struct Member {
    zip_uint64_t index;
    std::size_t header;  // bytes
  };
  UnpackOptions options_;
  Archive archive_;
  std::vector<Member> members_;  // as tensors()
  MemberFile member_;            // open
  std::string name_;             // of the open one
  bool seen_metadata_ = false;
  std::uint64_t packed_ = 0, unpacked_ = 0;  // bytes of the members so far
};

}  // namespace

std::unique_ptr<TensorFile> open_npz(const std::string& path, const UnpackOptions& options,
                                     const std::string& function) {
  try {
    return std::make_unique<NpzFile>(path, options, function);
  } catch (const std::bad_alloc&) {
    throw MemoryError(
        fmt::format("[{}] {}: not enough memory for its names and metadata", function, escaped(path)));
  }
}

// --- writing

NpzWriter::NpzWriter(std::string path, NpzOptions options, std::string function)
    : path_(std::move(path)), options_(options), function_(std::move(function)) {}

void NpzWriter::add_member(std::string name, std::string bytes) {
  require_contents("NpzWriter.add");
  const auto fail = [&](const char* what, const std::string& got) {
    throw ArgumentError(fmt::format("[{}] name: expected {}, got {}", function_, what, got));
  };
  if (!utf8::is_valid(name.begin(), name.end())) fail("UTF-8", "other bytes");
  if (name.find('\0') != std::string::npos) fail("no zero byte", "one");
  if (name.size() > 65535) fail("at most 65535 bytes", std::to_string(name.size()));
  if (!names_.insert(name).second) fail("a new one", quoted(name) + " twice");
  members_.push_back({std::move(name), std::move(bytes)});
}

template <class S>
void NpzWriter::add(const std::string& name, const Tensor<S>& tensor) {
  const std::size_t size = tensor.size() * sizeof(S);
  std::string bytes = detail::npy_header(dtype_of<S>(), tensor.shape());
  try {
    bytes.append(reinterpret_cast<const char*>(tensor.data()), size);
  } catch (const std::exception&) {  // bad_alloc, length_error
    throw MemoryError(
        fmt::format("[{}] array {}: not enough memory for {} bytes", function_, quoted(name), size));
  }
  add_member(name + kExtension, std::move(bytes));
}

void NpzWriter::add_metadata(const std::map<std::string, std::string>& metadata) {
  try {
    add_member(kMetadata, Json(metadata).dump());
  } catch (const Json::exception& error) {
    throw ArgumentError(
        fmt::format("[{}] metadata: expected UTF-8, got: {}", function_, escaped(error.what(), 200)));
  }
}

// A writer without a name or a purpose is one whose strings have been moved.
void NpzWriter::require_contents(const char* function) const {
  detail::require_contents(!path_.empty() || !function_.empty(), function);
}

void NpzWriter::commit() {
  require_contents("NpzWriter.commit");
  const auto fail = [&](const char* text) {
    throw FileError(fmt::format("[{}] {}: cannot write the archive: {}", function_, escaped(path_), text));
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
    // Metadata that compresses too well would be taken for a bomb.
    const bool compress =
        options_.compress && (member.name != kMetadata || member.bytes.size() <= kMetadataAlways);
    const zip_int32_t method = compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
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
StateDict<S> load_npz(const std::string& path, const UnpackOptions& options) {
  return detail::read_all<S>(*open_npz(path, options, "load_npz"));
}

#define UNROLL_INSTANTIATE(S) template void NpzWriter::add(const std::string&, const Tensor<S>&);
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE
template void save_npz(const std::string&, const StateDict<float>&, NpzOptions);
template void save_npz(const std::string&, const StateDict<double>&, NpzOptions);
template StateDict<float> load_npz(const std::string&, const UnpackOptions&);
template StateDict<double> load_npz(const std::string&, const UnpackOptions&);

}  // namespace unroll
