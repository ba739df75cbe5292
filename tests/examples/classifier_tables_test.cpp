// The classifier's tables and model files at their edges.
#include <catch2/catch.hpp>
#include <sstream>

#include "tests/examples/program.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace unroll::examples;
using Catch::Matchers::Contains;

namespace {

ProgramResult classifier(const std::string& arguments) { return run_example("classifier", arguments); }

// The program answers these arguments with `message`.
void refuses(const std::string& arguments, const std::string& message) {
  INFO(arguments);
  check_refused("classifier", classifier(arguments), message);
}

// Rows of four numbers that rise or fall.
std::string easy_numbers(std::size_t rows) {
  std::string text = "label,x0,x1,x2,x3\n";
  for (std::size_t i = 0; i < rows; ++i) {
    const bool rises = i % 2 == 0;
    text += rises ? "up" : "down";
    for (std::size_t t = 0; t < 4; ++t) {
      text +=
          "," + std::to_string(static_cast<double>(rises ? t : 4 - t) + 0.01 * static_cast<double>(i % 7));
    }
    text += '\n';
  }
  return text;
}

}  // namespace

TEST_CASE(
    "the classifier looks at a model's tensors before it builds one of the size that the metadata say") {
  const ScratchFolder folder;
  const std::string path = folder.path("large.safetensors");
  std::string columns, zeros, ones;
  for (int i = 0; i < 20000; ++i) {
    const std::string comma = i > 0 ? "," : "";
    columns += comma + "\"" + std::to_string(i) + "\"";
    zeros += comma + "0";
    ones += comma + "1";
  }
  const std::string encoder = "{\"label\":\"l\",\"labels\":[\"a\",\"b\"],\"columns\":[" + columns +
                              "],\"steps\":1,\"standardizer\":{\"mean\":[" + zeros + "],\"scale\":[" + ones +
                              "]}}";
  save_tensors(path, StateDict<float>{{},
                                      {{"program", "classifier"},
                                       {"task", "own"},
                                       {"cell", "lstm"},
                                       {"hidden", "4096"},
                                       {"encoder", encoder}}});
  refuses("--predict --model " + path + " 1",
          "large.safetensors: missing: 'layer.weight_ih_l0' (16384,20000)");
  save_tensors(path, StateDict<float>{{},
                                      {{"program", "classifier"},
                                       {"task", "own"},
                                       {"cell", "lstm"},
                                       {"hidden", "16"},
                                       {"encoder", "{\"labels\":" + std::string(120000, '[') +
                                                       std::string(120000, ']') + "}"}}});
  refuses("--predict --model " + path + " 1",
          "large.safetensors: 'encoder': expected JSON that is nested at most 32 deep");
}

TEST_CASE("the classifier leaves out a first column that only counts the rows, and says so") {
  const ScratchFolder folder;
  const std::string plain = easy_numbers(40);
  std::string counted = "," + plain.substr(0, plain.find('\n') + 1);
  std::istringstream lines(plain.substr(plain.find('\n') + 1));
  std::size_t n = 0;
  for (std::string line; std::getline(lines, line);) counted += std::to_string(n++) + "," + line + "\n";
  const std::string model = folder.path("m.safetensors");
  const ProgramResult run =
      classifier("--data " + folder.write("mine.csv", counted) + " --epochs 1 --hidden 3 --model " + model);
  CHECK(run.status == 0);
  CHECK_THAT(run.err, Catch::Matchers::StartsWith(
                          "classifier: note: column '' only counts the rows: it is left out\n"));
  CHECK_THAT(run.out, Contains("4 steps of 1 numbers"));
}

TEST_CASE(
    "the classifier leaves out the index of pandas and R in any order, and only points at other numbers that "
    "rise") {
  const ScratchFolder folder;
  const auto run = [&](const std::string& name, auto&& value) {
    std::istringstream lines(easy_numbers(40));
    std::string text, line;
    std::getline(lines, line);
    text = line + "," + name + "\n";
    for (int n = 0; std::getline(lines, line); ++n) text += line + "," + value(n) + "\n";
    return classifier("--data " + folder.write("mine.csv", text) + " --epochs 1 --hidden 3 --model " +
                      folder.path("m.safetensors"));
  };
  const auto shuffled = [](int n) { return std::to_string((n * 7 + 3) % 40); };
  const auto number = [](int first) { return [first](int n) { return std::to_string(first + n); }; };
  for (const std::string name : {"", "Unnamed: 0", "Unnamed: 0.1", "rownames"}) {
    const ProgramResult left = run(name, shuffled);
    CHECK_THAT(left.err, Catch::Matchers::StartsWith("classifier: note: column '" + name +
                                                     "' only counts the rows: it is left out\n"));
    CHECK_THAT(left.out, Contains("4 steps of 1 numbers"));
  }
  CHECK_THAT(run("rownames", [](int n) { return "car " + std::to_string(n); }).out, Contains("4 steps of 1"));
  const ProgramResult id = run("id", number(100));
  CHECK_THAT(id.err, Catch::Matchers::StartsWith("classifier: note: column 'id' rises from row to row") &&
                         Contains("--ignore 'id'"));
  CHECK_THAT(id.out, Contains("5 steps of 1 numbers"));
  // Features: whole numbers in any order, some of them twice, and what is not whole.
  const auto feature = [&](const ProgramResult& result) {
    CHECK_THAT(result.err, !Contains("note"));
    CHECK_THAT(result.out, Contains("5 steps of 1 numbers"));
  };
  feature(run("score", shuffled));
  feature(run("", [](int n) { return std::to_string(n / 2); }));
  feature(run("", [](int n) { return std::to_string(n) + ".5"; }));
  feature(run("Unnamed: x", shuffled));
}

TEST_CASE(
    "the classifier reads tables with a label of another name, without a header, with columns to ignore") {
  const ScratchFolder folder;
  std::string text = easy_numbers(40);
  const std::string quick = " --epochs 1 --hidden 3 --model " + folder.path("m.safetensors");
  const std::string bare = folder.write("bare.csv", text.substr(text.find('\n') + 1));
  CHECK_THAT(classifier("--data " + bare + " --label 0 --no-header" + quick).out,
             Contains("4 steps of 1 numbers"));
  text.replace(0, 5, "species");
  const std::string species = folder.write("species.csv", text);
  CHECK_THAT(classifier("--data " + species + " --label species --ignore x1 x3" + quick).out,
             Contains("2 steps of 1 numbers"));
  refuses("--data " + species + quick,
          "species.csv:1: expected a column 'label', got species, x0, x1, x2, x3");
  refuses("--data " + species + " --label species --ignore x9" + quick, "expected a column 'x9'");
}

TEST_CASE("the classifier writes no control characters of a table") {
  const ScratchFolder folder;
  std::string text = "label,text\n";
  for (int i = 0; i < 40; ++i) text += i % 2 ? "a\x1b[2J,xx\x1b\n" : "b,yy\n";
  const std::string model = folder.path("m.safetensors"), data = folder.write("mine.csv", text);
  const ProgramResult run = classifier("--data " + data + " --epochs 1 --hidden 3 --model " + model);
  const ProgramResult predicted = classifier("--predict --model " + model + " --input " + data);
  CHECK(run.status == 0);
  CHECK(predicted.status == 0);
  CHECK_THAT(run.out, Contains("a\\x1b[2J") && !Contains("\x1b"));
  CHECK_THAT(predicted.out, Contains("xx\\x1b\t") && !Contains("\x1b"));
}
