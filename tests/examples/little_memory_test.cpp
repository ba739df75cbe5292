// Programs that have less memory than OpenBLAS asks for when it is loaded.
#include <catch2/catch.hpp>

#include "framework/memory.hpp"
#include "tests/examples/program.hpp"

using namespace unroll::examples;

#if UNROLL_POOL  // sanitizers reserve terabytes
TEST_CASE("a program without memory for OpenBLAS's threads ends, and says what it wanted") {
  for (const std::string kilobytes : {"80000", "100000", "150000"}) {
    CAPTURE(kilobytes);
    const std::string limited = "ulimit -v " + kilobytes + "; timeout 20 env";
    const ProgramResult help = run_example("classifier", "--help", limited);
    CHECK(help.status == 0);
    CHECK_THAT(help.out, Catch::Matchers::Contains("--task TASK"));
    check_refused("classifier", run_example("classifier", "--nonsense", limited), "nonsense");
  }
}
#endif
