// file_kind: recognises files of an unexpected kind.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace unroll {

// The number of bytes at the front of a file that tell its kind.
inline constexpr std::size_t kFileKindBytes = 4096;

// Returns the kind of a file by its first bytes, with advice, as an error message continues after "got ": "a
// gzip file (unpack it: gunzip FILE)". Empty for an unknown kind, for example plain text.
std::string file_kind(std::string_view first_bytes);
// The text for the one kind that is also a valid input.
inline constexpr const char* kSafetensorsKind = "a safetensors file";

// Returns true for text that is an HTML page or XML.
bool is_markup(std::string_view first_bytes) noexcept;

}  // namespace unroll
