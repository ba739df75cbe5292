// Dtype: element types in files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace unroll {

// Integers, IEEE floats, bfloat16, and the 8-bit and complex floats of the safetensors format.
enum class Dtype : std::uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  u64,
  i64,
  f16,
  bf16,
  f32,
  f64,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  c64,
  other  // known only to the file; cannot be read
};

// Returns the name in the safetensors format, for example "F32"; "another type" for other.
const char* to_string(Dtype dtype) noexcept;
std::optional<Dtype> dtype_of_name(std::string_view name) noexcept;
// Returns the bytes of an element; 0 for other.
std::size_t size_of(Dtype dtype) noexcept;
// Returns true for f16, bf16, f32 and f64.
bool is_float(Dtype dtype) noexcept;

// Returns the type of S: float, double, bool or an integer of 8 to 64 bits.
template <class S>
Dtype dtype_of() noexcept;

// How to read values that the requested type cannot represent.
enum class Rounding {
  refuse,  // do not read: every value of the file's type must be a value of the requested type
  nearest  // round to the nearest float or double; infinity beyond the range
};

// Returns whether elements of this type can be read as S. As bool: only booleans. As integers: narrower
// integers and booleans. As floats: all types that they represent exactly; with Rounding::nearest all numeric
// types.
template <class S>
bool readable_as(Dtype dtype, Rounding rounding = Rounding::refuse) noexcept;

namespace detail {

// Converts n little-endian elements; the type must be readable as S.
template <class S>
void decode(Dtype dtype, const unsigned char* from, std::size_t n, S* to) noexcept;

}  // namespace detail
}  // namespace unroll
