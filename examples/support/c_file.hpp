// Options of the programs that write their model as a C file.
#pragma once

#include <string>

#include "deploy/export_c.hpp"
#include "examples/support/cli.hpp"

namespace unroll::examples {

struct CFileOptions {
  std::string file;  // "": none
  bool int8 = false;
  std::string header() const { return file.empty() ? "" : file.substr(0, file.size() - 1) + "h"; }
};

// Adds --export-c and --int8.
void add_c_file_options(CLI::App& app, CFileOptions& options);
// Throws what writing the files would throw: called before the training.
void require_c_file(const CFileOptions& options);

// Writes the model, if there is a file, and says so. comment: what x and y are; model: what export_c takes.
void print_c_file(const CFileOptions& options);
template <class... Model>
void write_c_file(const CFileOptions& options, const std::string& comment, const Model&... model) {
  if (options.file.empty()) return;
  export_c(model..., options.file, {.int8 = options.int8, .comment = comment});
  print_c_file(options);
}

}  // namespace unroll::examples
