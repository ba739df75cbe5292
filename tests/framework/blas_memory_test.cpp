// Matrix products where there is no memory for the BLAS.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "framework/errors.hpp"
#include "framework/kernels/gemm.hpp"
#include "framework/memory.hpp"

using namespace unroll;

namespace {

// A product that is too large for anything but the BLAS. Returns whether it was right.
bool multiply(std::size_t n) {
  const std::vector<double> ones(n * n, 1.0);
  std::vector<double> product(n * n);
  kernel::gemm(false, false, n, n, n, 1.0, ones.data(), n, ones.data(), n, 0.0, product.data(), n);
  return product.front() == static_cast<double>(n) && product.back() == static_cast<double>(n);
}

}  // namespace

#if UNROLL_POOL  // a sanitizer has memory of its own
// Hidden, since it limits the memory of its whole process and wants one that has not multiplied yet: the next
// test runs it in such a process and fails if it does.
TEST_CASE("a program's first product with little memory", "[.]") {
  ::alarm(100);  // rather a failure than a program that never ends
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  struct rlimit limit {};
  REQUIRE(::getrlimit(RLIMIT_AS, &limit) == 0);
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 26);
  REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK_THROWS_AS(multiply(300), MemoryError);
  CHECK_THROWS_WITH(multiply(300), Catch::Contains("cannot allocate 134217728 bytes for OpenBLAS"));
  limit.rlim_cur = before;
  REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(multiply(300));
  ::alarm(0);
}

TEST_CASE("a product that the BLAS finds no memory for is an error and no endless loop") {
  // In a program of its own: the BLAS keeps what it has got once.
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const int status =
      std::system(fmt::format("'{}' \"a program's first product with little memory\" >&2", self).c_str());
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
#endif

TEST_CASE("several threads are inside the BLAS at a time") {
  std::vector<std::thread> threads;
  std::array<bool, 4> right{};
  for (bool& one : right) threads.emplace_back([&one] { one = multiply(300) && multiply(301); });
  for (std::thread& thread : threads) thread.join();
  for (const bool one : right) CHECK(one);
}
