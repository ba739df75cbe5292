#include <catch2/catch.hpp>
#include <filesystem>
#include <limits>
#include <regex>

#include "tests/examples/program.hpp"
#include "training/data/table_encoder.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace unroll::examples;
using Catch::Matchers::Contains;

namespace {

const std::string kData = UNROLL_EXAMPLE_DATA;

ProgramResult classifier(const std::string& arguments) { return run_example("classifier", arguments); }

// The program answers these arguments with `message`.
void refuses(const std::string& arguments, const std::string& message) {
  INFO(arguments);
  check_refused("classifier", classifier(arguments), message);
}

// The output without what may differ between two runs.
std::string without_time(const ProgramResult& run) {
  return std::regex_replace(run.out, std::regex("saved in .*\n"), "\n");
}

// `rows` rows of two classes that are easy to tell apart: texts of a and b, of c and d.
std::string easy_texts(std::size_t rows, bool with_split) {
  std::string text = with_split ? "split\tlabel\ttext\n" : "label\ttext\n";
  for (std::size_t i = 0; i < rows; ++i) {
    const bool first = i % 2 == 0;
    if (with_split) text += i % 10 < 6 ? "train\t" : i % 10 < 8 ? "valid\t" : "test\t";
    text += first ? "ab\t" : "cd\t";
    for (std::size_t k = 0; k < 2 + i % 5; ++k)
      text += first ? (i >> k) % 2 ? 'a' : 'b' : (i >> k) % 2 ? 'c' : 'd';
    text += '\n';
  }
  return text;
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

const std::string kQuick = " --epochs 8 --hidden 8 --batch 8 --lr 0.02";

}  // namespace

TEST_CASE("classifier --help lists every option") {
  const ProgramResult help = classifier("--help");
  CHECK(help.status == 0);
  CHECK(help.err.empty());
  for (const char* option : {"--task", "--data", "--steps", "--model", "--cell", "--hidden", "--epochs",
                             "--batch", "--lr", "--seed", "--predict", "--input", "--log", "--plot",
                             "--resume", "classifier --task TASK --cell CELL --seed X"}) {
    CHECK_THAT(help.out, Contains(option));
  }
  CHECK_THAT(help.out, Contains("digits 60, own 30, words 18"));
  CHECK_THAT(help.out, Contains("label") && Contains("split"));
}

TEST_CASE("the classifier learns the user's texts, saves the model and predicts with it") {
  const ScratchFolder folder;
  const std::string cell = GENERATE("rnn", "lstm", "gru");
  const std::string data = folder.write("mine.tsv", easy_texts(120, true));
  const std::string model = folder.path("m.safetensors");
  const ProgramResult run = classifier("--data " + data + " --model " + model + " --cell " + cell + kQuick);
  INFO(run.out << run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out,
             Contains("72 train, 24 valid, 24 test rows of texts of 4 characters; 2 classes: ab, cd"));
  CHECK_THAT(run.err, Contains("epoch 8/8"));
  CHECK_THAT(run.out, Contains("best epoch") && Contains("accuracy 100.00%"));
  CHECK_FALSE(std::filesystem::exists(model + ".checkpoint"));
  CHECK_THAT(run.out, Contains("\ntrue           ab      cd  recall\n"
                               "ab             12       0  100.0%\n"
                               "cd              0      12  100.0%\n"
                               "precision  100.0%  100.0%\n"));

  const ProgramResult items = classifier("--predict --model " + model + " abab dcd");
  CHECK(items.status == 0);
  CHECK(items.err.empty());
  CHECK(std::regex_match(items.out, std::regex("abab\tab\t[01]\\.[0-9]{4}\ndcd\tcd\t[01]\\.[0-9]{4}\n")));

  // The same from standard input, and from a table, where labels give an accuracy.
  const std::string lines = folder.write("lines", "abab\ndcd\n");
  CHECK(classifier("--predict --model " + model + " < " + lines).out == items.out);
  const ProgramResult table = classifier("--predict --model " + model + " --input " + data);
  CHECK(table.status == 0);
  CHECK_THAT(table.out, Contains("accuracy 100.00% of 120 rows"));
}

TEST_CASE("the classifier reads rows of numbers in steps and keeps their normalisation") {
  const ScratchFolder folder;
  const std::string steps = GENERATE("", " --steps 2");
  const std::string data = folder.write("mine.csv", easy_numbers(80));
  const std::string model = folder.path("m.safetensors");
  const ProgramResult run = classifier("--data " + data + steps + " --model " + model + kQuick);
  INFO(run.out << run.err);
  REQUIRE(run.status == 0);
  // Without a column split: 70 : 15 : 15 of each label.
  CHECK_THAT(run.out, Contains("56 train, 12 valid, 12 test rows"));
  CHECK_THAT(run.out, Contains(steps.empty() ? "4 steps of 1 numbers" : "2 steps of 2 numbers"));
  const ProgramResult rows = classifier("--predict --model " + model + " 0,1,2,3.05 '4 3 2 1'");
  CHECK(rows.status == 0);
  CHECK_THAT(rows.out, Contains("item:1\tup\t") && Contains("item:2\tdown\t"));

  const auto encoder = load_metadata(model).parsed<TableEncoder<float>>("encoder");
  CHECK(encoder.features() == (steps.empty() ? 1 : 2));
  if (steps.empty()) CHECK(encoder.standardizer()->mean()(0) == Approx(2.0).margin(0.1));
  refuses("--predict --model " + model + " 0,1,2", "item:1: expected 4 numbers");
  refuses("--predict --model " + model + " 0,1,x,2",
          "item:1: column 'x2': expected a finite number, got 'x'");
  refuses("--predict --model " + model + " 0,1,nan,2",
          "item:1: column 'x2': expected a finite number, got 'nan'");
  refuses("--predict --model " + model + " 0,1,1e300,2",
          "item:1: column 'x2': expected a number that fits a float");
}

TEST_CASE("the same seed gives the same output, another seed another") {
  const ScratchFolder folder;
  const std::string data = folder.write("mine.tsv", easy_texts(120, false));
  const std::string quick = "--data " + data + " --epochs 2 --hidden 6 --model ";
  const ProgramResult first = classifier(quick + folder.path("a.safetensors") + " --seed 7");
  const ProgramResult second = classifier(quick + folder.path("b.safetensors") + " --seed 7");
  const ProgramResult other = classifier(quick + folder.path("c.safetensors") + " --seed 8");
  REQUIRE(first.status == 0);
  CHECK(without_time(first) == without_time(second));
  CHECK(read_text(folder.path("a.safetensors")) == read_text(folder.path("b.safetensors")));
  CHECK(without_time(first) != without_time(other));
  CHECK(read_text(folder.path("a.safetensors")) != read_text(folder.path("c.safetensors")));
}

TEST_CASE("the shipped tasks train for an epoch and predict") {
  const ScratchFolder folder;
  const std::string words = folder.path("w.safetensors"), digits = folder.path("d.safetensors");
  const ProgramResult run = classifier("--epochs 1 --hidden 16 --model " + words);
  INFO(run.out << run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out,
             Contains("12000 train, 2000 valid, 2000 test rows") && Contains("4 classes: en, es, nl, pl"));
  CHECK(classifier("--predict --model " + words + " --cell lstm --task words maison huis").status == 0);
  CHECK(classifier("--predict --model " + words + " --input " + kData + "/words/nl.tsv").status == 0);

  REQUIRE(classifier("--task digits --epochs 2 --hidden 16 --model " + digits).status == 0);
  const ProgramResult rows = classifier("--predict --model " + digits + " --input " + kData + "/digits.csv");
  CHECK(rows.status == 0);
  CHECK_THAT(rows.out, Contains("digits.csv:2\t") && Contains("of 1797 rows"));

  refuses("--predict --task digits --model " + words + " huis",
          "w.safetensors: 'task': expected 'digits', got 'words'");
  refuses("--predict --cell gru --model " + words + " huis",
          "w.safetensors: 'cell': expected 'gru', got 'lstm'");
  refuses("--predict --model " + words + " casa h\xc3\xbas",
          "item:2: 'h\xc3\xbas': [Vocabulary.encode] text: expected known characters");
  refuses("--predict --model " + words + " 'h\xff'", "item:1: column 'ascii': expected UTF-8, got byte 0xff");
  refuses("--predict --model " + words + " ''", "item:1: ascii: expected at least one character");
  refuses("--predict --model " + words, "standard input: expected rows, got none");
  refuses("--predict --model " + words + " --input " +
              folder.write("q.tsv", "label\tascii\nen\thouse\nfr\tmaison\n"),
          "q.tsv:3: label: expected one of the training rows' (en, es, nl, pl), got 'fr'");
  refuses("--predict --model " + words + " < " + folder.write("lines", "house\nca5a\n"),
          "standard input:2: 'ca5a'");
  refuses("--predict --model " + digits + " --input " + folder.write("q.csv", "label,a\n1,2\n"),
          "q.csv:1: expected a column 'r0c0'");
}

TEST_CASE("the classifier refuses bad options with one line") {
  refuses("--hidden 0", "--hidden: expected a whole number from 1");
  refuses("--hidden 2.5", "--hidden: expected a whole number");
  refuses("--epochs 0", "--epochs: expected a whole number from 1");
  refuses("--epochs", "--epochs");
  refuses("--batch -4", "--batch: expected a whole number");
  refuses("--lr -0.1", "--lr: expected a number above 0");
  refuses("--lr nan", "--lr: expected a number above 0");
  refuses("--lr fast", "got 'fast'");
  refuses("--seed -1", "--seed: expected a whole number >= 0");
  refuses("--cell transformer", "--cell: expected rnn, lstm or gru, got 'transformer'");
  refuses("--task music", "--task: expected words or digits");
  refuses("--steps 4", "steps: expected numeric columns, got the text column 'ascii'");
  refuses("--task digits --steps 16", "standardizer: expected 4 features (values per step), got 8");
  refuses("--frobnicate", "--frobnicate");
  refuses("huis", "items requires --predict");
  refuses("--predict --input x.tsv huis", "items excludes --input");
}

TEST_CASE("the classifier refuses bad data with one line that names file and line") {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& text, const std::string& message,
                           const std::string& options = "") {
    const std::string model = folder.path("never.safetensors");
    refuses("--data '" + folder.write("bad.csv", text) + "' --epochs 1 --model " + model + " " + options,
            message);
    CHECK_FALSE(std::filesystem::exists(model));
  };
  refuses("--data " + folder.path("missing.csv"), "missing.csv: cannot read the file");
  refuses("--task words --data " + folder.path("missing"), "missing: expected a folder");
  refuses("--task digits --data " + folder.path("missing.csv"), "missing.csv: cannot read the file");
  refused("", "bad.csv: expected a header line");
  refused("label,text\n", "bad.csv:1: expected rows");
  refused("label,text\na,x\nb\n", "bad.csv:3: expected 2 fields");
  refused("class,text\na,x\nb,y\n", "bad.csv:1: expected a column 'label'");
  refused("label\na\nb\n", "bad.csv: header: expected columns of a sequence besides 'label'");
  refused("split,label,text\ntrain,a,x\ndev,b,y\n",
          "bad.csv:3: column 'split': expected train, valid or test, got 'dev'");
  refused("split,label,text\ntrain,a,x\ntrain,b,y\n", "expected at least one valid row");
  refused("split,label,text\ntrain,a,x\nvalid,a,y\n",
          "training rows: [Labels] labels: expected at least 2 different labels");
  refused("split,label,text\ntrain,a,x\ntrain,b,x\nvalid,c,x\n",
          "bad.csv:4: label: expected one of the training rows'");
  refused("split,label,text\ntrain,a,x\ntrain,b,\nvalid,a,x\n",
          "bad.csv:3: text: expected at least one character");
  refused("split,label,text\ntrain,a,x\ntrain,b,\xc3\nvalid,a,x\n", "bad.csv:3: ");
  refused("split,label,text\ntrain,a,x\ntrain,,y\nvalid,a,x\n", "bad.csv:3: label: expected a text");
  const std::string numbers = "split,label,x,y\ntrain,a,1,2\ntrain,b,3,4\n";
  refused(numbers + "valid,a,1,two\n", "bad.csv:4: column 'y': expected a finite number, got 'two'");
  refused(numbers + "valid,a,nan,1\n", "bad.csv:4: column 'x': expected a finite number, got 'nan'");
  refused(numbers + "valid,a,inf,1\n", "bad.csv:4: column 'x': expected a finite number, got 'inf'");
  refused(numbers + "valid,a,1\n", "bad.csv:4: expected 4 fields");
  refused(numbers + "valid,a,1,1e300\n", "bad.csv:4: column 'y': expected a number that fits a float");
  refused(numbers + "valid,a,1,1\n", "steps: expected a divisor of the 2 numeric columns", "--steps 3");
  refused("label,text\na,x\nb,y\n", "steps: expected numeric columns", "--steps 3");
  refused(numbers + "valid,a,1,1\n", "steps: expected a divisor of the 2 numeric columns, got 8",
          "--task digits");
}

