// Files of tensors: safetensors, npz, npy, as models and with their metadata.
#include <cstdint>
#include <cstring>

#include "framework/serialization.hpp"
#include "framework/tensor_file.hpp"
#include "tests/fuzz/metadata_checks.hpp"
#include "training/models/npy.hpp"
#include "training/models/npz.hpp"
#include "training/models/state_dict.hpp"

namespace unroll::fuzz {
namespace {

struct Model {
  using Scalar = float;
  Var<float> weight = parameter(Tensor<float>{{1, 2}, {3, 4}, {5, 6}});
  Var<float> bias = parameter(Tensor<float>{1, 2, 3});
  static void each(auto& self, auto&& visit) {
    visit("a.weight", self.weight);
    visit("a.bias", self.bias);
  }
};

template <class S>
bool same(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() &&
         (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size() * sizeof(S)) == 0);
}
template <class S>
bool same(const StateDict<S>& a, const StateDict<S>& b) {
  if (a.metadata != b.metadata || a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [name, tensor] : a.tensors) {
    const auto found = b.tensors.find(name);
    if (found == b.tensors.end() || !same(tensor, found->second)) return false;
  }
  return true;
}

template <class... S>
void read_as(TensorFile& file, const TensorInfo& info) {
  std::size_t elements = 1;
  for (const std::size_t size : info.shape) elements *= size;
  const auto read = [&]<class T>(Rounding rounding) {
    const auto tensor = attempt([&] { return file.read<T>(info.name, rounding); });
    if (tensor)
      require(tensor->shape() == info.shape && tensor->size() == elements, "a tensor has its shape");
  };
  (read.template operator()<S>(Rounding::refuse), ...);
  (read.template operator()<S>(Rounding::nearest), ...);
}

void read_all(TensorFile& file) {
  std::size_t most = 16;  // tensors; one alike the other
  for (const TensorInfo& info : file.tensors()) {
    if (most-- == 0) break;
    require(file.contains(info.name) && file.info(info.name).name == info.name, "a tensor is there by name");
    read_as<float, double, bool, std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t,
            std::uint16_t, std::uint32_t, std::uint64_t>(file, info);
  }
  attempt([&] { return file.read<float>("no such tensor"); });
}

template <class Load, class Save>
void check_back(Load&& load, Save&& save, const std::string& path, const std::string& copy) {
  const auto first = attempt([&] { return load(path); });
  if (!first) return;
  must("what was loaded is saved", [&] { save(copy, *first); });
  require(same(must("what was saved is loaded", [&] { return load(copy); }), *first),
          "tensors saved and loaded are the same");
}

void check_model(const std::string& path) {
  for (const LoadOptions& options :
       {LoadOptions{}, LoadOptions{.strict = false, .rounding = Rounding::nearest, .finite = true},
        LoadOptions{
            .strict = false, .prefix = "a", .rename = [](const std::string& n) { return "a." + n; }}}) {
    Model model;
    const auto before = state_dict(model);
    if (attempt([&] { return load_model(path, model, options); })) continue;
    for (const auto& [name, tensor] : state_dict(model)) {
      require(same(tensor, before.at(name)), "a model that was refused a file is as before");
    }
  }
  if (const auto metadata = attempt([&] { return load_metadata(path); })) check_metadata(*metadata);
}

template <class S>
void check_state(const std::string& safetensors, const std::string& npz) {
  check_back([](const std::string& path) { return load_tensors<S>(path); },
             [](const std::string& path, const StateDict<S>& state) { save_tensors(path, state); },
             safetensors, file("copy.safetensors"));
  for (const bool compress : {false, true}) {
    check_back([](const std::string& path) { return load_npz<S>(path); },
               [&](const std::string& path, const StateDict<S>& state) {
                 save_npz(path, state, {.compress = compress});
               },
               npz, file("copy.npz"));
  }
}

template <class... S>
void check_arrays(const std::string& path) {
  (check_back([](const std::string& from) { return load_npy<S>(from); },
              [](const std::string& to, const Tensor<S>& tensor) { save_npy(to, tensor); }, path,
              file("copy.npy")),
   ...);
}

}  // namespace

// The bytes as each of the formats; those of another are refused at once.
void one_input(std::string_view input) {
  const std::string safetensors = file("in.safetensors", input), npz = file("in.npz", input),
                    npy = file("in.npy", input);
  const auto check = [](auto&& open) {
    if (const auto file = attempt(open)) read_all(**file);
  };
  check([&] { return open_safetensors(safetensors); });
  check([&] { return open_npz(npz); });
  check([&] { return open_npy(npy); });
  check_state<float>(safetensors, npz);
  check_state<double>(safetensors, npz);
  check_model(safetensors);
  check_model(npz);
  check_arrays<float, double, bool, std::int8_t, std::int64_t, std::uint64_t>(npy);
}

}  // namespace unroll::fuzz
