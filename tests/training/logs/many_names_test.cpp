// Calls with very many names: what they cost grows as they do.
#include <time.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/logs/log_file.hpp"

using namespace unroll;

namespace {

std::vector<NamedScalar> scalars(std::size_t count) {
  std::vector<NamedScalar> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back({"layer/" + std::to_string(i) + "/norm", static_cast<double>(i)});
  return values;
}

// Of this thread, the least of three.
template <class F>
double cpu_seconds(F&& f) {
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    timespec begin{}, end{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    f();
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    least = std::min(least, static_cast<double>(end.tv_sec - begin.tv_sec) +
                                1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec));
  }
  return least;
}

// A row that names all anew, and one that has them already.
template <class L>
double cost(const std::vector<NamedScalar>& values) {
  const ScratchFolder folder;
  return cpu_seconds([&] {
    L log(folder.path("run"));
    log.scalars(1, 1, values);
    log.scalars(2, 1, values);
  });
}

}  // namespace

TEST_CASE("logs take very many names in time that grows as their number") {
  const auto few = scalars(4000), many = scalars(64000);
  // 16 times for what is linear, 256 times for what is quadratic.
  constexpr double kMost = 60.0;
  CHECK(cost<CsvLog>(many) < kMost * cost<CsvLog>(few));
  CHECK(cost<JsonLinesLog>(many) < kMost * cost<JsonLinesLog>(few));
  const auto check = [](const auto& values) {
    return cpu_seconds([&] { detail::check_scalar_names("log", values, {"step"}); });
  };
  CHECK(check(many) < kMost * check(few));
}
