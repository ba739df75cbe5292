#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "tests/examples/program.hpp"
#include "training/data/table.hpp"
#include "training/forecasting/series_encoder.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace unroll::examples;
using Catch::Matchers::Contains;

namespace {

const std::string kData = UNROLL_EXAMPLE_DATA;

// In a folder of the test, so that the model it writes goes away.
ProgramResult next_value(const ScratchFolder& folder, const std::string& arguments,
                         const std::string& before = "") {
  return run_example("next_value", arguments + " --model " + folder.path("m.safetensors"), before);
}

double number_after(const std::string& text, const std::string& words) {
  const std::size_t at = text.find(words);
  INFO(text << " has '" << words << "'");
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + words.size()));
}

// The line of a part: the scores of the network, of persistence and of the third.
std::vector<double> scores(const ProgramResult& run, const std::string& part) {
  const std::size_t at = run.out.find("\n" + part + " ");
  INFO(run.out << run.err);
  REQUIRE(at != std::string::npos);
  std::string line = run.out.substr(at + 1, run.out.find('\n', at + 1) - at - 1);
  std::istringstream words(line.substr(line.find(" to ") + 4));
  std::string last_step;
  std::vector<double> values(3);
  words >> last_step >> values[0] >> values[1] >> values[2];
  REQUIRE(words);
  return values;
}

// A series of two waves with a column split, 60 : 20 : 20; one value may be another.
std::string waves(std::size_t size, std::size_t changed = 9999, double by = 0.0) {
  std::string text = "split,price\n";
  for (std::size_t i = 0; i < size; ++i) {
    const auto t = static_cast<double>(i);
    text += i < size * 6 / 10 ? "train," : i < size * 8 / 10 ? "valid," : "test,";
    text += std::to_string(10.0 + 3.0 * std::sin(0.52 * t) + std::sin(1.3 * t + 0.4) +
                           (i == changed ? by : 0.0)) +
            "\n";
  }
  return text;
}

std::string numbers(std::size_t rows) {
  std::string text = "day,price\n";
  for (std::size_t i = 0; i < rows; ++i) {
    text += std::to_string(i) + "," + std::to_string(std::sin(0.7 * static_cast<double>(i))) + "\n";
  }
  return text;
}

const std::string kQuick = " --column price --epochs 8 --hidden 6 --batch 4 --lr 0.01";

}  // namespace

TEST_CASE("next_value learns a series better than persistence with every cell, the same for the same seed") {
  const ScratchFolder folder;
  const std::string data = "--csv " + folder.write("waves.csv", waves(150)) + kQuick;
  for (const std::string cell : {"rnn", "lstm", "gru"}) {
    CAPTURE(cell);
    const ProgramResult run = next_value(folder, data + " --cell " + cell + " --log " + folder.path(cell));
    const auto test = scores(run, "test");
    CHECK(test[0] < 0.8 * test[1]);
    const Table log = read_table(folder.path(cell) + "/log.csv");
    const auto loss = log.numbers("train/loss");
    REQUIRE(loss.size() == 8);
    CHECK(loss.back() < 0.5 * loss.front());
    CHECK(next_value(folder, data + " --cell " + cell).out == run.out);
    CHECK(next_value(folder, data + " --cell " + cell + " --seed 2").out != run.out);
  }
}

TEST_CASE(
    "next_value keeps the weights of the epoch that is best on the valid rows, in the model's file too") {
  const ScratchFolder folder;
  const ProgramResult run =
      next_value(folder, "--csv " + folder.write("waves.csv", waves(150)) +
                             " --column price --epochs 12 --hidden 6 --batch 4 --lr 0.3 --log " +
                             folder.path("log") + " --csv-out " + folder.path("out.csv"));
  REQUIRE(run.status == 0);
  const auto losses = read_table(folder.path("log/log.csv")).numbers("valid/loss");
  REQUIRE(losses.size() == 12);
  const auto best = std::min_element(losses.begin(), losses.end());
  REQUIRE(best - losses.begin() < 11);  // rough enough that the last one is not the best
  CHECK(number_after(run.out, "best epoch ") == static_cast<double>(best - losses.begin() + 1));
  CHECK(std::filesystem::exists(folder.path("m.safetensors")));
  // What was forecast of the valid rows is that loss; they were scored after some steps of warming up alone.
  const Table out = read_table(folder.path("out.csv"));
  const auto encoder = load_metadata(folder.path("m.safetensors")).parsed<SeriesEncoder<float>>("encoder");
  double sum = 0.0;
  for (std::size_t i = 90; i < 120; ++i)
    sum += std::pow((out.number(i, 1) - out.number(i, 2)) / encoder.scale(), 2) / 30.0;
  CHECK(sum == Approx(*best).epsilon(0.1));
}

