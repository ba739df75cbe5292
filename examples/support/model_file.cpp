#include "examples/support/model_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"

namespace unroll::examples {
namespace {
using Json = nlohmann::json;
constexpr const char* kProgram = "program";

std::string abbreviate(std::string text) {
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}
}  // namespace

void require_writable(const std::string& path) {
  const auto fail = [&](const char* reason) {
    throw FileError(fmt::format("{}: want a place to write the model to, got: {}", path, reason));
  };
  if (path.empty()) throw FileError("model file: want a name, got an empty one");
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) fail("a directory or device");
  // The file itself is replaced in one go later, so what counts is whether its folder takes a new file.
  const std::string probe = fmt::format("{}.{}.probe", path, ::getpid());
  const int descriptor = ::open(probe.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(std::strerror(errno));
  ::close(descriptor);
  ::unlink(probe.c_str());
}

void Settings::set(const std::string& key, Index number) { text_[key] = std::to_string(number); }
void Settings::set(const std::string& key, const std::vector<std::string>& list) {
  text_[key] = Json(list).dump();
}
void Settings::set(const std::string& key, const std::vector<double>& list) {
  text_[key] = Json(list).dump();
}

void Settings::fail(const std::string& key, const std::string& want, const std::string& got) const {
  throw FileError(fmt::format("{}: setting '{}' want {}, got {}", path_, key, want, abbreviate(got)));
}

const std::string& Settings::text(const std::string& key) const {
  const auto found = text_.find(key);
  if (found == text_.end()) fail(key, "a value", "none (a file of another program or version?)");
  return found->second;
}

Index Settings::number(const std::string& key, Index low, Index high) const {
  const std::string& value = text(key);
  Index result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size() || result < low || result > high) {
    fail(key, fmt::format("a whole number from {} to {}", low, high), fmt::format("'{}'", value));
  }
  return result;
}

std::vector<std::string> Settings::texts(const std::string& key) const {
  const std::string& value = text(key);
  const Json list = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array() ||
      !std::all_of(list.begin(), list.end(), [](const Json& e) { return e.is_string(); })) {
    fail(key, "a JSON list of texts", value);
  }
  return list.get<std::vector<std::string>>();
}

std::vector<double> Settings::numbers(const std::string& key) const {
  const std::string& value = text(key);
  const Json list = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), [](const Json& e) {
        return e.is_number() && std::isfinite(e.get<double>());
      })) {
    fail(key, "a JSON list of finite numbers", value);
  }
  return list.get<std::vector<double>>();
}

void write_model_file(const Settings& settings, TensorMap<float> weights) {
  save_tensors(settings.path(), StateDict<float>{std::move(weights), settings.all()});
}

ModelFile read_model_file(const std::string& path, const std::string& program) {
  StateDict<float> state = load_tensors<float>(path);
  ModelFile file{Settings(path, std::move(state.metadata)), std::move(state.tensors)};
  const auto& all = file.settings.all();
  const auto found = all.find(kProgram);
  if (found == all.end() || found->second != program) {
    throw FileError(fmt::format("{}: want a model that {} has saved, got {}", path, program,
                                found == all.end() ? "a file without that mark" : "one of " + found->second));
  }
  return file;
}

const Tensor<float>& weight(const ModelFile& file, const std::string& name, const Shape& shape) {
  const std::string& path = file.settings.path();
  const auto found = file.weights.find(name);
  if (found == file.weights.end()) {
    throw FileError(
        fmt::format("{}: want weights '{}' {}, got none of that name", path, name, to_string(shape)));
  }
  const Tensor<float>& tensor = found->second;
  if (tensor.shape() != shape) {
    throw FileError(fmt::format("{}: weights '{}' want shape {}, got {}", path, name, to_string(shape),
                                to_string(tensor.shape())));
  }
  if (!std::all_of(tensor.data(), tensor.data() + tensor.size(), [](float v) { return std::isfinite(v); })) {
    throw FileError(fmt::format("{}: weights '{}' want finite numbers, got NaN or infinity", path, name));
  }
  return tensor;
}

void throw_unknown_weight(const ModelFile& file) {
  throw FileError(fmt::format("{}: want only this model's weights, got {} tensors, some of another model",
                              file.settings.path(), file.weights.size()));
}

}  // namespace unroll::examples
