#include "training/data/vocabulary.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "training/data/labels.hpp"

using namespace unroll;

using Ids = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

TEST_CASE("a vocabulary of characters has the special tokens, then the most frequent ones") {
  const Vocabulary vocabulary = Vocabulary::of("bañana a");
  CHECK(vocabulary.tokens() == Texts{"<pad>", "<unk>", "a", " ", "b", "n", "ñ"});
  CHECK(vocabulary.size() == 7);
  CHECK(vocabulary.special_count() == 2);
  CHECK(vocabulary.pad() == 0);
  CHECK(vocabulary.unknown() == 1);
  CHECK(vocabulary.find("ñ") == 6);
  CHECK_FALSE(vocabulary.find("x"));
  CHECK(vocabulary.encode("añx") == Ids{2, 6, 1});
  CHECK(vocabulary.encode("").empty());
  CHECK(vocabulary.decode(Ids{2, 6, 1, 0}) == "añ<unk><pad>");
  CHECK(vocabulary.decode(Ids{2, 6, 1, 0}, true) == "añ");
}

TEST_CASE("what is encoded with known tokens decodes to itself") {
  const std::string text = "Zażółć gęślą jaźń \xf0\x9f\x98\x80\n\t日本";
  const Vocabulary letters = Vocabulary::of(text, {.special = {}});
  CHECK(letters.decode(letters.encode(text)) == text);
  const std::string sentence = "to be or not to be";
  const Vocabulary words = Vocabulary::of(sentence, {.unit = TextUnit::word});
  CHECK(words.tokens() == Texts{"<pad>", "<unk>", "be", "to", "not", "or"});
  CHECK(words.decode(words.encode(sentence)) == sentence);
  CHECK(words.decode(words.encode("to  be\nhere")) == "to be <unk>");
  CHECK(words.decode(Ids{0, 2, 1, 3}, true) == "be to");
}

TEST_CASE("rare tokens and those beyond the largest size are unknown") {
  const Texts texts{"a a a b b c", "c c d"};  // c 3, a 3, b 2, d 1
  const VocabularyOptions words{.unit = TextUnit::word, .min_count = 2};
  CHECK(Vocabulary::of(texts, words).tokens() == Texts{"<pad>", "<unk>", "a", "c", "b"});
  CHECK(Vocabulary::of(texts, {.unit = TextUnit::word, .max_size = 4}).tokens() ==
        Texts{"<pad>", "<unk>", "a", "c"});
  CHECK(Vocabulary::of(texts, {.unit = TextUnit::word, .max_size = 4}).encode("b a") == Ids{1, 2});
  CHECK(Vocabulary::of(texts, {.unit = TextUnit::word, .special = {}}).tokens() == Texts{"a", "c", "b", "d"});
}

TEST_CASE("a word that reads like a special token is that token") {
  const Vocabulary vocabulary =
      Vocabulary::of("the <unk> cat <eos> the dog", {.unit = TextUnit::word, .special = {"<unk>", "<eos>"}});
  CHECK(vocabulary.tokens() == Texts{"<unk>", "<eos>", "the", "cat", "dog"});
  CHECK(vocabulary.encode("the <eos>") == Ids{2, 1});
  CHECK_FALSE(vocabulary.pad());
}

TEST_CASE("unknown tokens without <unk>, bad ids and bad texts are refused") {
  const Vocabulary vocabulary = Vocabulary::of("abc", {.special = {"<pad>"}});
  CHECK_THROWS_AS(vocabulary.encode("abx"), ArgumentError);
  CHECK_THROWS_WITH(vocabulary.encode("abx"),
                    "[Vocabulary.encode] text: expected known characters (there is no <unk>), got 'x' at 2");
  CHECK_THROWS_AS(vocabulary.encode("a\xff"), ArgumentError);
  CHECK_THROWS_WITH(vocabulary.decode(Ids{0, 4}), "[Vocabulary.decode] ids: expected 0..3, got 4");
  CHECK_THROWS_AS(vocabulary.decode(Ids{-1}), ArgumentError);
  CHECK_THROWS_WITH(Vocabulary::of("a", {.min_count = 0}), "[Vocabulary] min_count: expected >= 1, got 0");
  CHECK_THROWS_WITH(Vocabulary::of("a", {.max_size = 2}),
                    "[Vocabulary] max_size: expected more than the 2 special tokens, got 2");
  CHECK_THROWS_WITH(Vocabulary::of("", {}),
                    "[Vocabulary] text: expected at least one character that is frequent enough, got none");
  CHECK_THROWS_WITH(Vocabulary::of("a", {.special = {"<x>", "<x>"}}),
                    "[Vocabulary] tokens: expected distinct tokens, got '<x>' twice");
  CHECK_THROWS_AS(Vocabulary::of("a", {.special = {""}}), ArgumentError);
  CHECK_THROWS_AS(Vocabulary::of("a", {.special = {"\xff"}}), ArgumentError);
  CHECK_THROWS_AS(Vocabulary::of("a\xff", {}), ArgumentError);
}

