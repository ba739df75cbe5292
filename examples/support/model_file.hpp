// Models on disk: a safetensors file whose metadata say what the weights mean.
#pragma once

#include <string>
#include <vector>

#include "framework/serialization.hpp"
#include "layers/module.hpp"

namespace unroll::examples {

// Throws FileError unless a file of this name can be created or replaced; a file that is there stays as it
// is.
void require_writable(const std::string& path);

// Settings beside the weights, as text. Lists of numbers and texts are JSON, so that any language reads them.
class Settings {
 public:
  explicit Settings(std::string path) : path_(std::move(path)) {}
  Settings(std::string path, std::map<std::string, std::string> text)
      : path_(std::move(path)), text_(std::move(text)) {}

  void set(const std::string& key, const std::string& text) { text_[key] = text; }
  void set(const std::string& key, Index number);
  void set(const std::string& key, const std::vector<std::string>& list);
  void set(const std::string& key, const std::vector<double>& list);

  // Throw FileError naming file and key when it is missing or of another kind; a number must lie in
  // low..high, a list of numbers must be finite.
  const std::string& text(const std::string& key) const;
  Index number(const std::string& key, Index low, Index high) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;

  const std::string& path() const noexcept { return path_; }
  const std::map<std::string, std::string>& all() const noexcept { return text_; }
  [[noreturn]] void fail(const std::string& key, const std::string& want, const std::string& got) const;

 private:
  std::string path_;
  std::map<std::string, std::string> text_;
};

struct ModelFile {
  Settings settings;
  TensorMap<float> weights;
};

// Writes settings and weights under settings.path(), all or nothing.
void write_model_file(const Settings& settings, TensorMap<float> weights);
// Reads such a file; throws FileError when it is not one that the program called `program` has written.
ModelFile read_model_file(const std::string& path, const std::string& program);

// The element of file.weights called name, of this shape and finite; throws FileError otherwise.
const Tensor<float>& weight(const ModelFile& file, const std::string& name, const Shape& shape);
[[noreturn]] void throw_unknown_weight(const ModelFile& file);

template <class M>
void save_model(const M& model, const Settings& settings) {
  TensorMap<float> weights;
  for (const auto& [name, var] : named_parameters(model)) weights[name] = var.value();
  write_model_file(settings, std::move(weights));
}

// Fills model from the file, which must hold exactly its parameters.
template <class M>
void load_weights(M& model, const ModelFile& file) {
  std::size_t count = 0;
  for_each_parameter(model, [&](const std::string& name, auto& var) {
    var.mutable_value() = weight(file, name, var.shape());
    ++count;
  });
  if (count != file.weights.size()) throw_unknown_weight(file);
}

}  // namespace unroll::examples
