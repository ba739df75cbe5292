// Reading back what metrics write of themselves; for .cpp files.
#pragma once

#include <cstdint>
#include <string>

namespace unroll::detail {

// Numbers with one space between. All throw ArgumentError for anything else.
class StateText {
 public:
  StateText(const char* owner, const std::string& text)
      : owner_(owner), text_(text), at_(text.data()), end_(at_ + text.size()) {}
  std::int64_t count();  // >= 0
  double number();
  void end() const;

 private:
  template <class T>
  T read();
  [[noreturn]] void fail() const;
  const char* owner_;
  const std::string& text_;
  const char *at_, *end_;
};

}  // namespace unroll::detail
