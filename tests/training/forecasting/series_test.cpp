#include "training/forecasting/series.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "framework/errors.hpp"
#include "tests/training/data/same.hpp"
#include "tests/training/data/scratch_file.hpp"
#include "training/data/table.hpp"
#include "training/forecasting/series_encoder.hpp"
#include "training/models/metadata.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

namespace {

const std::string kData = UNROLL_SOURCE_DIR "/examples/data/";

Series read(const std::string& text, const SplitFractions& shares = {}) {
  const ScratchFile file(text);
  return read_series(read_table(file.path), "x", shares);
}

void refused(const std::string& text, const std::string& message) {
  CAPTURE(text);
  CHECK_THROWS_AS(read(text), FileError);
  CHECK_THROWS_WITH(read(text), Contains(message));
}

}  // namespace

TEST_CASE("the shipped series have their steps and parts") {
  const Series sunspots = read_series(read_table(kData + "sunspots_yearly.csv"), "sunspots");
  CHECK(sunspots.size() == 309);
  CHECK(sunspots.values[1] == 11.0);
  REQUIRE(sunspots.parts.size() == 5);
  CHECK(sunspots.parts[0] == SeriesPart{"train", 0, 180});
  CHECK(sunspots.label(sunspots.part("valid")) == "1880 to 1920");
  CHECK(sunspots.label(sunspots.part("test")) == "1921 to 1955");
  CHECK(sunspots.label(sunspots.parts[4]) == "1980 to 2008");
  CHECK(sunspots.time.label(309) == "2009");
  CHECK(sunspots.time.place(309) == 2009.0);

  const Series elnino = read_series(read_table(kData + "elnino_sst.csv"), "sst");
  CHECK(elnino.label(elnino.part("train")) == "1950-01 to 1985-12");
  CHECK(elnino.label(elnino.part("test")) == "1996-01 to 2010-12");
  CHECK(elnino.time.place(13) == Approx(1951.0 + 1.0 / 12.0));
  CHECK(elnino.time.label(elnino.size() + 11) == "2011-12");
}

TEST_CASE("steps without years are numbered, and cut by shares without a column split") {
  const Series series = read("x\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", {.valid = 0.2, .test = 0.3});
  CHECK(series.parts == std::vector<SeriesPart>{{"train", 0, 5}, {"valid", 5, 7}, {"test", 7, 10}});
  CHECK(series.label(series.part("valid")) == "6 to 7");
  CHECK(series.time.place(9) == 10.0);
  CHECK(series.part("test2") == SeriesPart{"test2", 10, 10});
  CHECK(read("x\n1\n2\n3\n4\n", {.valid = 0.0, .test = 0.25}).parts ==
        std::vector<SeriesPart>{{"train", 0, 3}, {"test", 3, 4}});
}

TEST_CASE("a series whose rows do not follow one another is refused with file and line") {
  refused("x\n1\nn/a\n", ":3: column 'x': expected a finite number, got 'n/a'");
  refused("y\n1\n", ":1: expected a column 'x'");
  refused("x\n1\n2\n",
          ".txt: [split_in_order] valid: expected at least one sample for a share of 0.15, got none of 2");
  CHECK_THROWS_AS(read("x\n1\n2\n", {.valid = 2.0}), ArgumentError);
  refused("year,x\n1900,1\n1902,1\n",
          ":3: column 'year': expected 1901 (steps follow one another), got 1902 (without years: --ignore "
          "year, or Table::without)");
  refused("year,month,x\n1900,12,1\n1901,1,1\n1901,3,1\n",
          ":4: columns 'year' and 'month': expected 1901-02 (steps follow one another), got 1901-03");
  refused("year,quarter,x\n1900,1,1\n1900,1,1\n",
          ":3: columns 'year' and 'quarter': expected 1900-Q2 (steps follow one another), got 1900-Q1");
  refused("year,quarter,x\n1900,5,1\n", ":2: column 'quarter': expected 1..4, got 5");
  refused("year,month,x\n1900,Ma,1\n", ":2: column 'month': expected a whole number, got 'Ma'");
  refused("year,month,x\n1900,13,1\n", ":2: column 'month': expected 1..12, got 13");
  refused("year,x\n0,1\n", ":2: column 'year': expected 1..9999, got 0");
  refused("year,x\n1900.5,1\n", ":2: column 'year': expected a whole number");
  refused("split,x\ntrain,1\ntest,2\ntrain,3\n",
          ":4: column 'split': expected all rows of 'train' in one block, got one after 'test'");
}

