// Runs so many steps of a workload, for callgrind to count: run_steps WORKLOAD STEPS.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "workloads.hpp"

int main(int argc, char** argv) {
  using namespace unroll::bench;
  if (argc != 3) {
    std::fprintf(stderr, "run_steps: expected a workload and a number of steps\n");
    return 2;
  }
  std::vector<Variant> variants;
  add_layers(variants);
  add_custom_cells(variants);
  add_op_chains(variants);
  const std::string name = argv[1];
  for (const Variant& v : variants) {
    // "W3" is the layer, "W3/unroll-ops" another variant of it.
    if ((v.workload != name || v.name != "unroll") && v.workload + "/" + v.name != name) continue;
    const Step step = v.make();
    for (long i = std::atol(argv[2]); i > 0; --i) step();
    return 0;
  }
  std::fprintf(stderr, "run_steps: no workload '%s'\n", name.c_str());
  return 2;
}
