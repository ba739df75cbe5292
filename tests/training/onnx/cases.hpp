// Models on disk beside inputs and what Unroll makes of them, for compare.mjs.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "training/onnx/onnx.hpp"
#include "unroll.hpp"

// {"type": "float32", "dims": [..], "data": [..]}
template <class T>
nlohmann::json to_json(const unroll::Tensor<T>& value, const char* type) {
  nlohmann::json data = nlohmann::json::array();
  for (std::size_t i = 0; i < value.size(); ++i) data.push_back(value.data()[i]);
  return {{"type", type},
          {"dims", std::vector<std::size_t>(value.shape().begin(), value.shape().end())},
          {"data", data}};
}
inline nlohmann::json to_json(const unroll::Var<float>& v) { return to_json(v.value(), "float32"); }
inline nlohmann::json to_json(const unroll::Var<double>& v) { return to_json(v.value(), "float64"); }
inline nlohmann::json to_json(const unroll::IndexTensor& v) { return to_json(v, "int64"); }
inline nlohmann::json lengths_to_json(const std::vector<unroll::Index>& lengths) {
  return {{"type", "int32"}, {"dims", {lengths.size()}}, {"data", lengths}};
}

// One run: tensors by name.
struct Run {
  nlohmann::json inputs = nlohmann::json::object(), outputs = nlohmann::json::object();
};

class Cases {
 public:
  explicit Cases(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  // Where the model of this name belongs.
  std::string path(const std::string& name) const { return (folder_ / (name + ".onnx")).string(); }
  void add(const std::string& name, const std::vector<Run>& runs);
  // Writes the list of all.
  void finish() const;

 private:
  std::filesystem::path folder_;
  std::vector<std::string> names_;
};

void write_recurrent_cases(Cases& cases);
void write_model_cases(Cases& cases);
void write_op_cases(Cases& cases);
