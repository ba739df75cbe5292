#include <catch2/catch.hpp>

#include "training/training.hpp"

TEST_CASE("a log that holds scalars only ignores the rest") {
  struct Scalars : unroll::Log {
    int calls = 0;
    void scalars(std::int64_t, std::int64_t, std::span<const unroll::NamedScalar>) override { ++calls; }
  } log;
  log.histogram(1, "weights", {});
  log.text(1, "summary", "");
  log.scalars(1, 1, {});
  CHECK(log.calls == 1);
}