TEST_CASE("the classifier refuses an output that it cannot write before it trains") {
  const ScratchFolder folder;
  refuses("--model " + folder.path("no/such/folder/m.safetensors"), "[require_writable]");
  refuses("--model " + folder.path(""), "--model: expected a name that ends in .safetensors or .npz");
}

TEST_CASE("the classifier refuses model files that are damaged or of another shape") {
  const ScratchFolder folder;
  const std::string data = folder.write("mine.tsv", easy_texts(60, true)),
                    path = folder.path("m.safetensors");
  REQUIRE(classifier("--data " + data + " --epochs 1 --hidden 5 --model " + path).status == 0);
  REQUIRE(classifier("--predict --model " + path + " ab").status == 0);
  const std::string good = read_text(path);
  const auto model = load_tensors<float>(path);
  const std::string bad = folder.path("bad.safetensors");
  const auto refused = [&](const std::string& message) {
    refuses("--predict --model " + bad + " ab", message);
  };

  refused("bad.safetensors: cannot read the file");
  folder.write("bad.safetensors", "");
  refused("bad.safetensors: expected at least 8 bytes");
  for (const std::size_t size : {std::size_t{4}, std::size_t{100}, good.size() / 2, good.size() - 1}) {
    folder.write("bad.safetensors", good.substr(0, size));
    refused("bad.safetensors");
  }
  folder.write("bad.safetensors", good + "x");
  refused("bad.safetensors");

  const auto rewrite = [&](auto&& change) {
    auto changed = model;
    change(changed.tensors, changed.metadata);
    save_tensors(bad, changed);
  };
  rewrite([](auto& weights, auto&) { weights.erase("layer.bias_ih_l0"); });
  refused("missing: 'layer.bias_ih_l0' (20)");
  rewrite([](auto& weights, auto&) { weights["layer.weight_hh_l0"] = zeros<float>({20, 6}); });
  refused("misshapen: 'layer.weight_hh_l0': expected (20,5), got (20,6)");
  rewrite([](auto& weights, auto&) { weights["layer.weight_ih_l0"] = zeros<float>({20, 2}); });
  refused("misshapen: 'layer.weight_ih_l0': expected (20,32), got (20,2)");
  rewrite([](auto& weights, auto&) { weights["extra"] = zeros<float>({2}); });
  refused("unexpected: 'extra'");
  rewrite([](auto& weights, auto&) { weights["head.bias"](1) = std::numeric_limits<float>::quiet_NaN(); });
  refused("'head.bias'");
  rewrite([](auto&, auto& texts) { texts["cell"] = "gru"; });
  refused("misshapen: 'layer.weight_ih_l0': expected (15,32), got (20,32)");
  rewrite([](auto&, auto& texts) { texts["cell"] = "cnn"; });
  refused("bad.safetensors: 'cell': expected rnn, lstm or gru, got cnn");
  rewrite([](auto&, auto& texts) { texts["hidden"] = "many"; });
  refused("bad.safetensors: 'hidden': expected a whole number");
  rewrite([](auto&, auto& texts) { texts["hidden"] = "1000000"; });
  refused("bad.safetensors: 'hidden': expected a whole number from 1 to 4096");
  const auto replace = [](std::string& text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  rewrite([&](auto&, auto& texts) { replace(texts["encoder"], "[\"ab\",", "[1,"); });
  refused("bad.safetensors: 'encoder': [Labels.from_json]");
  rewrite([&](auto&, auto& texts) { replace(texts["encoder"], "[\"ab\",", "[\"a\",\"b\","); });
  refused("misshapen: 'head.weight': expected (3,5), got (2,5)");
  rewrite([&](auto&, auto& texts) { replace(texts["encoder"], "\"tokens\"", "\"token\""); });
  refused("bad.safetensors: 'encoder': [Vocabulary.from_json]");
  rewrite([](auto&, auto& texts) { texts["program"] = "next_value"; });
  refused("bad.safetensors: 'program': expected 'classifier', got 'next_value'");
}

TEST_CASE("the classifier logs and draws its training") {
  const ScratchFolder folder;
  const std::string data = folder.write("mine.tsv", easy_texts(60, true));
  const ProgramResult run = classifier("--data " + data + " --epochs 2 --hidden 5 --model " +
                                       folder.path("m.safetensors") + " --log " + folder.path("run/1"));
  REQUIRE(run.status == 0);
  const std::string csv = read_text(folder.path("run/1/log.csv"));
  CHECK_THAT(csv, Catch::Matchers::StartsWith("step,epoch,train/loss,train/accuracy,valid/loss"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 3);
  CHECK_THAT(read_text(folder.path("run/1/log.jsonl")), Contains("\"valid/accuracy\":"));
  refuses("--model " + folder.path("m.safetensors") + " --plot " + folder.path("p.gif"), ".png or .svg");
}

TEST_CASE("Ctrl-C stops the classifier and leaves the best model so far, whole") {
  const ScratchFolder folder;
  const std::string data = folder.write("mine.tsv", easy_texts(400, true)),
                    path = folder.path("m.safetensors");
  const ProgramResult run = interrupt_example(
      "classifier", "--data " + data + " --hidden 32 --epochs 100000 --model " + path, "1/100000");
  CHECK_THAT(run.out, Contains("interrupted; the test rows were not evaluated"));
  CHECK_THAT(run.err, Contains("to continue: the same command with --resume"));
  CHECK(classifier("--predict --model " + path + " ab").status == 0);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()))
    ++files;
  CHECK(files == 3);  // the data, the model and the checkpoint: nothing half-written
}
