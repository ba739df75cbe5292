#include "training/models/metadata.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "framework/errors.hpp"
#include "training/data/vocabulary.hpp"

using namespace unroll;

TEST_CASE("what is set is got again: texts, numbers, flags and lists") {
  Metadata data{{"program", "classifier"}};
  data.set("text", "a\nb ç");
  data.set("hidden", 64);
  data.set("lowest", std::numeric_limits<Index>::min());
  data.set("layers", std::size_t{2});
  data.set("bidirectional", true);
  data.set("peepholes", false);
  data.set("lr", 0.1);
  data.set("scale", 0.1F);
  data.set("vocabulary", std::vector<std::string>{"a", "\"", "ß", ""});
  data.set("means", std::vector<double>{0.1, -1e300, 5e-324, 3.0});
  data.set("widths", std::vector<Index>{3, -4});
  data.set("none", std::vector<std::string>{});

  const Metadata read(data.all(), "model.npz");
  CHECK(read.text("program") == "classifier");
  CHECK(read.text("text") == "a\nb ç");
  CHECK(read.number("hidden") == 64);
  CHECK(read.number("hidden", 1, 64) == 64);
  CHECK(read.number("lowest") == std::numeric_limits<Index>::min());
  CHECK(read.number("layers") == 2);
  CHECK(read.flag("bidirectional"));
  CHECK_FALSE(read.flag("peepholes"));
  CHECK(read.real("lr") == 0.1);
  CHECK(read.real("scale") == static_cast<double>(0.1F));
  CHECK(read.real("hidden") == 64.0);
  CHECK(read.texts("vocabulary") == std::vector<std::string>{"a", "\"", "ß", ""});
  CHECK(read.reals("means") == std::vector<double>{0.1, -1e300, 5e-324, 3.0});
  CHECK(read.reals("widths") == std::vector<double>{3.0, -4.0});
  CHECK(read.numbers("widths") == std::vector<Index>{3, -4});
  CHECK(read.texts("none").empty());
  CHECK(read.contains("lr"));
  CHECK_FALSE(read.contains("LR"));
  CHECK_NOTHROW(read.require("program", "classifier"));
  CHECK(data.all().at("lr") == "0.1");  // as anybody would write it
  CHECK(data.all().at("widths") == "[3,-4]");
}

TEST_CASE("what is missing or of another kind is refused with file and key") {
  const Metadata data({{"word", "a"},
                       {"five", "5"},
                       {"half", "5.5"},
                       {"space", " 5"},
                       {"large", "9223372036854775808"},
                       {"list", "[1, \"a\"]"},
                       {"larges", "[9223372036854775808]"},
                       {"long", std::string(100, 'x')},
                       {"inf", "inf"},
                       {"infs", "[1e999]"}},
                      "model.npz");
  const auto refuses = [](auto&& get, const std::string& message) {
    CHECK_THROWS_AS(get(), FileError);
    CHECK_THROWS_WITH(get(), "[metadata] model.npz: " + message);
  };
  refuses([&] { data.text("none"); },
          "'none': expected a text, got none (a file of another program or version?)");
  refuses([&] { data.number("none"); },
          "'none': expected a text, got none (a file of another program or version?)");
  refuses([&] { data.number("word"); }, "'word': expected a whole number, got 'a'");
  refuses([&] { data.number("half"); }, "'half': expected a whole number, got '5.5'");
  refuses([&] { data.number("space"); }, "'space': expected a whole number, got ' 5'");
  refuses([&] { data.number("large"); }, "'large': expected a whole number, got '9223372036854775808'");
  refuses([&] { data.number("five", 6, 9); }, "'five': expected a whole number from 6 to 9, got '5'");
  refuses([&] { data.number("five", 1, 4); }, "'five': expected a whole number from 1 to 4, got '5'");
  refuses([&] { data.flag("five"); }, "'five': expected true or false, got '5'");
  refuses([&] { data.real("word"); }, "'word': expected a finite number, got 'a'");
  refuses([&] { data.real("inf"); }, "'inf': expected a finite number, got 'inf'");
  refuses([&] { data.texts("list"); }, "'list': expected a JSON list of texts, got '[1, \"a\"]'");
  refuses([&] { data.texts("word"); }, "'word': expected a JSON list of texts, got 'a'");
  refuses([&] { data.reals("list"); }, "'list': expected a JSON list of finite numbers, got '[1, \"a\"]'");
  refuses([&] { data.reals("infs"); }, "'infs': expected a JSON list of finite numbers, got '[1e999]'");
  refuses([&] { data.numbers("larges"); },
          "'larges': expected a JSON list of whole numbers, got '[9223372036854775808]'");
  refuses([&] { data.number("long"); },
          "'long': expected a whole number, got '" + std::string(60, 'x') + "...' (100 bytes)");
  refuses([&] { data.require("word", "b"); }, "'word': expected 'b', got 'a'");
  refuses([&] { data.require("none", "b"); }, "'none': expected 'b', got none");
  CHECK_THROWS_WITH(Metadata().text("a"), Catch::StartsWith("[metadata] 'a': expected"));
}

