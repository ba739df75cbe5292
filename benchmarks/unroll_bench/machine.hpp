// The machine of a measurement: its properties, and measures against noise.
#pragma once

#include <functional>
#include <string>

namespace unroll::bench {

// OpenBLAS obeys variables such as OPENBLAS_CORETYPE when it is loaded. If any of them is set, restarts this
// program without them; otherwise returns.
void clear_blas_overrides(char** argv);

// Returns the number of CPUs that this process may run on.
int cpu_count();

// Pins the calling thread to the last CPU, or lets it use all of them if threads > 1.
void pin(int threads);

std::string cpu_name();
// Returns the kernels that OpenBLAS has chosen for this CPU.
std::string blas_core();

// Sets the threads of OpenBLAS itself, for code that calls it directly.
void set_blas_threads(int threads);

// Returns the bytes by which a new process grows at its peak while it runs work; 0 if it fails.
double peak_bytes(const std::function<void()>& work);

}  // namespace unroll::bench
