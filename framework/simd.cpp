#include "framework/simd.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "framework/errors.hpp"
#include "framework/kernels/isa.hpp"

namespace unroll {

// Starts with the baseline.
constinit unsigned kernel::isa_in_use = 0;

namespace {

#ifdef UNROLL_SEVERAL_ISAS
constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};

// The usable sets: each requires the previous ones. The compiler's function also checks that the operating
// system saves the wide registers.
unsigned supported_count() noexcept {
  __builtin_cpu_init();
  const auto has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!has_avx2) return 1;
  const auto has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  return has_avx512 ? 3 : 2;
}
#else
#ifdef UNROLL_NATIVE
constexpr const char* kNames[] = {"native"};
#else
constexpr const char* kNames[] = {"baseline"};
#endif
unsigned supported_count() noexcept { return 1; }
#endif

unsigned place_of(std::string_view name, const char* where) {
  const unsigned count = supported_count();
  for (unsigned i = 0; i < count; ++i) {
    if (kNames[i] == name) return i;
  }
  const bool known = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  throw ArgumentError(fmt::format("[{}] name: expected one of {}, got '{}'{}", where,
                                  fmt::join(simd_isas(), ", "), name,
                                  known ? " (which this CPU or its operating system does not support)" : ""));
}

unsigned place_at_start() {
  const char* forced = std::getenv("UNROLL_SIMD");
  if (forced == nullptr || *forced == '\0') return supported_count() - 1;
  try {
    return place_of(forced, "UNROLL_SIMD");
  } catch (const Error& error) {  // nobody could catch it here
    std::fprintf(stderr, "unroll: %s\n", error.what());
    std::_Exit(EXIT_FAILURE);
  }
}

// Runs before the initialisers of the program's own objects, which may compute something.
struct ChooseAtStart {
  ChooseAtStart() { kernel::isa_in_use = place_at_start(); }
};
[[gnu::init_priority(101)]] ChooseAtStart choose_at_start;

}  // namespace

std::string_view simd_isa() noexcept { return kNames[kernel::isa_in_use]; }

std::vector<std::string> simd_isas() { return {kNames, kNames + supported_count()}; }

void set_simd_isa(std::string_view name) { kernel::isa_in_use = place_of(name, "set_simd_isa"); }

}  // namespace unroll
