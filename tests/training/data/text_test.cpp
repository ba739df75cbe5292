#include "training/data/text.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "framework/errors.hpp"
#include "tests/training/data/scratch_file.hpp"

using namespace unroll;

namespace {

using Views = std::vector<std::string_view>;

// UTF-8 by its definition (RFC 3629, section 3).
std::string encoded(char32_t c) {
  const auto byte = [](char32_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)),
          byte(0x80 | (c & 0x3F))};
}

}  // namespace

TEST_CASE("a text is read as it is, without a byte order mark") {
  const ScratchFile file("\xef\xbb\xbfZażółć\r\n\n\xf0\x9f\x98\x80 x");
  CHECK(read_text(file.path) == "Zażółć\r\n\n\xf0\x9f\x98\x80 x");
  CHECK(read_lines(file.path) == std::vector<std::string>{"Zażółć", "", "\xf0\x9f\x98\x80 x"});
  CHECK(read_text(ScratchFile("").path).empty());
  CHECK(read_lines(ScratchFile("").path).empty());
  CHECK(read_lines(ScratchFile("\n").path) == std::vector<std::string>{""});
  CHECK(read_lines(ScratchFile("a\nb\n").path) == std::vector<std::string>{"a", "b"});
  CHECK(read_lines(ScratchFile("a\r\r\n\rb").path) == std::vector<std::string>{"a\r", "\rb"});
}

TEST_CASE("a text that is longer than one block is read whole") {
  std::string text;
  for (int i = 0; i < 40000; ++i) text += "line " + std::to_string(i) + "\n";
  const ScratchFile file(text);
  CHECK(read_text(file.path) == text);
  CHECK(read_lines(file.path).size() == 40000);
}

TEST_CASE("a text file that is not UTF-8 is refused with line and column") {
  const auto refuses = [](const std::string& bytes, const std::string& message) {
    const ScratchFile file(bytes);
    CHECK_THROWS_AS(read_text(file.path), FileError);
    CHECK_THROWS_WITH(read_text(file.path), file.path + message);
    CHECK_THROWS_WITH(read_lines(file.path), file.path + message);
  };
  refuses("\xff", ":1: expected UTF-8, got byte 0xff at column 1");
  refuses("ab\ncd\nmañ\x80x\n", ":3: expected UTF-8, got byte 0x80 at column 5");
  refuses("ab\n\xc3", ":2: expected UTF-8, got byte 0xc3 at column 1");               // breaks off
  refuses("\xef\xbb\xbfx\xc0\xaf", ":1: expected UTF-8, got byte 0xc0 at column 2");  // too long for '/'
  refuses("ab\r\n\xed\xa0\x80", ":2: expected UTF-8, got byte 0xed at column 1");  // half of a surrogate pair
  const std::string folder = std::filesystem::temp_directory_path().string();
  CHECK_THROWS_WITH(read_text(folder), folder + ": expected a file, got a directory");
  CHECK_THROWS_WITH(read_text("/no/such/file"),
                    "/no/such/file: cannot read the file: No such file or directory");
}

TEST_CASE("every code point is one character, and surrogates are none") {
  std::string text;
  std::vector<std::string> want;
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 211) {
    if (c >= 0xD800 && c <= 0xDFFF) {
      CHECK_THROWS_AS(characters(encoded(c)), ArgumentError);
      continue;
    }
    want.push_back(encoded(c));
    text += want.back();
  }
  for (const char32_t c : {0xD7FFU, 0xE000U, 0xFFFEU, 0xFFFFU, 0x10000U, 0x10FFFFU}) {
    want.push_back(encoded(c));
    text += want.back();
  }
  const Views got = characters(text);
  REQUIRE(got.size() == want.size());
  CHECK(std::equal(got.begin(), got.end(), want.begin()));
  CHECK(characters("").empty());
}

TEST_CASE("malformed UTF-8 is refused where it begins") {
  for (const std::string bad : {"\x80",
                                "\xbf",
                                "\xc0\x80",
                                "\xc1\xbf",
                                "\xe0\x80\x80",
                                "\xe0\x9f\xbf",
                                "\xed\xa0\x80",
                                "\xed\xbf\xbf",
                                "\xf0\x80\x80\x80",
                                "\xf0\x8f\xbf\xbf",
                                "\xf4\x90\x80\x80",
                                "\xf5\x80\x80\x80",
                                "\xfe",
                                "\xff",
                                "\xc3",
                                "\xe2\x82",
                                "\xf0\x9f\x98",
                                "\xc3x",
                                "\xe2\x28\xa1",
                                "\xe2\x82x"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(characters("aé" + bad), ArgumentError);
    CHECK_THROWS_AS(words("aé" + bad), ArgumentError);
    CHECK_THROWS_WITH(characters("aé" + bad), Catch::Contains("text: expected UTF-8, got byte 0x") &&
                                                  Catch::EndsWith("at position 4"));
  }
}

TEST_CASE("words stand between white space of any script") {
  CHECK(words("").empty());
  CHECK(words(" \t\n\r\v\f").empty());
  CHECK(words("one") == Views{"one"});
  CHECK(words("  to be,\nor\tnot ") == Views{"to", "be,", "or", "not"});
  const std::string nul("a\0b c", 5);
  CHECK(words(nul) == Views{std::string_view(nul).substr(0, 3), "c"});
  for (const char32_t c :
       {0x85U, 0xA0U, 0x1680U, 0x2000U, 0x2007U, 0x200AU, 0x2028U, 0x2029U, 0x202FU, 0x205FU, 0x3000U}) {
    CAPTURE(static_cast<std::uint32_t>(c));
    CHECK(words("día" + encoded(c) + encoded(c) + "日本") == Views{"día", "日本"});
  }
  for (const char32_t c : {0x1FU, 0x84U, 0x200BU, 0x180EU, 0xFEFFU})
    CHECK(words("a" + encoded(c) + "b").size() == 1);
}