TEST_CASE("a vocabulary goes through JSON unchanged") {
  for (const TextUnit unit : {TextUnit::character, TextUnit::word}) {
    const Vocabulary vocabulary =
        Vocabulary::of("quote \" backslash \\ día 日本 \xf0\x9f\x98\x80", {.unit = unit});
    const Vocabulary back = Vocabulary::from_json(vocabulary.to_json());
    CHECK(back == vocabulary);
    CHECK(back.encode("día x") == vocabulary.encode("día x"));
  }
  const auto json = nlohmann::json::parse(Vocabulary::of("ba", {}).to_json());
  CHECK(json ==
        nlohmann::json{{"unit", "character"}, {"special", 2}, {"tokens", {"<pad>", "<unk>", "a", "b"}}});
}

TEST_CASE("JSON that no vocabulary wrote is refused") {
  for (const char* bad :
       {"", "[]", "{", "{}", R"({"unit":"character","special":0})",
        R"({"unit":"letter","special":0,"tokens":["a"]})",
        R"({"unit":"character","special":0,"tokens":["a"],"more":1})",
        R"({"unit":"character","special":2,"tokens":["a"]})",
        R"({"unit":"character","special":-1,"tokens":["a"]})",
        R"({"unit":"character","special":1,"tokens":["a"]})",
        R"({"unit":"character","special":0,"tokens":["a","a"]})",
        R"({"unit":"character","special":0,"tokens":["ab"]})",
        R"({"unit":"word","special":0,"tokens":["a b"]})", R"({"unit":"word","special":0,"tokens":[" a"]})",
        R"({"unit":"word","special":0,"tokens":[1]})", R"({"unit":"word","special":0,"tokens":[""]})"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Vocabulary::from_json(bad), ArgumentError);
  }
}

TEST_CASE("labels are ordered as numbers where they are numbers, else by their bytes") {
  CHECK(Labels::of(Texts{"10", "2", "0", "2"}).names() == Texts{"0", "2", "10"});
  CHECK(Labels::of(Texts{"10", "2", "x"}).names() == Texts{"10", "2", "x"});
  CHECK(Labels::of(Texts{"10", "02"}).names() == Texts{"02", "10"});
  const Labels labels = Labels::of(Texts{"pl", "en", "es", "en"});
  CHECK(labels.names() == Texts{"en", "es", "pl"});
  CHECK(labels.encode(Texts{"pl", "en"}) == Ids{2, 0});
  CHECK(labels.name(1) == "es");
  CHECK_FALSE(labels.find("de"));
  CHECK(Labels::from_json(labels.to_json()) == labels);
  CHECK_THROWS_WITH(labels.encode(Texts{"en", "de"}),
                    "[Labels.encode] labels: expected one of the 3 known ones, got 'de' at 1");
  CHECK_THROWS_WITH(labels.name(3), "[Labels.name] id: expected 0..2, got 3");
  CHECK_THROWS_WITH(Labels::of(Texts{"a", "a"}),
                    "[Labels] labels: expected at least 2 different labels, got 1");
  CHECK_THROWS_AS(Labels::of(Texts{"a", ""}), ArgumentError);
  for (const char* bad : {"", "{}", "[1,2]", "[\"a\"]", "[\"a\",\"a\"]"})
    CHECK_THROWS_AS(Labels::from_json(bad), ArgumentError);
}

TEST_CASE("one-hot vectors have their one where the id says") {
  const IndexTensor ids{{2, 0, 1}, {1, 1, 2}};
  const Tensor<double> y = one_hot<double>(ids, 4);
  REQUIRE(y.shape() == Shape{2, 3, 4});
  for (std::size_t a = 0; a < 2; ++a) {
    for (std::size_t b = 0; b < 3; ++b) {
      for (std::size_t c = 0; c < 4; ++c)
        CHECK(y(a, b, c) == (static_cast<std::int64_t>(c) == ids(a, b) ? 1.0 : 0.0));
    }
  }
  CHECK_THROWS_AS(one_hot<float>(ids, 2), ShapeError);
  CHECK_THROWS_WITH(one_hot<float>(ids, 2), "[one_hot] ids: expected 0..1, got 2 at 0");
  CHECK_THROWS_AS(one_hot<float>(IndexTensor{-1}, 2), ShapeError);
  CHECK_THROWS_AS(one_hot<float>(ids, 0), ArgumentError);
  const IndexTensor four{0, 0, 0, 0};  // times 2^62 that is 0 modulo 2^64
  CHECK_THROWS_AS(one_hot<float>(four, Index{1} << 62), ArgumentError);
  CHECK_THROWS_AS(one_hot<float>(IndexTensor{0}, Index{1} << 60), ArgumentError);
  CHECK_THROWS_AS(one_hot<float>(zeros<std::int64_t>({1, 1, 1, 1, 1, 1}), 2), ShapeError);
}
