// Plain text: UTF-8 files, their lines, characters and words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// The whole text of a UTF-8 file, without a byte order mark in front; line ends stay as they are. Throws
// FileError naming the file, what it is where it is of another kind (gzip, UTF-16, PDF, ..; HTML and XML are
// texts), and the line where it is not UTF-8:
//   "path:3: expected UTF-8, got byte 0xff at column 5"   (columns are bytes)
std::string read_text(const std::string& path);

// Its lines, without their ends ("\n" or "\r\n"); an end at the very end begins no further line. Throws as
// read_text, and for a text whose lines end in "\r" alone.
std::vector<std::string> read_lines(const std::string& path);

// The characters (Unicode code points) of a UTF-8 text, each as its one to four bytes of the text, which must
// outlive them. Throws ArgumentError "... expected UTF-8, got byte 0xff at position 5" (from 1).
std::vector<std::string_view> characters(std::string_view text);

// The words of a UTF-8 text: what stands between white space (Unicode's property White_Space, so no-break
// spaces too). Punctuation is part of a word. Throws as characters.
std::vector<std::string_view> words(std::string_view text);

}  // namespace unroll
