#include "training/data/json_text.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "training/data/table_encoder.hpp"
#include "training/forecasting/series_encoder.hpp"

using namespace unroll;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("a JSON text has a limit of depth, and brackets in its texts do not count") {
  using detail::bounded_json;
  CHECK(bounded_json(nested(detail::kDeepestJson), "f") == nested(detail::kDeepestJson));
  CHECK_THROWS_AS(bounded_json(nested(detail::kDeepestJson + 1), "f"), ArgumentError);
  CHECK_THROWS_WITH(bounded_json("{\"a\":" + nested(200000) + "}", "f"),
                    "[f] json: expected lists and objects at most 8 deep, got more");
  CHECK_NOTHROW(bounded_json("[\"[[[[[[[[[[[[\", \"\\\"[[[[[[[[[[[[\", \"\\\\\", []]", "f"));
  CHECK_THROWS_AS(bounded_json("[\"\\\\\"" + nested(20), "f"), ArgumentError);
  CHECK_NOTHROW(bounded_json("]]]]]]]]]]", "f"));
  CHECK_NOTHROW(bounded_json("\"open \\", "f"));
}

TEST_CASE("a JSON value in a message is short") {
  CHECK(detail::excerpt(Json("a\x1b")) == "'a\\x1b'");
  CHECK(detail::excerpt(Json(std::string(1000, 'a'))).size() < 100);
  CHECK(detail::excerpt(Json(-1.5)) == "-1.5");
  CHECK(detail::excerpt(Json(nullptr)) == "null");
  CHECK(detail::excerpt(Json::parse("[1,[2]]")) == "a list of 2");
  CHECK(detail::excerpt(Json::parse("{\"a\":1}")) == "an object");
}

TEST_CASE("whatever is read from JSON refuses what is nested deeply") {
  const std::string deep = nested(200000);
  CHECK_THROWS_AS(Labels::from_json(deep), ArgumentError);
  CHECK_THROWS_AS(Standardizer<float>::from_json(deep), ArgumentError);
  CHECK_THROWS_AS(Vocabulary::from_json(R"({"unit":"word","tokens":["a"],"special":)" + deep + "}"),
                  ArgumentError);
  CHECK_THROWS_AS(Vocabulary::from_json(R"({"unit":)" + deep + R"(,"tokens":["a"],"special":0})"),
                  ArgumentError);
  CHECK_THROWS_AS(TableEncoder<float>::from_json(R"({"labels":)" + deep + "}"), ArgumentError);
  CHECK_THROWS_AS(SeriesEncoder<float>::from_json(R"({"period":12,"standardizer":)" + deep + "}"),
                  ArgumentError);
}

TEST_CASE("of a JSON value that is refused the message shows the beginning") {
  const std::string unit(5000, 'u');
  CHECK_THROWS_WITH(Vocabulary::from_json(R"({"unit":")" + unit + R"(","tokens":["a"],"special":0})"),
                    Contains("unit \"character\" or \"word\", got 'uuu") && Contains("...' (5000 bytes)"));
  CHECK_THROWS_WITH(Vocabulary::from_json(R"({"unit":"word","tokens":["a"],"special":[1,2]})"),
                    Contains("special as a number 0..1, got a list of 2"));
  CHECK_THROWS_WITH(Labels::from_json("[\"a\\u001b[2J\",\"a\\u001b[2J\"]"),
                    "[Labels] labels: expected distinct names, got 'a\\x1b[2J' twice");
}
