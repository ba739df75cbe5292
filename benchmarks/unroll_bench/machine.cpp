#include "machine.hpp"

#include <cblas.h>
#include <malloc.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "framework/memory.hpp"

namespace unroll::bench {
namespace {

const cpu_set_t& allowed() {
  static const cpu_set_t set = [] {
    cpu_set_t s;
    CPU_ZERO(&s);
    sched_getaffinity(0, sizeof(s), &s);
    return s;
  }();
  return set;
}

// Returns a line of /proc/self/status in bytes, for example "VmHWM".
double status_bytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::atof(line.c_str() + key.size() + 1) * 1024.0;
  }
  return 0.0;
}

}  // namespace

void clear_blas_overrides(char** argv) {
  bool changed = false;
  for (const char* name : {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS"}) {
    if (std::getenv(name) == nullptr) continue;
    unsetenv(name);
    changed = true;
  }
  // For libraries that use OpenMP: they are measured on one core.
  const char* threads = std::getenv("OMP_NUM_THREADS");
  if (threads == nullptr || std::string(threads) != "1") {
    setenv("OMP_NUM_THREADS", "1", 1);
    changed = true;
  }
  if (changed) execv("/proc/self/exe", argv);
}

int cpu_count() { return CPU_COUNT(&allowed()); }

void pin(int threads) {
  cpu_set_t set = allowed();
  if (threads == 1) {
    std::size_t last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &set)) --last;
    CPU_ZERO(&set);
    CPU_SET(last, &set);
  }
  sched_setaffinity(0, sizeof(set), &set);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string name = "unknown CPU", family, model;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const auto value = [&] { return line.substr(line.find(':') + 2); };
    if (line.rfind("model name", 0) == 0) name = value();
    if (line.rfind("cpu family", 0) == 0) family = value();
    if (line.rfind("model\t", 0) == 0) model = value();
  }
  return name + " (family " + family + ", model " + model + ")";
}

void set_blas_threads(int threads) { openblas_set_num_threads(threads); }

std::string blas_core() { return openblas_get_corename(); }

double peak_bytes(const std::function<void()>& work) {
  release_unused_memory();
  malloc_trim(0);
  int ends[2];
  if (pipe(ends) != 0) return 0.0;
  const pid_t child = fork();
  if (child == 0) {
    std::ofstream("/proc/self/clear_refs") << "5";  // resets the peak to this process's from here on
    const double before = status_bytes("VmRSS");
    double grown = 0.0;
    try {
      work();
      grown = status_bytes("VmHWM") - before;
    } catch (...) {
    }
    [[maybe_unused]] const auto written = write(ends[1], &grown, sizeof(grown));
    _exit(0);
  }
  close(ends[1]);
  double grown = 0.0;
  if (child < 0 || read(ends[0], &grown, sizeof(grown)) != sizeof(grown)) grown = 0.0;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return grown;
}

}  // namespace unroll::bench
