// The machine that a measurement runs on, and how it is kept still.
#pragma once

#include <functional>
#include <string>

namespace unroll::bench {

// OpenBLAS obeys variables such as OPENBLAS_CORETYPE when it is loaded: with any of them set, starts this
// program again without. Returns when there is nothing to clear.
void clear_blas_overrides(char** argv);

// CPUs that this process may run on.
int cpu_count();

// Keeps the calling thread on the last CPU, or lets it use all of them when threads > 1.
void pin(int threads);

std::string cpu_name();
// The kernels that OpenBLAS has chosen for this CPU.
std::string blas_core();

// Threads of OpenBLAS itself, for what calls it directly.
void set_blas_threads(int threads);

// Bytes by which a new process grows at its peak while it runs work; 0 when it fails.
double peak_bytes(const std::function<void()>& work);

}  // namespace unroll::bench
