#include "training/forecasting/forecasts.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "tests/training/data/scratch_file.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

namespace {

const std::string kData = UNROLL_SOURCE_DIR "/examples/data/";

double error(const Series& series, const Forecast& forecast, const char* part) {
  const SeriesPart scored = series.part(part);
  return rmse(series.values, forecast, scored.first, scored.last);
}

Series small() {
  Series series;
  series.values = {1.0, 2.0, 4.0, 8.0};
  series.parts = {{"train", 0, 2}, {"test", 2, 4}};
  return series;
}

}  // namespace

TEST_CASE("the baselines score what is known of them") {
  const Series sunspots = read_series(read_table(kData + "sunspots_yearly.csv"), "sunspots");
  const Index learnt = sunspots.part("valid").last;
  CHECK(error(sunspots, persistence(sunspots.values), "test") == Approx(25.3).margin(0.05));
  const Forecast ar = autoregression(sunspots.values, 9, learnt);
  CHECK(error(sunspots, ar, "test") == Approx(13.75).margin(0.005));
  CHECK(error(sunspots, ar, "test3") == Approx(16.1).margin(0.05));
  const NamedForecasts both = baselines(sunspots.values, 0, learnt);
  REQUIRE(both.size() == 2);
  CHECK(both[0].first == "persistence");
  CHECK(both[1].first == "AR(9)");
  CHECK(error(sunspots, both[1].second, "test") == error(sunspots, ar, "test"));
  CHECK(baselines(sunspots.values, 0, 12)[1].first == "AR(5)");

  const Series elnino = read_series(read_table(kData + "elnino_sst.csv"), "sst");
  CHECK(error(elnino, persistence(elnino.values), "test") == Approx(1.166).margin(0.0005));
  const NamedForecasts seasonal = baselines(elnino.values, 12, elnino.part("train").last);
  CHECK(seasonal[1].first == "season+AR(1)");
  CHECK(error(elnino, seasonal[1].second, "test") == Approx(0.4875).margin(0.00005));
}

TEST_CASE("an autoregression finds the rule that made the series") {
  std::vector<double> x{1.0, -2.0};
  for (std::size_t i = 2; i < 40; ++i) x.push_back(0.3 + 0.5 * x[i - 1] - 0.8 * x[i - 2]);
  const Forecast forecast = autoregression(x, 2, 30);
  CHECK(std::isnan(forecast[1]));
  for (std::size_t i = 2; i < 40; ++i) CHECK(forecast[i] == Approx(x[i]).margin(1e-10));
  CHECK_THROWS_AS(autoregression(x, 0, 30), ArgumentError);
  CHECK_THROWS_AS(autoregression(x, 15, 30), ArgumentError);
  CHECK_THROWS_AS(autoregression(x, 2, 41), ArgumentError);
  CHECK_THROWS_WITH(rmse(x, forecast, 0, 40), "[rmse] expected a forecast of every step, got none of step 0");
  CHECK_THROWS_AS(rmse(x, forecast, 3, 3), ArgumentError);
  CHECK_THROWS_AS(rmse(x, forecast, 30, 41), ArgumentError);
  x[7] = std::nan("");
  CHECK_THROWS_WITH(autoregression(x, 2, 30),
                    "[autoregression] x: expected finite numbers to fit, got nan at 7");
}

TEST_CASE("the season's means forecast what only has a season") {
  const double season[] = {3.0, -1.0, 0.5, 7.0};
  std::vector<double> x;
  for (std::size_t i = 0; i < 24; ++i) x.push_back(season[i % 4]);
  const Forecast forecast = seasonal_autoregression(x, 4, 12);
  CHECK(std::isnan(forecast[0]));
  for (std::size_t i = 1; i < 24; ++i) CHECK(forecast[i] == Approx(x[i]).margin(1e-12));
  CHECK_THROWS_WITH(seasonal_autoregression(x, 4, 7), Contains("expected at least two whole periods of 4"));
  CHECK_THROWS_AS(seasonal_autoregression(x, 0, 7), ArgumentError);
}

