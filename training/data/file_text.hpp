// Whole files as text, and errors that name their lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace unroll::detail {

// Every byte of a file. Throws FileError "path: cannot read the file: ..." for a folder and for what
// cannot be read to its end.
std::string read_bytes(const std::string& path);

// Throws FileError "path: expected a table, got a gzip file (unpack it: gunzip FILE)" for bytes of another
// kind of file than plain text; `what` is what it expects, "a table".
void require_text(const std::string& path, std::string_view bytes, std::string_view what);
// The same for a text whose lines end in CR alone.
void require_lines(const std::string& path, std::string_view bytes, std::string_view what);

// Throws FileError "path:line: message".
[[noreturn]] void fail_at(const std::string& path, std::size_t line, std::string_view message);

// The same text without a byte order mark in front.
std::string_view without_bom(std::string_view text) noexcept;

}  // namespace unroll::detail