TEST_CASE("a forecast of next_value knows nothing of what comes later, and reads itself beyond the end") {
  const ScratchFolder folder;
  const auto table = [&](const std::string& text, const std::string& more) {
    const ProgramResult run =
        next_value(folder, "--csv " + folder.write("in.csv", text) + kQuick + " --period 12 --csv-out " +
                               folder.path("out.csv") + more);
    INFO(run.err);
    REQUIRE(run.status == 0);
    return read_table(folder.path("out.csv"));
  };
  const Table before = table(waves(150), " --horizon 3"), after = table(waves(150, 140, 5.0), " --horizon 3");
  REQUIRE(before.size() == 153);
  for (std::size_t i = 1; i <= 140; ++i) CHECK(after.field(i, 2) == before.field(i, 2));
  CHECK(after.field(141, 2) != before.field(141, 2));

  // The first forecast beyond the end, as a value of the series: the next ones stay.
  const double first = before.number(150, 3);
  const Table longer = table(waves(150) + "test," + std::string(before.field(150, 3)) + "\n", " --horizon 2");
  CHECK(longer.number(150, 2) == Approx(first).epsilon(1e-6));
  for (const std::size_t i : {151U, 152U})
    CHECK(longer.number(i, 3) == Approx(before.number(i, 3)).epsilon(1e-5));
}

TEST_CASE("sunspots are forecast better than by an autoregression of order 9, with every cell") {
  const ScratchFolder folder;
  for (const std::string cell : {"rnn", "lstm", "gru"}) {
    double mean = 0.0;
    for (const std::string seed : {"1", "2", "3"})
      mean += scores(next_value(folder, "--cell " + cell + " --seed " + seed), "test")[0] / 3.0;
    CAPTURE(cell);
    CHECK(mean < 13.75);
  }
}

TEST_CASE("next_value prints scores and forecasts and writes them as a table") {
  const ScratchFolder folder;
  const ProgramResult run =
      next_value(folder, "--task sunspots --cell gru --epochs 2 --hidden 4 --seed 7 --horizon 5 --csv-out " +
                             folder.path("out.csv"));
  CHECK(run.status == 0);
  CHECK_THAT(run.err, Contains("epoch 2/2"));
  for (const char* want : {"train 1700 to 1920", "persistence", "AR(9)", "25.2648", "13.7547", "    2013  "})
    CHECK_THAT(run.out, Contains(want));
  CHECK_THAT(run.out, !Contains("2014"));
  const std::string table = read_text(folder.path("out.csv"));
  CHECK(table.starts_with("time,truth,one_step,ahead\n1700,5,,\n1701,11,"));
  CHECK(std::count(table.begin(), table.end(), '\n') == 1 + 309 + 5);
  CHECK_THAT(table, Contains("\n2009,,,"));

  const ProgramResult elnino = next_value(folder, "--task elnino --epochs 1 --hidden 3 --horizon 1");
  CHECK(elnino.status == 0);
  for (const char* want : {"train 1950-01 to 1985-12", "season+AR(1)", "1.1662", "0.4875", " 2011-01  "})
    CHECK_THAT(elnino.out, Contains(want));
}

TEST_CASE("next_value overwrites none of its files with another") {
  const ScratchFolder folder;
  const std::string text = numbers(60), csv = folder.write("in.csv", text);
  const std::string data = "--csv " + csv + " --column price --epochs 1 ";
  std::filesystem::create_symlink("in.csv", folder.path("link.csv"));
  std::filesystem::create_hard_link(csv, folder.path("same.svg"));
  std::filesystem::create_directory(folder.path("logs"));
  std::filesystem::create_hard_link(csv, folder.path("logs/log.csv"));
  const std::pair<std::string, std::string> cases[] = {
      {"--csv-out " + csv, "--csv-out: expected another file than --csv, got "},
      {"--csv-out " + folder.path("./in.csv"), "--csv-out: expected another file than --csv"},
      {"--csv-out " + folder.path("link.csv"), "--csv-out: expected another file than --csv"},
      {"--plot " + folder.path("same.svg"), "--plot: expected another file than --csv"},
      {"--csv-out " + folder.path("p.svg") + " --plot " + folder.path("./p.svg"),
       "--plot: expected another file than --csv-out"},
      {"--csv-out " + folder.path("m.safetensors"), "--model: expected another file than --csv-out"},
      {"--log " + folder.path("logs"), "--log: expected another file than --csv"}};
  for (const auto& [arguments, message] : cases) {
    CAPTURE(arguments);
    check_refused("next_value", next_value(folder, data + arguments), message);
    CHECK(read_text(csv) == text);
    CHECK_FALSE(std::filesystem::exists(folder.path("m.safetensors")));
    CHECK_FALSE(std::filesystem::exists(folder.path("p.svg")));
  }
}

