// Plain text: UTF-8 files, their lines, characters and words, and errors that name lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// The text of a UTF-8 file without a byte order mark; line ends are unchanged. Throws FileError naming the
// file, its kind if it is no text (gzip, UTF-16, PDF, ..; HTML and XML are texts), and the line that is not
// UTF-8:
//   "path:3: expected UTF-8, got byte 0xff at column 5"   (columns are bytes)
std::string read_text(const std::string& path);

// Its lines without their ends ("\n" or "\r\n"); a final line end adds no line. Throws as read_text, and for
// lines that end in "\r" alone.
std::vector<std::string> read_lines(const std::string& path);

// The characters (Unicode code points) of a UTF-8 text, as views of the text. Throws ArgumentError
// "... expected UTF-8, got byte 0xff at position 5" (from 1).
std::vector<std::string_view> characters(std::string_view text);

// The words of a UTF-8 text, separated by white space (Unicode's property White_Space, including no-break
// spaces). Punctuation is part of a word. Throws as characters.
std::vector<std::string_view> words(std::string_view text);

namespace detail {

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

}  // namespace detail

}  // namespace unroll
