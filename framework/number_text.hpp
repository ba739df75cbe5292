// Numbers read from text, the same in every locale.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace unroll::detail {

// Reads the number at the front of the text, which then begins behind it; format: a base, for whole numbers.
// errc::invalid_argument where there is none, errc::result_out_of_range where N cannot hold it.
template <class N, class... Format>
std::errc read_number(std::string_view& text, N& number, Format... format) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, format...);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error;
}

// The number that is at the front of the text, or that is all of it; nothing where N holds no such number.
template <class N, class... Format>
std::optional<N> take_number(std::string_view& text, Format... format) {
  N number{};
  return read_number(text, number, format...) == std::errc() ? std::optional(number) : std::nullopt;
}
template <class N, class... Format>
std::optional<N> parse_number(std::string_view text, Format... format) {
  const std::optional<N> number = take_number<N>(text, format...);
  return text.empty() ? number : std::nullopt;
}

}  // namespace unroll::detail