TEST_CASE("next_value forecasts the seed's 1 2 3 4 and a user's column") {
  const ScratchFolder folder;
  const ProgramResult toy = next_value(folder, "--task toy --horizon 1");
  CHECK(toy.status == 0);
  CHECK(number_after(toy.out, "       5  ") == Approx(5.0).margin(0.1));
  // Without a column split: 70 : 15 : 15.
  const ProgramResult own = next_value(folder, "--csv " + folder.write("own.csv", numbers(60)) +
                                                   " --column price --period 9 --epochs 2 --hidden 3");
  CHECK(own.status == 0);
  CHECK_THAT(own.out, Contains("season+AR(1)") && Contains("train 1 to 42") && Contains("test 52 to 60"));
}

TEST_CASE("next_value goes on from where Ctrl-C has ended it to the same forecasts") {
  const ScratchFolder folder;
  const std::string data = "--csv " + folder.write("waves.csv", waves(150)) +
                           " --column price --epochs 300 --hidden 6 --batch 4 --lr 0.01";
  const std::string model = folder.path("m.safetensors"), log = folder.path("log");
  const ProgramResult whole = next_value(folder, data);
  REQUIRE(whole.status == 0);
  CHECK_FALSE(std::filesystem::exists(model + ".checkpoint"));
  const std::string weights = read_text(model);
  std::filesystem::remove(model);
  const ProgramResult part =
      interrupt_example("next_value", data + " --log " + log + " --model " + model, "epoch");
  CHECK(part.status == 130);
  CHECK_THAT(part.err, Contains("to continue: the same command with --resume"));
  CHECK_THAT(part.out, !Contains("RMSE"));
  CHECK(std::filesystem::exists(model + ".checkpoint"));
  const ProgramResult rest = next_value(folder, data + " --resume --log " + log);
  CHECK(rest.out == whole.out);
  CHECK(read_text(model) == weights);
  CHECK(read_table(log + "/log.csv").size() == 300);
  CHECK_FALSE(std::filesystem::exists(model + ".checkpoint"));
}

TEST_CASE("next_value scores the test rows of a table that has no valid ones") {
  const ScratchFolder folder;
  std::string text = "split,price\n";
  for (int i = 0; i < 60; ++i)
    text += (i < 40 ? "train," : "test,") + std::to_string(10.0 + std::sin(0.52 * i)) + "\n";
  const ProgramResult run =
      next_value(folder, "--csv " + folder.write("in.csv", text) + " --column price --epochs 2 --hidden 3");
  CHECK(run.status == 0);
  CHECK_THAT(run.out, Contains("train 1 to 40") && Contains("test 41 to 60") && !Contains("train 2 to"));
}

TEST_CASE(
    "next_value without test rows scores the valid ones, without these the train rows that have forecasts") {
  const ScratchFolder folder;
  const auto run = [&](int train, const std::string& more) {
    std::string text = "split,price\n";
    for (int i = 0; i < 60; ++i)
      text += (i < train ? "train," : "valid,") + std::to_string(10.0 + std::sin(0.52 * i)) + "\n";
    const ProgramResult result = next_value(
        folder, "--csv " + folder.write("in.csv", text) + " --column price --epochs 1 --hidden 3" + more);
    INFO(result.err);
    CHECK(result.status == 0);
    return result.out;
  };
  CHECK_THAT(run(60, ""), Contains("\ntrain 10 to 60 "));  // AR(9) has none before
  CHECK_THAT(run(60, " --period 12"), Contains("\ntrain 2 to 60 "));
  CHECK_THAT(run(40, ""), Contains("\nvalid 41 to 60 ") && !Contains("\ntrain "));
}

