#include <catch2/catch.hpp>
#include <regex>

#include "tests/examples/program.hpp"

using namespace unroll::examples;
using Catch::Matchers::Contains;

namespace {

std::string without_time(const ProgramResult& run) {
  return std::regex_replace(run.out, std::regex(", [0-9.]+ s\n"), "\n");
}

}  // namespace

TEST_CASE("adding_problem --help lists every option and how the table is made") {
  const ProgramResult help = run_example("adding_problem", "--help");
  CHECK(help.status == 0);
  for (const char* word : {"--length", "--cell", "--hidden", "--epochs", "--batch", "--lr", "--seed", "0.167",
                           "adding_problem --cell gru --seed X"}) {
    CHECK_THAT(help.out, Contains(word));
  }
}

TEST_CASE("adding_problem stops when it is solved, the same for the same seed") {
  const std::string easy = "--length 6 --hidden 24 --lr 0.01 --seed 2 --cell ";
  for (const std::string cell : {"lstm", "gru"}) {
    const ProgramResult run = run_example("adding_problem", easy + cell);
    CAPTURE(run.out, run.err);
    CHECK(run.status == 0);
    CHECK(run.err.empty());
    CHECK_THAT(run.out, Contains("step   250  error 0.") && Contains(cell + " T 6 seed 2: solved after "));
    CHECK(without_time(run) == without_time(run_example("adding_problem", easy + cell)));
  }
}

TEST_CASE("adding_problem says that it is not solved, with an error no better than that of saying 1") {
  const ProgramResult run = run_example("adding_problem", "--length 200 --hidden 4 --epochs 1 --cell rnn");
  CAPTURE(run.out, run.err);
  CHECK(run.status == 0);
  CHECK_THAT(run.out, Contains("rnn T 200 seed 1: not solved in 250 steps"));
  const double error = std::stod(run.out.substr(run.out.find("error ") + 6));
  CHECK(error > 0.14);
  CHECK(error < 0.2);
}

TEST_CASE("adding_problem answers bad options with one line and a non-zero status") {
  for (const std::string option :
       {"--length 1", "--length x", "--cell cnn", "--batch 0", "--lr 0", "--none"}) {
    CAPTURE(option);
    check_refused("adding_problem", run_example("adding_problem", option),
                  option.substr(0, option.find(' ')));
  }
}
