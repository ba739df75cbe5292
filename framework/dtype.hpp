// Dtype: the types of the elements that files hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace unroll {

// Whole numbers, IEEE floats, bfloat16, the 8-bit floats and pairs of floats of the safetensors format.
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
  other  // what only the file has a name for; it cannot be read
};

// "F32": the names of the safetensors format; "another type" for other, which no name stands for.
const char* to_string(Dtype dtype) noexcept;
std::optional<Dtype> dtype_of_name(std::string_view name) noexcept;
// Bytes of an element; 0 of other.
std::size_t size_of(Dtype dtype) noexcept;
// f16, bf16, f32 or f64.
bool is_float(Dtype dtype) noexcept;

// The type of S: float, double, bool or a whole number of 8 to 64 bits.
template <class S>
Dtype dtype_of() noexcept;

// What happens to numbers that the wanted type has not.
enum class Rounding {
  refuse,  // they are not read: every number of the file's type must be one of the wanted type
  nearest  // a float or double takes the nearest; beyond its range that is infinity
};

// Whether elements of this type can be read as S. As bool: booleans only; as whole numbers: narrower ones and
// booleans; as floats: whatever they hold exactly, with Rounding::nearest all numbers.
template <class S>
bool readable_as(Dtype dtype, Rounding rounding = Rounding::refuse) noexcept;

namespace detail {

// Converts n little-endian elements; S must be able to read the type.
template <class S>
void decode(Dtype dtype, const unsigned char* from, std::size_t n, S* to) noexcept;

}  // namespace detail
}  // namespace unroll
