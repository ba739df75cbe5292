#include <catch2/catch.hpp>
#include <cmath>

#include "examples/next_value/baselines.hpp"
#include "examples/next_value/forecaster.hpp"
#include "examples/next_value/report.hpp"
#include "examples/next_value/series.hpp"
#include "framework/errors.hpp"
#include "tests/examples/program.hpp"

using namespace unroll;
using namespace unroll::examples;
using namespace unroll::examples::next_value;

namespace {

const std::string kSunspots = std::string(UNROLL_EXAMPLE_DATA) + "/sunspots_yearly.csv";
const std::string kElNino = std::string(UNROLL_EXAMPLE_DATA) + "/elnino_sst.csv";

// A noisy-looking series of period 12 with its own end.
Series waves(std::size_t size) {
  Series series;
  series.name = series.source = "waves";
  for (std::size_t i = 0; i < size; ++i) {
    const auto t = static_cast<double>(i);
    series.values.push_back(10.0 + 3.0 * std::sin(0.52 * t) + std::sin(1.3 * t + 0.4));
  }
  series.train = {"train", 0, size * 6 / 10};
  series.valid = {"valid", series.train.last, size * 8 / 10};
  series.tests = {{"test", series.valid.last, size}};
  return series;
}

Recipe small_recipe(const std::string& cell = "gru") {
  Recipe recipe;
  recipe.cell = cell;
  recipe.hidden = 6;
  recipe.epochs = 8;
  recipe.window = 16;
  recipe.warmup = 3;
  recipe.batch = 4;
  recipe.lr = 1e-2;
  return recipe;
}

Recipe sunspots_recipe(const std::string& cell, std::uint64_t seed) {
  Recipe recipe;
  recipe.cell = cell;
  recipe.weight_decay = 1e-4;
  recipe.noise = 0.1;
  recipe.seed = seed;
  return recipe;
}

std::string numbers(std::size_t rows) {
  std::string text = "day,price\n";
  for (std::size_t i = 0; i < rows; ++i) {
    text += std::to_string(i) + "," + std::to_string(std::sin(0.7 * static_cast<double>(i))) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("the shipped series have their parts") {
  const Series sunspots = load_sunspots(kSunspots);
  CHECK(sunspots.size() == 309);
  CHECK(sunspots.label(sunspots.train) == "1700 to 1920");
  CHECK(sunspots.valid.size() == 0);
  REQUIRE(sunspots.tests.size() == 3);
  CHECK(sunspots.label(sunspots.tests[0]) == "1921 to 1955");
  CHECK(sunspots.label(sunspots.tests[2]) == "1980 to 2008");
  CHECK(sunspots.label(309) == "2009");

  const Series elnino = load_elnino(kElNino);
  CHECK(elnino.label(elnino.train) == "1950-01 to 1985-12");
  CHECK(elnino.label(elnino.valid) == "1986-01 to 1995-12");
  CHECK(elnino.label(elnino.tests.at(0)) == "1996-01 to 2010-12");
  CHECK(elnino.time(13) == Approx(1951.0 + 1.0 / 12.0));
}

TEST_CASE("the baselines score what is known of them") {
  const Series sunspots = load_sunspots(kSunspots);
  CHECK(rmse(sunspots, persistence(sunspots), sunspots.tests[0]) == Approx(25.3).margin(0.05));
  const OneStep ar = autoregression(sunspots, 9, sunspots.train.last);
  CHECK(rmse(sunspots, ar, sunspots.tests[0]) == Approx(13.75).margin(0.005));
  CHECK(rmse(sunspots, ar, sunspots.tests[2]) == Approx(16.1).margin(0.05));

  const Series elnino = load_elnino(kElNino);
  CHECK(rmse(elnino, persistence(elnino), elnino.tests[0]) == Approx(1.166).margin(0.0005));
  CHECK(rmse(elnino, climatology(elnino, elnino.train.last), elnino.tests[0]) ==
        Approx(0.4875).margin(0.00005));
}

TEST_CASE("an autoregression finds the rule that made the series") {
  Series series;
  series.values = {1.0, -2.0};
  for (std::size_t i = 2; i < 40; ++i) {
    series.values.push_back(0.3 + 0.5 * series.values[i - 1] - 0.8 * series.values[i - 2]);
  }
  const OneStep forecast = autoregression(series, 2, 30);
  CHECK(std::isnan(forecast[1]));
  for (std::size_t i = 2; i < 40; ++i) CHECK(forecast[i] == Approx(series.values[i]).margin(1e-10));
  CHECK_THROWS_AS(autoregression(series, 0, 30), ArgumentError);
  CHECK_THROWS_AS(autoregression(series, 15, 30), ArgumentError);
  CHECK_THROWS_AS(rmse(series, forecast, {"all", 0, 40}), ArgumentError);
}

TEST_CASE("the season's means forecast what only has a season") {
  Series series;
  series.period = 4;
  for (std::size_t i = 0; i < 24; ++i)
    series.values.push_back(std::vector<double>{3.0, -1.0, 0.5, 7.0}[i % 4]);
  const OneStep forecast = climatology(series, 12);
  for (std::size_t i = 1; i < 24; ++i) CHECK(forecast[i] == Approx(series.values[i]).margin(1e-12));
  CHECK_THROWS_AS(climatology(series, 7), ArgumentError);
}

TEST_CASE("every cell learns a series better than persistence, the same way for the same seed") {
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    CAPTURE(cell);
    const Series series = waves(150);
    Recipe recipe = small_recipe(cell);
    const Outcome outcome = train_and_forecast(series, recipe, 4);
    CHECK(outcome.history.size() == 8);
    CHECK(outcome.history.back().loss < 0.5 * outcome.history.front().loss);
    CHECK(outcome.ahead.size() == 4);
    CHECK(rmse(series, outcome.one_step, series.tests[0]) <
          0.8 * rmse(series, persistence(series), series.tests[0]));

    const Outcome again = train_and_forecast(series, recipe, 4);
    CHECK(again.ahead == outcome.ahead);
    CHECK(again.history.back().loss == outcome.history.back().loss);
    recipe.seed = 2;
    CHECK(train_and_forecast(series, recipe, 4).ahead != outcome.ahead);
  }
}

TEST_CASE("the weights of the best epoch by validation are kept") {
  Recipe recipe = small_recipe();
  recipe.lr = 0.3;  // rough enough that the last epoch is not the best
  recipe.epochs = 12;
  const Series series = waves(150);
  const Outcome outcome = train_and_forecast(series, recipe, 1);
  double best = outcome.history[0].valid_rmse;
  for (const auto& report : outcome.history) best = std::min(best, report.valid_rmse);
  REQUIRE(outcome.best_epoch < 12);
  CHECK(outcome.history[static_cast<std::size_t>(outcome.best_epoch - 1)].valid_rmse == best);
  CHECK(rmse(series, outcome.one_step, series.valid) == Approx(best).epsilon(1e-6));
}

TEST_CASE("a forecast knows nothing of what comes later") {
  Series series = waves(150);
  series.period = 12;
  const Outcome before = train_and_forecast(series, small_recipe(), 2);
  series.values[140] += 5.0;
  const Outcome after = train_and_forecast(series, small_recipe(), 2);
  for (std::size_t i = 1; i <= 140; ++i) CHECK(after.one_step[i] == before.one_step[i]);
  CHECK(after.one_step[141] != before.one_step[141]);
}

TEST_CASE("beyond the end every forecast is read as the next value") {
  Series series = waves(150);
  series.period = 12;
  const Outcome outcome = train_and_forecast(series, small_recipe(), 3);
  series.values.push_back(outcome.ahead[0]);
  const Outcome longer = train_and_forecast(series, small_recipe(), 2);
  CHECK(longer.one_step.back() == Approx(outcome.ahead[0]).epsilon(1e-6));
  CHECK(longer.ahead[0] == Approx(outcome.ahead[1]).epsilon(1e-5));
  CHECK(longer.ahead[1] == Approx(outcome.ahead[2]).epsilon(1e-5));
}

TEST_CASE("a recipe that does not fit the series is refused") {
  const Series series = waves(40);
  Recipe recipe = small_recipe();
  CHECK_THROWS_AS(train_and_forecast(series, recipe, 0), ArgumentError);
  recipe.window = 24;
  CHECK_THROWS_AS(train_and_forecast(series, recipe, 1), ArgumentError);
  recipe = small_recipe();
  recipe.hidden = 0;
  CHECK_THROWS_AS(train_and_forecast(series, recipe, 1), ArgumentError);
  Series flat = waves(40);
  flat.values.assign(40, 2.5);
  CHECK_THROWS_AS(train_and_forecast(flat, small_recipe(), 1), ArgumentError);
}

TEST_CASE("sunspots are forecast better than by an autoregression of order 9, with every cell") {
  const Series sunspots = load_sunspots(kSunspots);
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    double mean = 0.0;
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const Outcome outcome = train_and_forecast(sunspots, sunspots_recipe(cell, seed), 1);
      mean += rmse(sunspots, outcome.one_step, sunspots.tests[0]) / 3.0;
    }
    CAPTURE(cell);
    CHECK(mean < 13.75);
  }
}

