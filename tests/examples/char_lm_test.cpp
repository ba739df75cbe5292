#include <catch2/catch.hpp>
#include <filesystem>
#include <regex>

#include "framework/serialization.hpp"
#include "tests/examples/program.hpp"

using namespace unroll;
using namespace unroll::examples;
using Catch::Matchers::Contains;

namespace {

ProgramResult char_lm(const std::string& arguments, const std::string& before = "") {
  return run_example("char_lm", arguments, before);
}

// A text in which the next character is certain but for the first of each word.
std::string easy_text(int words) {
  std::string text;
  for (int k = 0; k < words; ++k) text += (k * k + k / 3) % 3 == 0 ? "h\u00e9llo " : "world\n";
  return text;
}

const std::string kQuick = " --hidden 16 --batch 4 --lr 0.02 --epochs 4 --length 60";

double test_bits(const ProgramResult& run) {
  std::smatch found;
  REQUIRE(std::regex_search(run.out, found, std::regex("test bits per character ([0-9.]+)")));
  return std::stod(found[1]);
}

bool same_weights(const std::string& a, const std::string& b) {
  const auto x = load_tensors<float>(a), y = load_tensors<float>(b);
  return x.metadata == y.metadata && !x.tensors.empty() && x.tensors == y.tensors;
}

}  // namespace

TEST_CASE("char_lm --help lists every option and how the table is made") {
  const ProgramResult help = char_lm("--help");
  CHECK(help.status == 0);
  for (const char* word :
       {"--text", "--name", "--resume", "--sample", "--prompt", "--length", "--top-k", "--temperature",
        "--cell", "--hidden", "--epochs", "--batch", "--lr", "--seed", "char_lm --cell lstm --seed X"}) {
    CHECK_THAT(help.out, Contains(word));
  }
}

TEST_CASE("char_lm learns a text, saves the model with its vocabulary and writes with it") {
  const ScratchFolder folder;
  const std::string text = folder.write("text.txt", easy_text(1500));
  for (const std::string cell : {"rnn", "lstm", "gru"}) {
    const std::string name = folder.path(cell);
    const ProgramResult run = char_lm("--text " + text + " --cell " + cell + " --name " + name + kQuick);
    CAPTURE(cell, run.out, run.err);
    REQUIRE(run.status == 0);
    CHECK(test_bits(run) < 0.5);
    for (const char* epoch : {"epoch 1/4", "epoch 4/4"}) CHECK_THAT(run.err, Contains(epoch));
    CHECK_THAT(run.err, Contains("valid loss") && Contains("bits_per_character"));

    const std::string sample =
        "--sample " + name + ".safetensors --length 50 --seed 3 --prompt 'h\u00e9' --top-k ";
    const ProgramResult one = char_lm(sample + "1"), again = char_lm(sample + "1 --temperature 9");
    REQUIRE(one.status == 0);
    CHECK_THAT(one.out, Catch::Matchers::StartsWith("h\u00e9llo "));
    CHECK(one.out == again.out);  // of one there is no choice
    CHECK(char_lm(sample + "5").out == char_lm(sample + "5").out);
    CHECK(char_lm(sample + "5 --temperature 5").out != one.out);
    CHECK(char_lm("--length 0 --prompt h\u00e9 --sample " + name + ".safetensors").out == "h\u00e9\n");
    CHECK_THAT(char_lm("--length 5 --sample " + name + ".safetensors").out, !Contains("<unk>"));
  }
}

TEST_CASE("char_lm that was stopped by Ctrl-C goes on with --resume to the same bits") {
  const ScratchFolder folder;
  const std::string arguments = "--text " + folder.write("text.txt", easy_text(6000)) +
                                " --hidden 64 --batch 4 --epochs 30 --length 60 --name ";
  const std::string whole = folder.path("whole"), parts = folder.path("parts");
  const ProgramResult at_once = char_lm(arguments + whole);
  REQUIRE(at_once.status == 0);

  // Ctrl-C in five goes, of a few epochs at most, and then to the end: there it might come after the
  // training.
  int saved = 0;
  for (int k = 0; k < 5; ++k) {
    const std::string resumes = std::filesystem::exists(parts + ".checkpoint") ? " --resume" : "";
    const ProgramResult stopped = interrupt_example("char_lm", arguments + parts + resumes, "epoch");
    CAPTURE(stopped.err);
    REQUIRE(stopped.status == 130);
    if (stopped.err.find("the same command with --resume") != std::string::npos) ++saved;
  }
  const ProgramResult run = char_lm(arguments + parts + " --resume");
  CAPTURE(saved, run.err);
  CHECK(saved == 5);
  CHECK(run.status == 0);
  CHECK(test_bits(run) == test_bits(at_once));
  CHECK(same_weights(whole + ".safetensors", parts + ".safetensors"));
}

TEST_CASE("char_lm answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  const std::string text = folder.write("text.txt", easy_text(300));
  const std::string model = folder.path("model");
  REQUIRE(char_lm("--text " + text + " --name " + model + kQuick).status == 0);
  auto larger = load_tensors<float>(model + ".safetensors");
  larger.metadata["hidden"] = "4096";
  save_tensors(folder.path("larger.safetensors"), larger);
  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--sample " + folder.path("larger.safetensors"),
       "larger.safetensors: misshapen: 'layer.weight_ih_l0': expected (16384,32), got"},
      {"--cell lstn", "--cell"},
      {"--temperature 0", "--temperature"},
      {"--top-k 0", "--top-k"},
      {"--text " + folder.path("none.txt"), "none.txt"},
      {"--text " + folder.write("empty.txt", ""),
       "empty.txt: expected at least 37 characters (for --batch 32, split 90 : 5 : 5), got 0"},
      {"--text " + folder.write("latin1.txt", "ab\ncd\xe9 ef\n"), "latin1.txt:2: expected UTF-8"},
      {"--text " + folder.write("short.txt", "too short a text"),
       "short.txt: expected at least 37 characters"},
      {"--text " + folder.write("text.txt.gz", "\x1f\x8b\x08"),
       "text.txt.gz: expected UTF-8 text, got a gzip file"},
      {"--text " + text + " --name " + folder.path("none/model"), "none/model.safetensors"},
      {"--text " + text + " --name " + folder.path("other") + " --resume", "other.checkpoint"},
      {"--text " + text + " --name " + model + " --resume --hidden 17 --batch 4", "model.checkpoint"},
      {"--sample " + folder.path("none.safetensors"), "none.safetensors"},
      {"--sample " + text, "text.txt"},
      {"--sample " + model + ".checkpoint", "checkpoint"},
      {"--sample " + model + ".safetensors --prompt '\xff'", "UTF-8"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.arguments);
    check_refused("char_lm", char_lm(c.arguments), c.want);
  }
}
