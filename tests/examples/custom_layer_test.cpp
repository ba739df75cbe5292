#include <catch2/catch.hpp>

#include "tests/examples/program.hpp"

using namespace unroll::examples;

TEST_CASE("custom_layer checks, trains and scores its cell, the same for the same seed") {
  const ProgramResult result =
      run_example("custom_layer", "--epochs 3 --hidden 24 --layers 2 --bidirectional --seed 4");
  CHECK(result.status == 0);
  CHECK(result.out.find("gradient through time       ok") != std::string::npos);
  CHECK(result.err.find("epoch 3/3") != std::string::npos);
  const std::size_t at = result.out.find("test accuracy ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(result.out.substr(at + 14)) > 60.0);
  CHECK(run_example("custom_layer", "--epochs 3 --hidden 24 --layers 2 --bidirectional --seed 4").out ==
        result.out);
}

TEST_CASE("custom_layer answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  std::string columns = "split,label", row = "train,1";
  for (int i = 0; i < 64; ++i) {
    columns += ",p" + std::to_string(i);
    row += ",0";
  }
  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--hidden 0", "--hidden"},
      {"--epochs x", "--epochs"},
      {"--data " + folder.path("none.csv"), "none.csv"},
      {"--data " + folder.write("pixel.csv", columns + "\n" + row + "\nvalid" + row.substr(5) + "\ntrain,2" +
                                                 row.substr(7, row.size() - 8) + "x\n"),
       "pixel.csv:4: column 'p63': expected a finite number"},
      {"--data " + folder.write("word.csv", columns + "\n" + row + "\nother" + row.substr(5) + "\n"),
       "word.csv:3"},
      {"--data " + folder.write("valid.csv", columns + "\n" + row + "\n"),
       "valid.csv: expected at least one valid row"},
      {"--data " + folder.write("columns.csv", "split,label,a\ntrain,1,1\n"),
       "steps: expected a divisor of the 1 numeric columns"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.arguments);
    check_refused("custom_layer", run_example("custom_layer", c.arguments), c.want);
  }
}
