#include "examples/support/c_file.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "framework/quoted.hpp"
#include "training/models/state_dict.hpp"

namespace unroll::examples {

void add_c_file_options(CLI::App& app, CFileOptions& options) {
  constexpr const char* kGroup = "C file";
  auto* file = app.add_option("--export-c", options.file, "write the model as a C file, NAME.c, and NAME.h")
                   ->type_name("FILE")
                   ->group(kGroup);
  app.add_flag("--int8", options.int8, "its weights as bytes, a quarter as large")
      ->needs(file)
      ->group(kGroup);
}

void require_c_file(const CFileOptions& options) {
  if (options.file.empty()) return;
  require_c_names(options.file);
  require_writable(options.file);
}

void print_c_file(const CFileOptions& options) {
  fmt::print("wrote {} and its header\n", escaped(options.file));
}

}  // namespace unroll::examples
