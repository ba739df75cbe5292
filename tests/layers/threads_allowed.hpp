// ThreadsAllowed: a test's number of threads, taken back at its end.
#pragma once

#include "framework/threads.hpp"

namespace unroll::test {

struct ThreadsAllowed {
  const int before = num_threads();
  explicit ThreadsAllowed(int threads) { set_num_threads(threads); }
  ~ThreadsAllowed() { set_num_threads(before); }
  ThreadsAllowed(const ThreadsAllowed&) = delete;
  ThreadsAllowed& operator=(const ThreadsAllowed&) = delete;
};

}  // namespace unroll::test