TEST_CASE("next_value names steps by quarters and months, or numbers them where years are ignored") {
  const ScratchFolder folder;
  const auto run = [&](const std::string& head, auto&& row, const std::string& more = "") {
    std::string text = head + ",price\n";
    for (int i = 0; i < 40; ++i) text += row(i) + "," + std::to_string(std::sin(0.7 * i)) + "\n";
    return next_value(folder, "--csv " + folder.write("in.csv", text) +
                                  " --column price --epochs 1 --hidden 3 --horizon 1 " + more);
  };
  const auto text = [](int number) { return std::to_string(number); };
  const auto quarters = [&](int i) { return text(1990 + i / 4) + "," + text(i % 4 + 1); };
  CHECK_THAT(run("year,quarter", quarters).out,
             Contains("train 1990-Q1 to 1996-Q4") && Contains(" 2000-Q1 "));
  const auto months = [&](int i) {
    return text(1949 + i / 12) + (i % 12 == 0 ? ",January" : "," + text(i % 12 + 1));
  };
  CHECK_THAT(run("year,month", months).out, Contains("train 1949-01 to 1951-04"));
  const auto panel = [&](int i) { return text(1990 + i % 20) + "," + (i < 20 ? "a" : "b"); };
  const ProgramResult refused = run("year,country", panel);
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err, Contains("in.csv:22: column 'year': expected 2010") && Contains("--ignore year"));
  const ProgramResult numbered = run("year,country", panel, "--ignore year");
  CHECK(numbered.status == 0);
  CHECK_THAT(numbered.out, Contains("train 1 to 28"));
}

TEST_CASE("next_value reads other tables as its options say") {
  const ScratchFolder folder;
  std::string semicolons = "tag;preis\n", bare;
  for (int i = 0; i < 40; ++i) {
    const std::string number = std::to_string(1.0 + std::sin(0.7 * i));
    semicolons += "x;" + number.substr(0, 1) + "," + number.substr(2) + "\n";
    bare += number + "\n";
  }
  const std::string quick = " --epochs 1 --hidden 3", table = folder.write("s.csv", semicolons);
  const ProgramResult refused = next_value(folder, "--csv " + table + " --column preis" + quick);
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err,
             Contains("s.csv:1: expected several columns, got one") && Contains("--delimiter ';'"));
  const ProgramResult point =
      next_value(folder, "--csv " + table + " --column preis --delimiter ';'" + quick);
  CHECK_THAT(point.err, Contains("--decimal ,"));
  CHECK(next_value(folder, "--csv " + table + " --column preis --delimiter ';' --decimal ," + quick).status ==
        0);
  const std::string numbers = folder.write("n.csv", bare);
  CHECK_THAT(next_value(folder, "--csv " + numbers + " --column 0" + quick).err, Contains("--no-header"));
  CHECK(next_value(folder, "--csv " + numbers + " --column 0 --no-header" + quick).status == 0);
  CHECK_THAT(next_value(folder, "--csv " + numbers + " --column 0 --delimiter tabs").err,
             Contains("expected one character or tab, got 'tabs'"));
}

TEST_CASE("next_value writes logs and forecasts that are read as numbers") {
  const ScratchFolder folder;
  REQUIRE(next_value(folder, "--csv " + folder.write("in.csv", waves(60)) +
                                 " --column price --epochs 2 --hidden 3 --log " + folder.path("log") +
                                 " --csv-out " + folder.path("out.csv"))
              .status == 0);
  const Table log = read_table(folder.path("log/log.csv"), {.missing = Missing::nan});
  for (const std::string& name : log.header()) CHECK(log.numbers(name).size() == 2);
  const Table out = read_table(folder.path("out.csv"), {.missing = Missing::nan});
  CHECK(std::isnan(out.numbers("ahead")[0]));
  CHECK(std::isfinite(out.numbers("truth")[0]));
}

TEST_CASE("next_value draws a picture, or keeps its script when there is no gnuplot") {
  const ScratchFolder folder;
  const std::string arguments = "--task elnino --epochs 1 --hidden 3 --plot ";
  if (std::system("command -v gnuplot > /dev/null") == 0) {
    const ProgramResult png = next_value(folder, arguments + folder.path("a.png"));
    CHECK(png.status == 0);
    CHECK(read_text(folder.path("a.png")).starts_with("\x89PNG"));
    CHECK_FALSE(std::filesystem::exists(folder.path("a.png.gp")));
    CHECK(next_value(folder, arguments + folder.path("a.svg")).status == 0);
    CHECK_THAT(read_text(folder.path("a.svg")), Contains("</svg>"));
  }
  const ProgramResult none = next_value(folder, arguments + folder.path("b.png"), "PATH=/nonexistent");
  CHECK(none.status == 1);
  CHECK_THAT(none.err, Contains("expected gnuplot"));
  CHECK_THAT(read_text(folder.path("b.png.gp")), Contains("title \"truth\""));
}

