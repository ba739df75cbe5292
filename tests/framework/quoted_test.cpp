#include "framework/quoted.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace unroll;
using namespace std::string_literals;

TEST_CASE("bytes in a message are quoted, and nothing in them is a command to a terminal") {
  const struct {
    std::string bytes, text;
  } cases[] = {
      {"", "''"},
      {"n/a", "'n/a'"},
      {"größe, żółw, 語, 🐢", "'größe, żółw, 語, 🐢'"},
      {"a\nb\r\tc", "'a\\nb\\r\\tc'"},
      {"\x1b[2J\x07\0\x7f"s, "'\\x1b[2J\\x07\\x00\\x7f'"},
      {"\xc2\x9b"
       "31m\xe2\x80\xae",
       "'\\u009b31m\\u202e'"},  // a control of one character; right to left
      {"\xef\xbb\xbfyear", "'\\ufeffyear'"},
      {"Jos\xe9", "'Jos\\xe9'"},
      {"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", "'\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80'"},
      {"\xe8\xaa", "'\\xe8\\xaa'"},
      {"C:\\data", "'C:\\data'"},
  };
  for (const auto& c : cases) CHECK(quoted(c.bytes) == c.text);
}

TEST_CASE("of many bytes in a message the first are shown, and how many there are") {
  CHECK(quoted(std::string(60, 'a')) == "'" + std::string(60, 'a') + "'");
  CHECK(quoted(std::string(5000, 'a')) == "'" + std::string(60, 'a') + "...' (5000 bytes)");
  CHECK(quoted("abc...", 6) == "'abc...'");
  CHECK(quoted("ab\x1b"
               "cd",
               5) == "'ab...' (5 bytes)");
  CHECK(quoted("żółwie", 4) == "'żółw...' (9 bytes)");
  CHECK(escaped("a\nb") == "a\\nb");
  CHECK(escaped("abcdef", 3) == "abc...");
  CHECK(escaped(std::string(5000, 'a')).size() == 5000);
}

TEST_CASE("many names in a message are the first ones and their number") {
  CHECK(listed(std::vector<std::string>{}).empty());
  CHECK(listed(std::vector<std::string>{"year", "pri\nce"}) == "year, pri\\nce");
  CHECK(listed(std::vector<std::string>{"a", "b", "c"}, 4) == "a, b ... (3)");
  CHECK(listed(std::vector<std::string>(150000, "x"), 10) == "x, x, x, x ... (150000)");
  CHECK(listed(std::vector<std::string>{std::string(1000, 'x')}, 10) == "xxxxxxxxxx...");
}