TEST_CASE("numbers that are not finite and texts that are not UTF-8 are refused when set") {
  Metadata data;
  CHECK_THROWS_AS(data.set("a", std::nan("")), ArgumentError);
  CHECK_THROWS_AS(data.set("a", std::vector<double>{1.0, HUGE_VAL}), ArgumentError);
  CHECK_THROWS_AS(data.set("a", std::vector<std::string>{"\xff"}), ArgumentError);
  CHECK_FALSE(data.contains("a"));
}

TEST_CASE("what a type reads from a text is refused with file and key when it cannot") {
  const Vocabulary letters = Vocabulary::of("abba");
  const Metadata data({{"letters", letters.to_json()}, {"broken", "{}"}}, "model.npz");
  CHECK(data.parsed<Vocabulary>("letters") == letters);
  CHECK_THROWS_AS(data.parsed<Vocabulary>("broken"), FileError);
  CHECK_THROWS_WITH(data.parsed<Vocabulary>("broken"),
                    Catch::Matchers::StartsWith("[metadata] model.npz: 'broken': [Vocabulary.from_json] "));
  CHECK_THROWS_WITH(data.parsed<Vocabulary>("none"),
                    Catch::Contains("model.npz: 'none': expected a text, got none"));
}

TEST_CASE("texts that are nested deep, or hold commands for a terminal, are refused in a short message") {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  const Metadata data({{"deep", deep},
                       {"vocabulary", R"({"unit":"word","tokens":["a"],"special":)" + deep + "}"},
                       {"quoted", R"(["[[[[", "\\", "]"])"},
                       {"evil", "\x1b[2J"}},
                      "model.npz");
  for (const std::string key : {"deep", "vocabulary"}) {
    CHECK_THROWS_AS(data.parsed<Vocabulary>(key), FileError);
    CHECK_THROWS_WITH(data.parsed<Vocabulary>(key),
                      Catch::Contains("'" + key + "': expected JSON that is nested at most 32 deep, got '") &&
                          Catch::Contains("bytes)"));
  }
  CHECK_THROWS_WITH(data.texts("deep"),
                    Catch::Contains("expected a JSON list of texts") && Catch::Contains("(400000 bytes)"));
  CHECK_THROWS_AS(data.reals("deep"), FileError);
  CHECK_THROWS_AS(data.numbers("deep"), FileError);
  CHECK(data.texts("quoted") == std::vector<std::string>{"[[[[", "\\", "]"});
  CHECK_THROWS_WITH(data.texts("evil"), Catch::Contains("'\\x1b[2J'"));
  CHECK_THROWS_WITH(data.text("\x1b[2J"), Catch::Contains("'\\x1b[2J'") && !Catch::Contains("\x1b"));
}

TEST_CASE("whatever of the library's errors from_json throws, file and key are named") {
  struct Throwing {
    static Throwing from_json(const std::string&) {
      throw ShapeError("lists: expected one length, got 1 and 2");
    }
  };
  const Metadata data({{"a", "{}"}}, "model.npz");
  CHECK_THROWS_AS(data.parsed<Throwing>("a"), FileError);
  CHECK_THROWS_WITH(data.parsed<Throwing>("a"),
                    "[metadata] model.npz: 'a': lists: expected one length, got 1 and 2");
}

TEST_CASE("what metadata gives outlives it") {
  STATIC_REQUIRE_FALSE(std::is_reference_v<decltype(std::declval<Metadata>().all())>);
  STATIC_REQUIRE_FALSE(std::is_reference_v<decltype(std::declval<Metadata>().text(""))>);
  for (const auto& [key, text] : Metadata({{"a", "b"}}).all()) CHECK(key + text == "ab");
}
