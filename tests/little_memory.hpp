// A limit of memory, for files that claim to hold much.
#pragma once

#include <sys/resource.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstddef>
#include <fstream>

#include "framework/memory.hpp"

// Lets this process have no more memory than it has now and 256 MiB, so that a file that makes us ask for
// much is found out. Sanitizers reserve terabytes themselves.
class LittleMemory {
 public:
  LittleMemory() {
#if UNROLL_POOL
    REQUIRE(::getrlimit(RLIMIT_DATA, &before_) == 0);
    std::size_t pages[6] = {};  // the sixth: of data and stack
    std::ifstream statm("/proc/self/statm");
    for (std::size_t& number : pages) statm >> number;
    REQUIRE(statm);
    struct rlimit small = before_;
    small.rlim_cur = pages[5] * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 28);
    REQUIRE(::setrlimit(RLIMIT_DATA, &small) == 0);
#endif
  }
  ~LittleMemory() {
#if UNROLL_POOL
    ::setrlimit(RLIMIT_DATA, &before_);
#endif
  }

 private:
  struct rlimit before_ {};
};
