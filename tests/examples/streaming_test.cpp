#include <catch2/catch.hpp>

#include "tests/examples/program.hpp"

using namespace unroll::examples;

namespace {

double number_after(const std::string& text, const std::string& words) {
  const std::size_t at = text.find(words);
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + words.size()));
}

}  // namespace

TEST_CASE(
    "streaming forecasts as the sequence does, better than the last value, the same for the same seed") {
  const std::string arguments = "--updates 150 --hidden 24 --repeat 2 --seed 3";
  const ProgramResult result = run_example("streaming", arguments);
  CAPTURE(result.out, result.err);
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  CHECK(number_after(result.out, "(RMSE)") < 0.7 * number_after(result.out, "last value again"));
  CHECK(number_after(result.out, "from the sequence") < 1e-5);
  CHECK(number_after(result.out, "p50") > 0.0);
  const auto without_times = [](const std::string& text) {
    return text.substr(0, text.find("a call takes"));
  };
  CHECK(without_times(run_example("streaming", arguments).out) == without_times(result.out));
}

TEST_CASE("streaming answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--hidden 0", "--hidden"},
      {"--updates x", "--updates"},
      {"--data " + folder.path("none.csv"), "none.csv"},
      {"--data " + folder.write("split.csv", "split,year,month,sst\ntrain,1950,1,20\n"), "48 rows 'train'"},
      {"--data " + folder.write("short.csv",
                                "split,year,month,sst\ntrain,1950,1,20\nvalid,1950,2,20\ntest,1950,3,20\n"),
       "48 rows 'train'"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.arguments);
    check_refused("streaming", run_example("streaming", c.arguments), c.want);
  }
}
