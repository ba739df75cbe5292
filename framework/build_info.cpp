#include "framework/build_info.hpp"

#include <cblas.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "framework/kernels/gemm.hpp"
#include "framework/simd.hpp"

namespace unroll {
namespace {

struct Cpu {
  bool avx2 = false, avx512 = false;
};

Cpu cpu() noexcept {
  Cpu found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  found.avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") != 0;
#endif
  return found;
}

#ifdef __clang__
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

}  // namespace

std::string detail::blas_core_warning(const std::string& core, bool cpu_has_avx2, bool cpu_has_avx512) {
  // OpenBLAS's names of cores with AVX-512, and of those with AVX2; all other x86-64 cores are older.
  constexpr std::array kAvx512 = {"SkylakeX", "Cooperlake", "Sapphirerapids"};
  constexpr std::array kAvx2 = {"Haswell", "Zen", "Excavator"};
  const auto among = [&core](const auto& names) {
    return std::any_of(names.begin(), names.end(), [&core](const char* name) {
      return std::equal(core.begin(), core.end(), name, name + std::char_traits<char>::length(name),
                        [](char a, char b) { return (a | 0x20) == (b | 0x20); });  // ignores case
    });
  };
  const char* cpu_has = cpu_has_avx512 ? "AVX-512" : "AVX2";
  const bool fits = among(kAvx512) || (cpu_has_avx512 ? false : !cpu_has_avx2 || among(kAvx2));
  if (fits) return "";
  return fmt::format(
      "OpenBLAS uses its kernels for {}, but this CPU has {}: matrix products are slower than they could be",
      core, cpu_has);
}

std::string build_info() {
  const char* core = openblas_get_corename();
  std::string info = fmt::format("Unroll {}, {}\nSIMD: {} of {}\nBLAS: {}, core {}, threads: {}\n",
                                 UNROLL_VERSION, kCompiler, simd_isa(), fmt::join(simd_isas(), ", "),
                                 openblas_get_config(), core, num_threads());
  const Cpu found = cpu();
  const std::string warning = detail::blas_core_warning(core, found.avx2, found.avx512);
  if (warning.empty()) return info;
  const char* forced = std::getenv("OPENBLAS_CORETYPE");
  return info + "Warning: " + warning +
         (forced == nullptr ? "\n" : fmt::format(" (OPENBLAS_CORETYPE is set to {})\n", forced));
}

}  // namespace unroll
