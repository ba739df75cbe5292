#include "framework/serialization.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "framework/safetensors_format.hpp"
#include "framework/tensor_file.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file format is little-endian");

using detail::safetensors::kLargestHeader;
using detail::safetensors::kMetadata;
using detail::safetensors::kPrefix;

// value as JSON; its strings must be UTF-8.
std::string utf8_json(const Json& value) {
  try {
    return value.dump();
  } catch (const Json::exception& error) {
    throw ArgumentError(fmt::format("[save_tensors] names and metadata: expected UTF-8, got: {}",
                                    escaped(error.what(), 200)));
  }
}

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
          fmt::format("[save_tensors] tensors: expected names other than '{}', got that name", kMetadata));
    }
    const std::uint64_t end = offset + tensor.size() * sizeof(S);
    add(name, fmt::format(R"({{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", to_string(dtype_of<S>()),
                          fmt::join(tensor.shape(), ","), offset, end));
    offset = end;
  }
  text += '}';
  text.append((kPrefix - text.size() % kPrefix) % kPrefix, ' ');
  if (text.size() > kLargestHeader) {
    throw ArgumentError(
        fmt::format("[save_tensors] names and metadata: expected at most {} bytes in all, got {}",
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
  return detail::read_all<S>(*open_safetensors(path, "load_tensors"));
}

template <class S>
StateDict<S> detail::read_all(TensorFile& file) {
  const std::vector<TensorInfo> infos = file.tensors();
  for (const TensorInfo& info : infos) {
    if (info.unreadable.empty() && is_float(info.dtype) && readable_as<S>(info.dtype)) continue;
    file.fail(
        fmt::format("tensor {}: expected {}, got {}{}", quoted(info.name),
                    sizeof(S) == 4 ? "F32, F16 or BF16" : "F64, F32, F16 or BF16", type_of(info),
                    info.dtype == Dtype::f64 ? " (reading as double takes it; convert_tensor rounds)" : ""));
  }
  StateDict<S> state;
  state.metadata = file.metadata();
  for (const TensorInfo& info : infos) state.tensors[info.name] = file.read<S>(info.name);
  return state;
}

template void save_tensors(const std::string&, const StateDict<float>&);
template void save_tensors(const std::string&, const StateDict<double>&);
template StateDict<float> load_tensors(const std::string&);
template StateDict<double> load_tensors(const std::string&);

template StateDict<float> detail::read_all(TensorFile&);
template StateDict<double> detail::read_all(TensorFile&);

}  // namespace unroll
