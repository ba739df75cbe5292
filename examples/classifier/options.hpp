// The classifier's command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "examples/classifier/model.hpp"
#include "examples/support/run.hpp"

namespace unroll::examples::classifier {

enum class Task { words, digits, own };
const char* to_string(Task task) noexcept;

struct Options {
  std::optional<std::string> task_name, cell_name;  // as given
  TrainingOptions training;
  std::optional<Index> embedding, steps;
  std::optional<double> dropout;
  std::string data;   // "": the shipped data
  std::string model;  // "": named after the task
  std::string onnx;   // "": none
  bool predict = false;
  std::string input;               // --predict: a table; "": items, or standard input
  std::vector<std::string> items;  // --predict: what to classify

  Task task() const;
  std::string data_path() const;
  std::string model_path() const;
  // The task's settings where the command line says nothing.
  Recipe recipe() const;
  ModelSizes sizes() const;
};

// Returns nothing when --help has been answered. Throws ArgumentError for what is not allowed.
std::optional<Options> parse_options(int argc, const char* const* argv);

}  // namespace unroll::examples::classifier
