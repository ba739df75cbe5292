// with_isa avx2 program argument...: runs the program with that instruction set, or returns 77 where it is
// not supported, and where it is the best one, with which the program's tests run anyhow.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "framework/simd.hpp"

int main(int count, char** arguments) {
  if (count < 3) return EXIT_FAILURE;
  const std::vector<std::string> isas = unroll::simd_isas();
  if (std::find(isas.begin(), isas.end(), arguments[1]) == isas.end()) {
    std::printf("skipped: this build or CPU has no %s, its best is %s\n", arguments[1], isas.back().c_str());
    return 77;
  }
  if (isas.size() > 1 && isas.back() == arguments[1]) {
    std::printf("skipped: %s is this CPU's best, which all other tests use\n", arguments[1]);
    return 77;
  }
  setenv("UNROLL_SIMD", arguments[1], 1);
  execv(arguments[2], arguments + 2);
  std::perror(arguments[2]);
  return EXIT_FAILURE;
}
