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
  long on_one_thread = 0;
  for (const Variant& v : variants) {
    // The small ones; and W10, which on two threads must ask for no more than on one, where joining what the
    // directions put out takes lists from the heap.
    const bool small = v.workload == "W1" || v.workload == "W2" || v.workload == "W3" || v.workload == "W9";
    if (!small && v.workload != "W10") continue;
    unroll::set_num_threads(v.threads);
    const Step step = v.make();
    for (int i = 0; i < 10; ++i) step();
    const long counted = count_calls([&] {
      for (int i = 0; i < 100; ++i) step();
    });
    if (v.threads == 1) on_one_thread = small ? 0 : counted;
    expect(counted == on_one_thread, v.id().c_str(), counted);
  }
  return failures == 0 ? 0 : 1;
}