TEST_CASE("steps are years, quarters or months, as numbers or by name, or else are numbered") {
  const Series quarters = read("year,quarter,x\n1990,3,1\n1990,4,2\n1991,1,3\n", {.valid = 0, .test = 0});
  CHECK(quarters.label(quarters.parts[0]) == "1990-Q3 to 1991-Q1");
  CHECK(quarters.time.label(4) == "1991-Q3");
  CHECK(quarters.time.place(0) == 1990.5);
  for (const char* months : {"year,month,x\n1949,November,1\n1949,December,2\n1950,January,3\n",
                             "year,month,x\n1949,Nov,1\n1949,dec.,2\n1950,JAN,3\n",
                             "month,year,x\n11,1949.0,1\n12,1949.0,2\n1.0,1950.0,3\n"}) {
    const Series series = read(months, {.valid = 0, .test = 0});
    CHECK(series.label(series.parts[0]) == "1949-11 to 1950-01");
  }
  // Of several countries, one after the other: without their years.
  const ScratchFile panel("country,year,x\na,1990,1\na,1991,2\nb,1990,3\nb,1991,4\n");
  const Table table = read_table(panel.path);
  CHECK_THROWS_WITH(read_series(table, "x"), Contains("'year': expected 1992") && Contains("--ignore year"));
  const Series numbered =
      read_series(table.without(std::vector<std::string>{"year"}), "x", {.valid = 0, .test = 0});
  CHECK(numbered.label(numbered.parts[0]) == "1 to 4");
}

TEST_CASE("a part that a series has not begins where the series ends") {
  const Series series = read("split,x\ntrain,1\ntrain,2\ntest,3\n");
  CHECK(series.part("valid") == SeriesPart{"valid", 3, 3});
  CHECK(series.part("test") == SeriesPart{"test", 2, 3});
}

TEST_CASE("a series of very many parts is read in a moment") {
  std::string text = "x,split\n";
  for (int i = 0; i < 100000; ++i) text += "1," + std::to_string(i) + "\n";
  const Series series = read(text);
  CHECK(series.parts.size() == 100000);
  CHECK(series.parts[99999] == SeriesPart{"99999", 99999, 100000});
}

TEST_CASE("a network reads the standardised value and the season of the step that follows") {
  const Series series = read("x\n1\n3\n5\n7\n100\n", {.valid = 0.0, .test = 0.2});
  const SeriesEncoder<double> plain(series, series.part("train"));
  CHECK(plain.features() == 1);
  CHECK(plain.mean() == 4.0);
  CHECK(plain.scale() == Approx(std::sqrt(5.0)).epsilon(1e-15));
  CHECK(plain.encode(9.0, 3)(0) == Approx(std::sqrt(5.0)).epsilon(1e-15));
  CHECK(plain.decode(plain.encode(-2.5, 0)(0)) == Approx(-2.5).epsilon(1e-15));
  const Tensor<double> rows = plain.encode(series, 1, 5);
  REQUIRE(rows.shape() == Shape{4, 1});
  CHECK(rows(3, 0) == Approx(96.0 / std::sqrt(5.0)).epsilon(1e-15));

  const SeriesEncoder<double> seasonal(series, series.part("train"), 12);
  CHECK(seasonal.features() == 3);
  const Tensor<double> third = seasonal.encode(5.0, 2);  // the next one is step 3: a quarter of the period
  CHECK(third(1) == Approx(1.0));
  CHECK(third(2) == Approx(0.0).margin(1e-15));
  const Tensor<double> far = seasonal.encode(5.0, 12 * 1000 + 0);
  CHECK(far(1) == std::sin(2.0 * std::numbers::pi / 12.0));
  const Tensor<double> both = seasonal.encode(series, 2, 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(both(0, i) == third(i));

  CHECK_THROWS_AS(seasonal.encode(series, 2, 6), ShapeError);
  CHECK_THROWS_AS(SeriesEncoder<double>(series, series.part("valid")), ShapeError);
  CHECK_THROWS_WITH(SeriesEncoder<double>(series, series.part("train"), 1),
                    "[SeriesEncoder] period: expected 0 (none) or >= 2, got 1");
}

TEST_CASE("a value that is too large for a network's numbers is refused") {
  const Series series = read("x\n1\n3\n5\n-1e300\n7\n", {.valid = 0.0, .test = 0.4});
  CHECK_THROWS_WITH(SeriesEncoder<float>(series, {"all", 0, 5}),
                    "[SeriesEncoder] values: expected numbers that fit a float, got -1e+300 at step 3");
  const SeriesEncoder<float> encoder(series, series.part("train"));
  CHECK_THROWS_AS(encoder.encode(series, 0, 5), ArgumentError);
  CHECK(encoder.encode(series, 0, 3).size() == 3);
  CHECK(std::isfinite(SeriesEncoder<double>(series, series.part("train")).encode(series, 0, 5)(3, 0)));
}

TEST_CASE("what a network reads of a series goes through a model's file") {
  const Series series = read("x\n1.5\n3\n-5\n7\n");
  const SeriesEncoder<float> encoder(series, {"all", 0, 4}, 7);
  Metadata metadata;
  metadata.set("encoder", encoder.to_json());
  const auto again = metadata.parsed<SeriesEncoder<float>>("encoder");
  CHECK(same(again.encode(series, 0, 4), encoder.encode(series, 0, 4)));
  CHECK(again.period() == 7);
  for (const char* bad : {"", "{}", "[]", "{\"period\":-1,\"standardizer\":{\"mean\":[0],\"scale\":[1]}}",
                          "{\"period\":1,\"standardizer\":{\"mean\":[0],\"scale\":[1]}}",
                          "{\"period\":2,\"standardizer\":{\"mean\":[0,0],\"scale\":[1,1]}}",
                          "{\"period\":2,\"standardizer\":{\"mean\":[0],\"scale\":[0]}}"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(SeriesEncoder<float>::from_json(bad), ArgumentError);
  }
}
