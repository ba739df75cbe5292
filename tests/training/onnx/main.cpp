// Writes models, inputs and outputs into a folder: onnx_cases FOLDER
#include <cstdio>
#include <fstream>

#include "cases.hpp"

void Cases::add(const std::string& name, const std::vector<Run>& runs) {
  nlohmann::json list = nlohmann::json::array();
  for (const Run& run : runs) list.push_back({{"inputs", run.inputs}, {"outputs", run.outputs}});
  std::ofstream out(folder_ / (name + ".json"));
  out << list;
  if (!out.flush()) throw std::runtime_error("cannot write the runs of " + name);
  names_.push_back(name);
}

void Cases::finish() const {
  std::ofstream out(folder_ / "cases.json");
  out << nlohmann::json(names_);
  if (!out.flush()) throw std::runtime_error("cannot write the list of cases");
}

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fputs("usage: onnx_cases FOLDER\n", stderr);
    return 2;
  }
  Cases cases(argv[1]);
  write_recurrent_cases(cases);
  write_model_cases(cases);
  write_op_cases(cases);
  cases.finish();
} catch (const std::exception& e) {
  std::fprintf(stderr, "onnx_cases: %s\n", e.what());
  return 1;
}
