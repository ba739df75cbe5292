// Threads that are not to be had, and children of fork(), which have none of their parent's.
#include "framework/kernels/parallel.hpp"
#include "framework/kernels/spin_barrier.hpp"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>

#include "framework/errors.hpp"

using namespace unroll;

namespace {

// Whether f() holds in a child of this process.
template <class F>
bool holds_in_child(const F& f) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(300);  // a child that hangs ends, and so does the test
    _exit(f() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Whether each of 4 parts runs once.
bool all_parts_run() {
  std::array<std::atomic<int>, 4> runs{};
  kernel::parallel(runs.size(), [&](std::size_t part) { ++runs[part]; });
  for (const auto& r : runs) {
    if (r != 1) return false;
  }
  return true;
}

// Whether 3 parts run at once: each waits for the others.
bool parts_meet() {
  kernel::SpinBarrier barrier(3);
  return kernel::parallel_at_once(3, [&](std::size_t) { barrier.arrive_and_wait(); });
}

}  // namespace

TEST_CASE("a child of fork has threads of its own") {
  CHECK(all_parts_run());
  CHECK(parts_meet());
  CHECK(holds_in_child([] { return all_parts_run() && parts_meet(); }));
  CHECK(holds_in_child([] { return parts_meet() && holds_in_child(parts_meet); }));
  CHECK(parts_meet());
}

TEST_CASE("where no thread can be started the calling one does all") {
  CHECK(holds_in_child([] {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, std::size_t{1} << 46);  // more than any address space has
    if (pthread_setattr_default_np(&attributes) != 0) return false;
    if (!all_parts_run() || parts_meet()) return false;
    pthread_attr_setstacksize(&attributes, std::size_t{1} << 20);
    pthread_setattr_default_np(&attributes);
    return all_parts_run() && parts_meet();  // when there are threads again
  }));
}

TEST_CASE("what a part throws is thrown when all have ended") {
  std::atomic<int> ran = 0;
  for (const std::size_t thrower : {0U, 2U}) {
    ran = 0;
    CHECK_THROWS_AS(kernel::parallel(3,
                                     [&](std::size_t part) {
                                       ++ran;
                                       if (part == thrower) throw MemoryError("none");
                                     }),
                    MemoryError);
    CHECK(ran >= static_cast<int>(thrower) + 1);
  }
  ran = 0;
  kernel::parallel(3, [&](std::size_t) { ++ran; });
  CHECK(ran == 3);
}
