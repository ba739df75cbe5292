#include "training/trainer/checkpoint.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/leftovers.hpp"

namespace unroll {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "unroll checkpoint 1";
template <class S>
constexpr const char* kScalar = sizeof(S) == 4 ? "F32" : "F64";

template <class S>
void move_tensors(TensorMap<S>& to, const char* prefix, TensorMap<S>&& from) {
  for (auto& [name, tensor] : from) to.emplace(fmt::format("{}.{}", prefix, name), std::move(tensor));
}

const std::string& text_of(const std::string& path, const std::map<std::string, std::string>& metadata,
                           const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    throw FileError(fmt::format(
        "[load_checkpoint] {}: expected '{}' in a checkpoint's metadata, got none (a file of weights alone?)",
        escaped(path, 200), key));
  }
  return found->second;
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
    throw FileError(fmt::format("[load_checkpoint] {}: '{}': expected '{}', got {}", escaped(path, 200), key,
                                value, unroll::quoted(got)));
  };
  want("format", kFormat);
  want("scalar", kScalar<S>);
  checkpoint.optimizer_name = text_of(path, file.metadata, "optimizer");
  try {
    checkpoint.state = TrainState::from_text(text_of(path, file.metadata, "state"));
  } catch (const ArgumentError& error) {
    throw FileError(fmt::format("[load_checkpoint] {}: {}", escaped(path, 200), error.what()));
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
      throw FileError(fmt::format("[load_checkpoint] {}: expected a checkpoint's tensors, got {}",
                                  escaped(path, 200), unroll::quoted(name)));
  }
  return checkpoint;
}

bool checkpoint_exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

#define UNROLL_INSTANTIATE(S)                                       \
  template void save_checkpoint(const std::string&, Checkpoint<S>); \
  template Checkpoint<S> load_checkpoint(const std::string&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
