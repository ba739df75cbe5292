// The programs' C files give what the programs say.
#include <catch2/catch.hpp>

#include <cmath>

#include "c_library.hpp"
#include "tests/examples/program.hpp"
#include "training/training.hpp"

using namespace unroll;
using namespace unroll::examples;
using Catch::Contains;
using test::CModel;

TEST_CASE("next_value --export-c forecasts in C") {
  const ScratchFolder folder;
  const std::string at = folder.path(""), model = folder.path("m.safetensors"), csv = folder.path("out.csv");
  const ProgramResult run =
      run_example("next_value", "--task elnino --epochs 2 --cell gru --model '" + model + "' --csv-out '" +
                                    csv + "' --export-c '" + at + "sea.c'");
  INFO(run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out, Contains("sea.c and its header"));
  CHECK_THAT(test::read_bytes(at + "sea.h"),
             Contains("/* x: (value - 22.9") && Contains("sin and cos of 2 pi (t + 1) / 12"));
  CModel c(at, "sea");
  CHECK(c.selftest() == 0);
  const auto encoder = load_metadata(model).parsed<SeriesEncoder<float>>("encoder");
  const Table table = read_table(csv);
  float y = 0.0F;
  for (std::size_t t = 0; t < table.size(); ++t) {
    const bool known = !table.field(t, 1).empty();  // else it reads its own forecast
    const double value = known ? table.number(t, 1) : encoder.decode(y);
    if (t > 0) REQUIRE(table.number(t, known ? 2 : 3) == Approx(encoder.decode(y)).epsilon(1e-5));
    const Tensor<float> x = encoder.encode(value, static_cast<Index>(t));
    c.step(x.data(), &y);
  }
}

TEST_CASE("next_value writes no two files to one place") {
  check_refused("next_value", run_example("next_value", "--task toy --epochs 1 --export-c x.c --csv-out x.h"),
                "expected another file than");
}

TEST_CASE("classifier --export-c classifies in C, after a training and from its file") {
  const ScratchFolder folder;
  const std::string at = folder.path(""),
                    model = " --task words --model '" + folder.path("m.safetensors") + "'";
  const auto classifier = [&](const std::string& more) { return run_example("classifier", model + more); };
  REQUIRE(classifier(" --epochs 1 --hidden 12 --export-c '" + at + "trained.c'").status == 0);
  const ProgramResult again = classifier(" --predict --export-c '" + at + "words.c'");
  INFO(again.err);
  REQUIRE(again.status == 0);
  CHECK(again.error_lines() == 0);
  const ProgramResult bytes = classifier(" --predict --int8 --export-c '" + at + "bytes.c'");
  REQUIRE(bytes.status == 0);
  CModel trained(at, "trained"), c(at, "words"), int8(at, "bytes");
  CHECK(5 * int8.weight_bytes < 2 * c.weight_bytes);
  const ProgramResult said = classifier(" --predict huis");
  const auto encoder = load_metadata(folder.path("m.safetensors")).parsed<TableEncoder<float>>("encoder");
  std::vector<float> y(4), of_trained(4);
  for (const char letter : std::string("huis")) {
    const auto& tokens = encoder.vocabulary()->tokens();
    const auto id = std::find(tokens.begin(), tokens.end(), std::string(1, letter)) - tokens.begin();
    REQUIRE(c.step(static_cast<std::int32_t>(id), y.data()) == 1);
    REQUIRE(trained.step(static_cast<std::int32_t>(id), of_trained.data()) == 1);
  }
  CHECK(y == of_trained);
  float sum = 0.0F, largest = 0.0F;
  std::size_t best = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    sum += std::exp(y[k]);
    if (std::exp(y[k]) > largest) best = k;
    largest = std::max(largest, std::exp(y[k]));
  }
  const std::string begin = fmt::format("huis\t{}\t", encoder.labels().names()[best]);
  REQUIRE_THAT(said.out, Catch::Matchers::StartsWith(begin));
  CHECK(std::stod(said.out.substr(begin.size())) == Approx(largest / sum).margin(1e-4));

  // Mistakes are found before anything is learnt.
  check_refused("classifier", classifier(" --epochs 1000000 --export-c my-words.c"), "got 'my-words'");
  check_refused("classifier", classifier(" --epochs 1000000 --export-c '" + at + "no/folder/w.c'"),
                "no/folder/w.c");
  check_refused("classifier", classifier(" --int8"), "--int8 requires --export-c");
}
