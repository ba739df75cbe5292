// Reads back what a metric writes of itself. For .cpp files.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "framework/errors.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {

// Numbers with one space between. All throw ArgumentError for anything else.
class StateText {
 public:
  StateText(const char* owner, const std::string& text) : owner_(owner), text_(text), rest_(text_) {}

  double number() { return read<double>(); }
  std::int64_t count() {  // >= 0
    const auto value = read<std::int64_t>();
    if (value < 0) fail();
    return value;
  }
  void end() const {
    if (!rest_.empty()) fail();
  }

 private:
  template <class N>
  N read() {
    if (rest_.data() != text_.data()) {
      if (!rest_.starts_with(' ')) fail();
      rest_.remove_prefix(1);
    }
    const auto value = take_number<N>(rest_);
    if (!value) fail();
    return *value;
  }
  [[noreturn]] void fail() const {
    throw ArgumentError(fmt::format("[{}.load_state] state: expected what state() returned, got {}", owner_,
                                    unroll::quoted(text_)));
  }

  const char* owner_;
  std::string_view text_, rest_;
};

}  // namespace unroll::detail
