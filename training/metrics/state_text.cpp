#include "training/metrics/state_text.hpp"

#include <fmt/format.h>

#include <charconv>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {

template <class T>
T StateText::read() {
  if (at_ != text_.data()) {
    if (at_ == end_ || *at_ != ' ') fail();
    ++at_;
  }
  T value{};
  const auto [next, error] = std::from_chars(at_, end_, value);
  if (error != std::errc()) fail();
  at_ = next;
  return value;
}

std::int64_t StateText::count() {
  const auto value = read<std::int64_t>();
  if (value < 0) fail();
  return value;
}

double StateText::number() { return read<double>(); }

void StateText::end() const {
  if (at_ != end_) fail();
}

void StateText::fail() const {
  throw ArgumentError(fmt::format("[{}.load_state] state: expected what state() returned, got {}", owner_,
                                  unroll::quoted(text_)));
}

}  // namespace unroll::detail
