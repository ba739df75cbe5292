#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/console_log.hpp"

using namespace unroll;

TEST_CASE("a console log prints a line for every call, at once") {
  const ScratchFolder folder;
  const std::string path = folder.path("out");
  std::FILE* const out = std::fopen(path.c_str(), "w");
  REQUIRE(out != nullptr);
  ConsoleLog log({.epochs = 12, .stream = out});
  const std::vector<NamedScalar> values{{"train/loss", 0.41234567}, {"valid/accuracy", 0.912}, {"n", 1e6}};
  log.text(0, "model", "gru  Gru  960");
  log.scalars(1200, 3, values);
  CHECK(file_text(path) ==
        "model:\ngru  Gru  960\nepoch 3/12 step 1200 train/loss 0.4123 valid/accuracy 0.912 n 1e+06\n");
  ConsoleLog other({.digits = 7, .stream = out});
  other.scalars(2, 1, std::vector<NamedScalar>{{"loss", 1.0 / 3.0}, {"nan", std::nan("")}});
  other.flush();
  CHECK(has(file_text(path), "\nepoch 1 step 2 loss 0.3333333 nan nan\n"));
  std::fclose(out);
}

TEST_CASE("a console log whose output is full says so") {
  std::FILE* const full = std::fopen("/dev/full", "w");
  REQUIRE(full != nullptr);
  ConsoleLog log({.stream = full});
  CHECK(has(message_of<FileError>([&] { log.scalars(1, 1, {}); }),
            "[ConsoleLog] cannot write a line: No space left"));
  std::fclose(full);
}

TEST_CASE("a console log refuses digits and epochs that make no sense") {
  CHECK(has(message_of<ArgumentError>([] { ConsoleLog({.digits = 0}); }), "digits: expected 1..17, got 0"));
  CHECK(has(message_of<ArgumentError>([] { ConsoleLog({.digits = 18}); }), "got 18"));
  CHECK(has(message_of<ArgumentError>([] { ConsoleLog({.stream = nullptr}); }), "got a null pointer"));
  CHECK(has(message_of<ArgumentError>([] { ConsoleLog({.epochs = -1}); }), "epochs: expected >= 0, got -1"));
}