TEST_CASE("next_value answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  const auto own = [&](const std::string& name, const std::string& text, const std::string& more = "") {
    return "--csv " + folder.write(name, text) + " --column price " + more;
  };
  std::string with_word = numbers(30), with_nan = numbers(30), ragged = numbers(30);
  with_word.replace(with_word.find("\n3,") + 3, 8, "many");
  with_nan.replace(with_nan.find("\n3,") + 3, 8, "nan");
  std::string large = numbers(30), large_in_test = numbers(30);
  large.replace(large.find("\n3,") + 3, 8, "1e300");
  large_in_test.replace(large_in_test.find("\n28,") + 4, 8, "1e300");
  ragged.insert(ragged.find("\n4,"), ",9");
  std::string gap = read_text(kData + "/sunspots_yearly.csv");
  gap.erase(gap.find("train,1705"), gap.find("train,1706") - gap.find("train,1705"));

  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--csv " + folder.path("none.csv") + " --column price", "none.csv"},
      {own("empty.csv", ""), "empty.csv"},
      {own("header.csv", "day,price\n"), "header.csv"},
      {own("word.csv", with_word), "word.csv:5"},
      {own("nan.csv", with_nan), "nan.csv:5"},
      {own("large.csv", large),
       "large.csv:5: column 'price': expected a number that fits a float, got '1e300'"},
      {own("later.csv", large_in_test), "later.csv:30: column 'price': expected a number that fits a float"},
      {own("ragged.csv", ragged), "ragged.csv:5"},
      {own("short.csv", "price\n1\n2\n"),
       "short.csv: [split_in_order] valid: expected at least one sample for a share of 0.15"},
      {own("few.csv", "split,price\ntrain,1\ntrain,2\n"), "few.csv: expected at least 3 rows of train"},
      {own("order.csv", "split,price\nvalid,1\ntrain,2\ntrain,2\ntrain,2\n"),
       "order.csv: expected at least 3 rows of train"},
      {own("words.csv", "split,price\ntrain,1\ntrain,2\ntrain,3\nval,2\ntest,2\n"),
       "words.csv:5: column 'split': expected train, valid or test (test2, ..), got 'val'"},
      {own("zip.csv", "\x1f\x8b\x08"), "zip.csv: expected a table, got a gzip file (unpack it: gunzip FILE)"},
      {own("again.csv", "split,price\ntrain,1\ntest,2\ntrain,2\n"), "again.csv:4: column 'split'"},
      {own("column.csv", "day,cost\n1,2\n"), "price"},
      {own("season.csv", numbers(60), "--period 30"), "two whole periods"},
      {"--csv " + folder.write("x.csv", numbers(30)), "--column"},
      {"--task sunspots --column price", "--column"},
      {"--task sunspots --csv " + folder.write("gap.csv", gap), "gap.csv:7: column 'year': expected 1705"},
      {"--task sunspots --csv " + kData + "/elnino_sst.csv", "sunspots"},
      {"--task moon", "moon"},
      {"--task toy --period 3", "two whole periods"},
      {"--cell elman", "elman"},
      {"--hidden 0", "--hidden"},
      {"--horizon 0", "--horizon"},
      {"--epochs many", "--epochs"},
      {"--lr -1", "--lr"},
      {"--nonsense", "nonsense"},
      {"--epochs 1 --plot " + folder.path("picture.gif"), ".png or .svg"},
      {"--epochs 1 --plot " + folder.path("no/picture.png"), "no/picture.png"},
      {"--epochs 1 --csv-out " + folder.path("no/out.csv"), "no/out.csv"},
      {"--resume --log " + folder.write("file", "") + "/log", "file/log"},
  };
  for (const auto& c : cases) {
    const ProgramResult result = next_value(folder, c.arguments);
    CAPTURE(c.arguments);
    check_refused("next_value", result, c.want);
    CHECK_THAT(result.err, !Contains("epoch "));
  }
  const ProgramResult help = next_value(folder, "--help");
  CHECK(help.status == 0);
  for (const char* want : {"next_value --task TASK --cell CELL --seed X", "--log", "--resume", "elnino 80"})
    CHECK_THAT(help.out, Contains(want));
}
