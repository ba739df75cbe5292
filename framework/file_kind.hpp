// What a file is that is not what it was taken for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace unroll {

// So many bytes from the front of a file tell its kind.
inline constexpr std::size_t kFileKindBytes = 4096;

// What a file is by its first bytes, with what to do about it, for a message behind "got ": "a gzip file
// (unpack it: gunzip FILE)". Empty for what is none of those known here: plain text, say.
std::string file_kind(std::string_view first_bytes);
// What it says of the one kind that is also wanted.
inline constexpr const char* kSafetensorsKind = "a safetensors file";

// Whether the file is text, if of a special kind: an HTML page or XML.
bool is_markup(std::string_view first_bytes) noexcept;

}  // namespace unroll
