#include "training/checkpoint.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "framework/errors.hpp"

namespace unroll {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "unroll checkpoint 1";
template <class S>
constexpr const char* kScalar = sizeof(S) == 4 ? "F32" : "F64";

// Files older than this are no work of this process, even where an earlier one had its number.
const fs::file_time_type kStarted = fs::file_time_type::clock::now();

template <class S>
void move_tensors(TensorMap<S>& to, const char* prefix, TensorMap<S>&& from) {
  for (auto& [name, tensor] : from) to.emplace(fmt::format("{}.{}", prefix, name), std::move(tensor));
}

const std::string& text_of(const std::string& path, const std::map<std::string, std::string>& metadata,
                           const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    throw FileError(
        fmt::format("[load_checkpoint] {}: want '{}' in a checkpoint's metadata, got none (a file "
                    "of weights alone?)",
                    path, key));
  }
  return found->second;
}

// The process that was writing "NAME.PID.COUNT.tmp", as AtomicFile calls it, or -1 for any other file.
pid_t writer_of(std::string_view file, std::string_view name) {
  if (!file.starts_with(name) || !file.ends_with(".tmp")) return -1;
  file.remove_prefix(name.size());
  file.remove_suffix(4);
  std::int64_t numbers[2] = {};
  const char* at = file.data();
  const char* const end = at + file.size();
  for (std::int64_t& number : numbers) {
    if (at == end || *at != '.') return -1;
    const auto [next, error] = std::from_chars(at + 1, end, number);
    if (error != std::errc() || number < 0) return -1;
    at = next;
  }
  return at == end ? static_cast<pid_t>(numbers[0]) : -1;
}

bool may_still_write(pid_t writer, const fs::directory_entry& entry) {
  if (writer == ::getpid()) {
    std::error_code error;
    const auto written = entry.last_write_time(error);
    return !error && written >= kStarted;
  }
  return ::kill(writer, 0) == 0 || errno != ESRCH;
}

}  // namespace

template <class S>
void save_checkpoint(const std::string& path, Checkpoint<S> checkpoint) {
  remove_unfinished(path);
  StateDict<S> file;
  file.metadata = {{"format", kFormat},
                   {"scalar", kScalar<S>},
                   {"optimizer", checkpoint.optimizer_name},
                   {"state", checkpoint.state.to_text()}};
  move_tensors(file.tensors, "model", std::move(checkpoint.model));
  move_tensors(file.tensors, "optimizer", std::move(checkpoint.optimizer));
  move_tensors(file.tensors, "best", std::move(checkpoint.best));
  move_tensors(file.tensors, "carried", std::move(checkpoint.carried));
  save_tensors(path, file);
}

template <class S>
Checkpoint<S> load_checkpoint(const std::string& path) {
  Checkpoint<S> checkpoint;
  StateDict<S> file = [&] {
    try {
      return load_tensors<S>(path);
    } catch (const FileError& error) {
      throw FileError(fmt::format("[load_checkpoint] {}", error.what()));
    }
  }();
  const auto want = [&](const char* key, const std::string& value) {
    const std::string& got = text_of(path, file.metadata, key);
    if (got == value) return;
    throw FileError(fmt::format("[load_checkpoint] {}: '{}' want '{}', got '{}'", path, key, value, got));
  };
  want("format", kFormat);
  want("scalar", kScalar<S>);
  checkpoint.optimizer_name = text_of(path, file.metadata, "optimizer");
  try {
    checkpoint.state = TrainState::from_text(text_of(path, file.metadata, "state"));
  } catch (const ArgumentError& error) {
    throw FileError(fmt::format("[load_checkpoint] {}: {}", path, error.what()));
  }
  const std::pair<std::string_view, TensorMap<S>*> parts[] = {{"model.", &checkpoint.model},
                                                              {"optimizer.", &checkpoint.optimizer},
                                                              {"best.", &checkpoint.best},
                                                              {"carried.", &checkpoint.carried}};
  for (auto& [name, tensor] : file.tensors) {
    bool known = false;
    for (const auto& [prefix, part] : parts) {
      if (known || !name.starts_with(prefix)) continue;
      part->emplace(name.substr(prefix.size()), std::move(tensor));
      known = true;
    }
    if (!known)
      throw FileError(fmt::format("[load_checkpoint] {}: want a checkpoint's tensors, got '{}'", path, name));
  }
  return checkpoint;
}

bool checkpoint_exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

int remove_unfinished(const std::string& path) {
  const fs::path file(path);
  const std::string name = file.filename().string();
  std::error_code error;
  int removed = 0;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const pid_t writer = writer_of(at->path().filename().string(), name);
    if (writer <= 0 || may_still_write(writer, *at)) continue;
    std::error_code gone;
    if (fs::remove(at->path(), gone)) ++removed;
  }
  return removed;
}

#define UNROLL_INSTANTIATE(S)                                       \
  template void save_checkpoint(const std::string&, Checkpoint<S>); \
  template Checkpoint<S> load_checkpoint(const std::string&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