TEST_CASE("beyond the end every forecast is read as the next value") {
  std::vector<double> read;
  const Forecast forecast = roll_out(small().values, 3, [&](double value, Index t) {
    CHECK(t == std::ssize(read));
    read.push_back(value);
    return 2.0 * value + 0.5;
  });
  CHECK(read == std::vector<double>{1.0, 2.0, 4.0, 8.0, 16.5, 33.5});
  REQUIRE(forecast.size() == 7);
  CHECK(std::isnan(forecast[0]));
  CHECK(std::vector<double>(forecast.begin() + 1, forecast.end()) ==
        std::vector<double>{2.5, 4.5, 8.5, 16.5, 33.5, 67.5});
  const auto same = [](double value, Index) { return value; };
  CHECK(roll_out(small().values, 0, same).size() == 4);
  CHECK_THROWS_AS(roll_out({}, 1, same), ArgumentError);
  CHECK_THROWS_AS(roll_out(small().values, -1, same), ArgumentError);
  CHECK_THROWS_AS(roll_out(small().values, 1, {}), ArgumentError);
}

TEST_CASE("forecasts are scored part by part, written as a table and read again") {
  const Series series = small();
  const Forecast forecast{std::nan(""), 2.5, 4.5, 8.5, 16.5};
  const std::vector<SeriesPart> parts{series.part("test"), {"end", 3, 4}};
  CHECK(rmse_table(series, parts, {{"mine", forecast}, {"persistence", persistence(series.values)}}) ==
        "RMSE one step ahead          mine   persistence\n"
        "test 3 to 4                0.5000        3.1623\n"
        "end 4 to 4                 0.5000        4.0000\n");

  const ScratchFile file("", ".csv");
  write_table(file.path, forecast_table(series, forecast));
  const Table table = read_table(file.path);
  CHECK(table.header() == std::vector<std::string>{"time", "truth", "one_step", "ahead"});
  CHECK(table.texts("time") == std::vector<std::string>{"1", "2", "3", "4", "5"});
  CHECK(table.texts("truth") == std::vector<std::string>{"1", "2", "4", "8", ""});
  CHECK(table.texts("one_step") == std::vector<std::string>{"", "2.5", "4.5", "8.5", ""});
  CHECK(table.texts("ahead") == std::vector<std::string>{"", "", "", "", "16.5"});
}

TEST_CASE("a picture of a forecast begins before the scored steps and ends where it ends") {
  Series series;
  for (int i = 0; i < 30; ++i) series.values.push_back(i);
  Forecast forecast = persistence(series.values);
  forecast.push_back(29.5);
  forecast.push_back(31.0);
  const Plot plot = forecast_plot("waves", series, forecast, 20);
  REQUIRE(plot.panels.size() == 1);
  const PlotPanel& panel = plot.panels[0];
  CHECK(panel.title == "waves");
  REQUIRE(panel.curves.size() == 3);
  CHECK(panel.curves[0].label == "truth");
  CHECK(panel.curves[0].x.front() == 16.0);  // five steps before, counted from 1
  CHECK(panel.curves[0].y.front() == 15.0);
  CHECK(panel.curves[0].y.back() == 29.0);
  CHECK(panel.curves[1].y.front() == 14.0);
  CHECK(panel.curves[1].y.size() == 15);
  CHECK(panel.curves[2].x == std::vector<double>{30.0, 31.0, 32.0});
  CHECK(panel.curves[2].y == std::vector<double>{29.0, 29.5, 31.0});
  CHECK(panel.x_lines == std::vector<double>{30.0, 21.0});
  CHECK(panel.x_range == std::pair(16.0, 32.0));
  CHECK_THROWS_AS(forecast_plot("", series, forecast, 30), ArgumentError);
}
