// A limit of memory, for files that claim to hold much.
#pragma once

#include <sys/resource.h>
#include <catch2/catch.hpp>

#include "framework/memory.hpp"

// Lets this process have no more memory than it has now and 256 MiB, so that a file that makes us ask for
// much is found out. Sanitizers reserve terabytes themselves.
class LittleMemory {
 public:
  LittleMemory() {
#if UNROLL_POOL
    REQUIRE(::getrlimit(RLIMIT_DATA, &before_) == 0);
    struct rlimit small = before_;
    small.rlim_cur = rlim_t{1} << 28;
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
