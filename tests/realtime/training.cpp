// A training step in the steady state must not allocate: the pool has what it needs.
#include <string>

#include "count_calls.hpp"
#include "framework/threads.hpp"
#include "workloads.hpp"

int main() {
  using namespace unroll::bench;
  expect_counting();
  std::vector<Variant> variants;
  add_layers(variants);
  for (const Variant& v : variants) {
    // The small ones, and one that runs on two threads.
    const bool small = v.workload == "W1" || v.workload == "W2" || v.workload == "W3" || v.workload == "W9";
    if (!small && v.workload != "W10") continue;
    unroll::set_num_threads(v.threads);
    const Step step = v.make();
    for (int i = 0; i < 10; ++i) step();
    const long counted = count_calls([&] {
      for (int i = 0; i < 100; ++i) step();
    });
    expect(counted == 0, v.id().c_str(), counted);
  }
  return failures == 0 ? 0 : 1;
}
