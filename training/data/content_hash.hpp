// Hashes that are the same in every run and on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace unroll {

// 64 bits that depend on every byte (FNV-1a, then SplitMix64's mixing); for numbers on their values, with 0
// and -0 alike. `seed` joins several contents: content_hash(numbers, content_hash(text)). Not for secrets.
std::uint64_t content_hash(std::string_view text, std::uint64_t seed = 0) noexcept;
std::uint64_t content_hash(std::span<const double> numbers, std::uint64_t seed = 0) noexcept;

namespace detail {
// SplitMix64's mixing: a bijection whose every output bit depends on every input bit.
std::uint64_t mix_bits(std::uint64_t z) noexcept;
// The seed of one epoch's random numbers.
std::uint64_t epoch_seed(std::uint64_t seed, std::int64_t epoch) noexcept;
}  // namespace detail

}  // namespace unroll
