#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/examples/program.hpp"

using namespace unroll::examples;
using Catch::Matchers::Contains;

namespace {

// "n" is "ñ" between two "a" and nowhere else.
std::string easy_words(std::size_t rows) {
  std::string text = "split\tword\tascii\n";
  for (std::size_t i = 0; i < rows; ++i) {
    text += i % 5 < 3 ? "train\t" : i % 5 < 4 ? "valid\t" : "test\t";
    std::string ascii;
    for (std::size_t k = 0; k < 3 + i % 4; ++k) ascii += "aonb"[(i * 7 + k * (i % 3 + 1)) % 4];
    std::string word;
    for (std::size_t k = 0; k < ascii.size(); ++k) {
      const bool marked = ascii[k] == 'n' && k > 0 && ascii[k - 1] == 'a' && ascii[k + 1] == 'a';
      word += marked ? "\xc3\xb1" : std::string(1, ascii[k]);
    }
    text += word + "\t" + ascii + "\n";
  }
  return text + "train\ta\xc3\xb1" + "a\tana\ntest\ta\xc3\xb1" + "ana\tanana\n";
}

ProgramResult tagger(const std::string& arguments, const std::string& before = "") {
  return run_example("sequence_tagger", arguments, before);
}

const std::string kQuick = " --hidden 8 --batch 8 --lr 0.02";

}  // namespace

TEST_CASE("sequence_tagger learns, scores, saves and restores the marks, the same for the same seed") {
  const ScratchFolder folder;
  const std::string cell = GENERATE("rnn", "lstm", "gru");
  const std::string data = folder.write("words.tsv", easy_words(150)), model = folder.path("m.safetensors");
  const std::string arguments = "--data " + data + " --cell " + cell + " --epochs 12" + kQuick + " --model ";
  const ProgramResult run = tagger(arguments + model + " --log " + folder.path("log"));
  INFO(run.out << run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.err, Contains("epoch 12/12"));
  CHECK_THAT(run.out, Contains("as they are") && Contains(cell + " ") && Contains("letters  whole words"));
  CHECK_FALSE(std::filesystem::exists(model + ".checkpoint"));
  CHECK_THAT(read_text(folder.path("log/log.csv")), Catch::Matchers::StartsWith("step,epoch,train/loss"));
  CHECK_THAT(read_text(folder.path("log/log.jsonl")), Contains("valid/accuracy"));

  const std::string other = folder.path("n.safetensors");
  REQUIRE(tagger(arguments + other).status == 0);
  CHECK(read_text(other) == read_text(model));

  // A letter that training has not seen stays.
  const ProgramResult words = tagger("--model " + model + " --predict bob b7b");
  CHECK(words.status == 0);
  CHECK(words.err.empty());
  CHECK(words.out == "bob\nb7b\n");
}

TEST_CASE("sequence_tagger reads the shipped words") {
  const ScratchFolder folder;
  const ProgramResult run = tagger("--epochs 1 --hidden 8 --model " + folder.path("m.safetensors"));
  CHECK(run.status == 0);
  CHECK_THAT(run.out, Contains("as they are    89.10%       55.80%"));
}

TEST_CASE("Ctrl-C stops sequence_tagger, and --resume ends with the weights of a run that was not stopped") {
  const ScratchFolder folder;
  const std::string data = " --data " + folder.write("words.tsv", easy_words(600)) + kQuick + " --epochs 40";
  const std::string whole = folder.path("whole.safetensors"), stopped = folder.path("stopped.safetensors");
  REQUIRE(tagger("--model " + whole + data).status == 0);
  const ProgramResult run = interrupt_example("sequence_tagger", "--model " + stopped + data, "epoch  1/40");
  CHECK(run.status == 130);
  CHECK_THAT(run.err, Contains("interrupted in epoch") && Contains("the same command with --resume"));
  REQUIRE(std::filesystem::exists(stopped + ".checkpoint"));
  REQUIRE(tagger("--resume --model " + stopped + data).status == 0);
  CHECK(read_text(stopped) == read_text(whole));
  CHECK_FALSE(std::filesystem::exists(stopped + ".checkpoint"));
}

TEST_CASE("sequence_tagger answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  const std::string model = " --model " + folder.path("m.safetensors");
  const std::string header = "split\tword\tascii\n";
  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--hidden 0", "--hidden"},
      {"--epochs x", "--epochs"},
      {"--cell cnn", "--cell"},
      {"--data " + folder.path("none.tsv") + model, "none.tsv"},
      {"--data " + folder.write("a.tsv", "split\tword\ntrain\ta\n") + model, "ascii"},
      {"--data " + folder.write("b.tsv", header + "train\tab\tab\nvalid\ta\tab\n") + model, "b.tsv:3"},
      {"--data " + folder.write("c.tsv", header + "train\tab\tab\nlearn\tab\tab\n") + model, "c.tsv:3"},
      {"--data " + folder.write("d.tsv", header + "train\t\t\n") + model, "d.tsv:2"},
      {"--epochs 1 --model " + folder.path("no/m.safetensors"), "no/m.safetensors"},
      {"--predict zolw --model " + folder.path("none.safetensors"), "none.safetensors"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.arguments);
    check_refused("sequence_tagger", tagger(c.arguments), c.want);
    CHECK_FALSE(std::filesystem::exists(folder.path("m.safetensors")));
  }
  CHECK(tagger("--help").status == 0);
}
