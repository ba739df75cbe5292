// Whole files as text, and errors that name their lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace unroll::detail {

// Every byte of a file. Throws FileError "path: want a readable file, got: ..." for a folder and for what
// cannot be read to its end.
std::string read_bytes(const std::string& path);

// Throws FileError "path:line: message".
[[noreturn]] void fail_at(const std::string& path, std::size_t line, std::string_view message);

// The same text without a byte order mark in front.
std::string_view without_bom(std::string_view text) noexcept;

}  // namespace unroll::detail
