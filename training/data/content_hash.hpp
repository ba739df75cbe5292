// Hashes that are the same in every run and on every machine.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

namespace unroll {
namespace detail {

inline constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325U, kFnvPrime = 0x100000001b3U;

// SplitMix64's mixing: a bijection whose every output bit depends on every input bit.
inline std::uint64_t mix_bits(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}
// The seed of one epoch's random numbers.
inline std::uint64_t epoch_seed(std::uint64_t seed, std::int64_t epoch) noexcept {
  return mix_bits(mix_bits(seed) + static_cast<std::uint64_t>(epoch));
}

}  // namespace detail

// 64 bits that depend on every byte (FNV-1a, then SplitMix64's mixing), or on the values of numbers (0 and -0
// are equal). `seed` chains contents: content_hash(numbers, content_hash(text)). Not cryptographic.
inline std::uint64_t content_hash(std::string_view text, std::uint64_t seed = 0) noexcept {
  std::uint64_t hash = detail::kFnvBasis ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * detail::kFnvPrime;
  return detail::mix_bits(hash);
}
inline std::uint64_t content_hash(std::span<const double> numbers, std::uint64_t seed = 0) noexcept {
  std::uint64_t hash = detail::kFnvBasis ^ seed;
  for (const double number : numbers) {
    auto bits = std::bit_cast<std::uint64_t>(number == 0.0 ? 0.0 : number);
    // The lowest byte first, whatever the machine's order.
    for (int i = 0; i < 8; ++i, bits >>= 8) hash = (hash ^ (bits & 0xff)) * detail::kFnvPrime;
  }
  return detail::mix_bits(hash);
}

}  // namespace unroll
