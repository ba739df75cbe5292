#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <string>

#include "framework/number_text.hpp"

using unroll::detail::parse_number;
using unroll::detail::read_number;
using unroll::detail::take_number;

TEST_CASE("a text is a number if all of it is one that the type holds") {
  CHECK(parse_number<double>("-1.5e-3") == -1.5e-3);
  CHECK(std::isnan(parse_number<double>("nan").value()));
  CHECK(parse_number<std::int64_t>("-12") == -12);
  CHECK(parse_number<std::uint64_t>("00ff", 16) == 255U);
  for (const char* text : {"", " 1", "1 ", "+1", "1,5", "1x", "x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_number<double>(text));
    CHECK_FALSE(parse_number<std::int64_t>(text));
  }
  CHECK_FALSE(parse_number<std::int64_t>("1.0"));
  CHECK_FALSE(parse_number<std::int64_t>("9223372036854775808"));
  CHECK_FALSE(parse_number<double>("1e400"));
}

TEST_CASE("a number is taken from the front of a text, and the rest stays") {
  std::string_view rest = "12 0.5";
  CHECK(take_number<std::int64_t>(rest) == 12);
  CHECK(rest == " 0.5");
  CHECK_FALSE(take_number<double>(rest));
  CHECK(rest == " 0.5");
}

TEST_CASE("a number out of range is told from what is no number") {
  double number = 0.0;
  std::string_view large = "1e400", none = "one";
  CHECK(read_number(large, number) == std::errc::result_out_of_range);
  CHECK(large.empty());
  CHECK(read_number(none, number) == std::errc::invalid_argument);
  CHECK(none == "one");
}