TEST_CASE("next_value prints scores and forecasts, the same for the same seed") {
  const ScratchFolder folder;
  const std::string csv = folder.path("out.csv");
  const std::string arguments =
      "--task sunspots --cell gru --epochs 2 --hidden 4 --seed 7 --horizon 5 --csv-out ";
  const ProgramResult first = run_example("next_value", arguments + csv);
  CHECK(first.status == 0);
  CHECK(first.err.find("epoch 2/2") != std::string::npos);
  for (const char* want : {"persistence", "AR(9)", "25.2648", "13.7547", "    2013  "}) {
    CAPTURE(want);
    CHECK(first.out.find(want) != std::string::npos);
  }
  CHECK(first.out.find("2014") == std::string::npos);
  CHECK(run_example("next_value", arguments + csv).out == first.out);

  const std::string table = read_text(csv);
  CHECK(table.starts_with("time,truth,one_step,ahead\n1700,5,,\n1701,11,"));
  CHECK(std::count(table.begin(), table.end(), '\n') == 1 + 309 + 5);
  CHECK(table.find("\n2009,,,") != std::string::npos);
}

TEST_CASE("next_value forecasts the seed's 1 2 3 4 and a user's column") {
  const ProgramResult toy = run_example("next_value", "--task toy --horizon 1");
  CHECK(toy.status == 0);
  const std::size_t at = toy.out.rfind("  5  ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(toy.out.substr(at + 5)) == Approx(5.0).margin(0.1));

  const ScratchFolder folder;
  const ProgramResult own = run_example("next_value", "--csv " + folder.write("own.csv", numbers(60)) +
                                                          " --column price --period 9 --epochs 2 --hidden 3");
  CHECK(own.status == 0);
  CHECK(own.out.find("season+AR(1)") != std::string::npos);
  CHECK(own.out.find("test 52 to 60") != std::string::npos);
}

TEST_CASE("next_value draws a picture, or keeps its script when there is no gnuplot") {
  const ScratchFolder folder;
  const std::string arguments = "--task elnino --epochs 1 --hidden 3 --plot ";
  if (std::system("command -v gnuplot > /dev/null") == 0) {
    const ProgramResult png = run_example("next_value", arguments + folder.path("a.png"));
    CHECK(png.status == 0);
    CHECK(read_text(folder.path("a.png")).starts_with("\x89PNG"));
    CHECK_FALSE(std::filesystem::exists(folder.path("a.png.gp")));
    CHECK(run_example("next_value", arguments + folder.path("a.svg")).status == 0);
    CHECK(read_text(folder.path("a.svg")).find("</svg>") != std::string::npos);
  }
  const ProgramResult none = run_example("next_value", arguments + folder.path("b.png"), "PATH=/nonexistent");
  CHECK(none.status == 1);
  CHECK(none.err.find("want gnuplot") != std::string::npos);
  CHECK(read_text(folder.path("b.png.gp")).find("title \"truth\"") != std::string::npos);
}

TEST_CASE("next_value answers bad input with one line and a non-zero status") {
  const ScratchFolder folder;
  const auto own = [&](const std::string& name, const std::string& text, const std::string& more = "") {
    return "--csv " + folder.write(name, text) + " --column price " + more;
  };
  std::string with_word = numbers(30), with_nan = numbers(30), ragged = numbers(30);
  with_word.replace(with_word.find("\n3,") + 3, 8, "many");
  with_nan.replace(with_nan.find("\n3,") + 3, 8, "nan");
  ragged.insert(ragged.find("\n4,"), ",9");
  std::string flat = "price\n";
  for (int i = 0; i < 30; ++i) flat += "2.5\n";
  std::string gap = read_text(kSunspots);
  gap.erase(gap.find("train,1705"), gap.find("train,1706") - gap.find("train,1705"));

  const struct {
    std::string arguments, want;
  } cases[] = {
      {"--csv " + folder.path("none.csv") + " --column price", "none.csv"},
      {own("empty.csv", ""), "empty.csv"},
      {own("header.csv", "day,price\n"), "header.csv"},
      {own("word.csv", with_word), "word.csv:5"},
      {own("nan.csv", with_nan), "nan.csv:5"},
      {own("ragged.csv", ragged), "ragged.csv:5"},
      {own("short.csv", numbers(19)), "at least 20 rows"},
      {own("column.csv", "day,cost\n1,2\n"), "price"},
      {own("flat.csv", flat), "flat.csv"},
      {own("all.csv", numbers(60), "--train 0.9 --valid 0.5"), "--train"},
      {own("window.csv", numbers(60), "--window 50"), "want windows"},
      {own("order.csv", numbers(60), "--order 40"), "order"},
      {own("season.csv", numbers(60), "--period 30"), "two whole periods"},
      {"--csv " + folder.write("x.csv", numbers(30)), "--column"},
      {"--task own", "--csv"},
      {"--task sunspots --csv " + folder.write("gap.csv", gap), "gap.csv:7: want 1705"},
      {"--task sunspots --csv " + kElNino, "sunspots"},
      {"--task moon", "moon"},
      {"--task toy --period 3", "--period"},
      {"--cell elman", "elman"},
      {"--hidden 0", "--hidden"},
      {"--horizon 0", "--horizon"},
      {"--epochs many", "--epochs"},
      {"--lr -1", "--lr"},
      {"--nonsense", "nonsense"},
      {"--epochs 1 --plot " + folder.path("picture.gif"), ".png or .svg"},
      {"--epochs 1 --plot " + folder.path("no/picture.png"), "no/picture.png"},
      {"--epochs 1 --csv-out " + folder.path("no/out.csv"), "no/out.csv"},
  };
  for (const auto& c : cases) {
    const ProgramResult result = run_example("next_value", c.arguments);
    CAPTURE(c.arguments, result.err);
    CHECK(result.status == 1);
    CHECK(result.error_lines() == 1);
    CHECK(result.err.starts_with("next_value: "));
    CHECK(result.err.find(c.want) != std::string::npos);
    CHECK(result.err.find("epoch ") == std::string::npos);
  }
  CHECK(run_example("next_value", "--help").status == 0);
}
