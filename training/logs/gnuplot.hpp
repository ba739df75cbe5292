// The program that draws.
#pragma once

#include <string>
#include <vector>

namespace unroll::detail {

struct GnuplotResult {
  bool found;           // on the PATH
  int status;           // of its exit, 0 when all went well
  std::string message;  // what it said on stderr, at most some lines
  std::string output;   // what it wrote on stdout
};

// Runs gnuplot with these arguments, and without a terminal: Ctrl-C reaches the caller, not the drawing.
GnuplotResult run_gnuplot(std::vector<std::string> arguments);

}  // namespace unroll::detail
