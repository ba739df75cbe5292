#include "training/data/content_hash.hpp"

#include <bit>

namespace unroll {
namespace {

constexpr std::uint64_t kBasis = 0xcbf29ce484222325U, kPrime = 0x100000001b3U;

}  // namespace

std::uint64_t detail::mix_bits(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

std::uint64_t detail::epoch_seed(std::uint64_t seed, std::int64_t epoch) noexcept {
  return mix_bits(mix_bits(seed) + static_cast<std::uint64_t>(epoch));
}

std::uint64_t content_hash(std::string_view text, std::uint64_t seed) noexcept {
  std::uint64_t hash = kBasis ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return detail::mix_bits(hash);
}

std::uint64_t content_hash(std::span<const double> numbers, std::uint64_t seed) noexcept {
  std::uint64_t hash = kBasis ^ seed;
  for (const double number : numbers) {
    auto bits = std::bit_cast<std::uint64_t>(number == 0.0 ? 0.0 : number);
    // The lowest byte first, whatever the machine's order.
    for (int i = 0; i < 8; ++i, bits >>= 8) hash = (hash ^ (bits & 0xff)) * kPrime;
  }
  return detail::mix_bits(hash);
}

}  // namespace unroll
