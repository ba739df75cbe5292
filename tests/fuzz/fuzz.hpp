// What the fuzz harnesses share: what may leave a reader, files of an input's bytes, and how a finding is
// told.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "framework/errors.hpp"

namespace unroll::fuzz {

// Each harness defines this one, over one family of readers; entry.cpp makes it libFuzzer's.
void one_input(std::string_view input);

// Ends the program; libFuzzer keeps the input.
[[noreturn]] void finding(const std::string& what);
inline void require(bool holds, const char* what) {
  if (!holds) finding(what);
}
// A finding unless the message is fit for a terminal: some lines long at most, no control bytes.
void check_message(std::string_view message);
[[noreturn]] void foreign(const char* what);  // an exception that is no unroll::Error

// f's result (true for void), or nothing (false) after an unroll::Error. Any other exception is a finding.
template <class F>
auto attempt(F&& f) {
  using Result = std::invoke_result_t<F&>;
  constexpr bool kNothing = std::is_void_v<Result>;
  using Outcome =
      std::conditional_t<kNothing, bool, std::optional<std::conditional_t<kNothing, int, Result>>>;
  try {
    if constexpr (kNothing) {
      f();
      return Outcome(true);
    } else {
      return Outcome(f());
    }
  } catch (const Error& error) {
    check_message(error.what());
  } catch (const std::exception& error) {
    foreign(error.what());
  }
  return Outcome();
}
// The same of what must come through.
template <class F>
auto must(const char* what, F&& f) {
  auto outcome = attempt(f);
  require(static_cast<bool>(outcome), what);
  if constexpr (!std::is_void_v<std::invoke_result_t<F&>>) return *std::move(outcome);
}

// A path in a folder of this process, which is gone at its end. For speed and for the disk's sake put TMPDIR
// into memory.
std::string file(const std::string& name);
std::string file(const std::string& name, std::string_view bytes);
std::string bytes_of(const std::string& path);
// Removes all that is in the folder.
void clear_folder();

}  // namespace unroll::fuzz
