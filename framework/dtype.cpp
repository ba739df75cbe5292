#include "framework/dtype.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "framework/element_types.hpp"

namespace unroll {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

struct Entry {
  const char* name;
  std::size_t size;
};
// In the order of the enumeration.
constexpr std::array<Entry, 18> kDtypes{{{"BOOL", 1},
                                         {"U8", 1},
                                         {"I8", 1},
                                         {"U16", 2},
                                         {"I16", 2},
                                         {"U32", 4},
                                         {"I32", 4},
                                         {"U64", 8},
                                         {"I64", 8},
                                         {"F16", 2},
                                         {"BF16", 2},
                                         {"F32", 4},
                                         {"F64", 8},
                                         {"F8_E4M3", 1},
                                         {"F8_E5M2", 1},
                                         {"F8_E8M0", 1},
                                         {"C64", 8},
                                         {"another type", 0}}};

struct Float16 {
  std::uint16_t bits;
  explicit operator float() const noexcept {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fU, fraction = bits & 0x3ffU;
    if (exponent == 0) {  // zero and subnormal numbers
      const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
      return sign != 0 ? -magnitude : magnitude;
    }
    const std::uint32_t wide = exponent == 0x1f ? 0xffU : exponent + (127 - 15);
    return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
  }
};

struct BFloat16 {
  std::uint16_t bits;
  explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

// Calls f with a value of the C++ type of dtype; returns false for types without one.
template <class F>
bool with_type(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::boolean:
      return f(bool{}), true;
    case Dtype::u8:
      return f(std::uint8_t{}), true;
    case Dtype::i8:
      return f(std::int8_t{}), true;
    case Dtype::u16:
      return f(std::uint16_t{}), true;
    case Dtype::i16:
      return f(std::int16_t{}), true;
    case Dtype::u32:
      return f(std::uint32_t{}), true;
    case Dtype::i32:
      return f(std::int32_t{}), true;
    case Dtype::u64:
      return f(std::uint64_t{}), true;
    case Dtype::i64:
      return f(std::int64_t{}), true;
    case Dtype::f16:
      return f(Float16{}), true;
    case Dtype::bf16:
      return f(BFloat16{}), true;
    case Dtype::f32:
      return f(float{}), true;
    case Dtype::f64:
      return f(double{}), true;
    case Dtype::f8_e4m3:
    case Dtype::f8_e5m2:
    case Dtype::f8_e8m0:
    case Dtype::c64:
    case Dtype::other:
      break;
  }
  return false;
}

// Whether every value of From is a value of To.
template <class From, class To>
constexpr bool holds() {
  if constexpr (std::is_same_v<From, To>) {
    return true;
  } else if constexpr (std::is_same_v<To, bool>) {
    return false;
  } else if constexpr (std::is_same_v<From, Float16> || std::is_same_v<From, BFloat16>) {
    return std::is_floating_point_v<To>;
  } else if constexpr (std::is_floating_point_v<From> && !std::is_floating_point_v<To>) {
    return false;
  } else if constexpr (std::is_signed_v<From> && std::is_unsigned_v<To>) {
    return false;
  } else {
    return std::numeric_limits<From>::digits <= std::numeric_limits<To>::digits;
  }
}

}  // namespace

const char* to_string(Dtype dtype) noexcept { return kDtypes[static_cast<std::size_t>(dtype)].name; }

std::optional<Dtype> dtype_of_name(std::string_view name) noexcept {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Dtype::other); ++i) {
    if (name == kDtypes[i].name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

std::size_t size_of(Dtype dtype) noexcept { return kDtypes[static_cast<std::size_t>(dtype)].size; }

bool is_float(Dtype dtype) noexcept { return dtype >= Dtype::f16 && dtype <= Dtype::f64; }

template <class S>
Dtype dtype_of() noexcept {
  if constexpr (std::is_same_v<S, bool>) {
    return Dtype::boolean;
  } else if constexpr (std::is_floating_point_v<S>) {
    return sizeof(S) == 4 ? Dtype::f32 : Dtype::f64;
  } else {
    const int rank = std::countr_zero(sizeof(S));  // of 1, 2, 4 and 8 bytes
    return static_cast<Dtype>(static_cast<int>(Dtype::u8) + 2 * rank + (std::is_signed_v<S> ? 1 : 0));
  }
}

template <class S>
bool readable_as(Dtype dtype, Rounding rounding) noexcept {
  bool result = false;
  with_type(dtype, [&](auto from) {
    result = holds<decltype(from), S>() || (std::is_floating_point_v<S> && rounding == Rounding::nearest);
  });
  return result;
}

namespace detail {

template <class S>
void decode(Dtype dtype, const unsigned char* from, std::size_t n, S* to) noexcept {
  with_type(dtype, [&](auto type) {
    using From = decltype(type);
    if constexpr (std::is_same_v<From, bool>) {
      // Any byte but 0 is true, as in NumPy; as a C++ bool, reading it would be undefined.
      for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<S>(from[i] != 0);
    } else if constexpr (std::is_same_v<From, S>) {
      if (n > 0) std::memcpy(to, from, n * sizeof(S));
    } else if constexpr (holds<From, S>() || std::is_floating_point_v<S>) {
      for (std::size_t i = 0; i < n; ++i) {
        From element;
        std::memcpy(&element, from + i * sizeof(From), sizeof(From));
        if constexpr (std::is_class_v<From>) {
          to[i] = static_cast<S>(static_cast<float>(element));
        } else {
          to[i] = static_cast<S>(element);
        }
      }
    }
  });
}

}  // namespace detail

#define UNROLL_INSTANTIATE(S)                             \
  template Dtype dtype_of<S>() noexcept;                  \
  template bool readable_as<S>(Dtype, Rounding) noexcept; \
  template void detail::decode(Dtype, const unsigned char*, std::size_t, S*) noexcept;
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
