#include "framework/build_info.hpp"

#include <catch2/catch.hpp>

#include "framework/kernels/gemm.hpp"
#include "framework/simd.hpp"

namespace unroll {

TEST_CASE("build_info says what the library runs on") {
  const std::string info = build_info();
  INFO(info);
  CHECK_THAT(info, Catch::StartsWith("Unroll ") &&
                       Catch::Contains("SIMD: " + std::string(simd_isa()) + " of ") &&
                       Catch::Contains("BLAS: OpenBLAS") && Catch::Contains("core ") &&
                       Catch::Contains("threads: " + std::to_string(num_threads())));
}

TEST_CASE("a BLAS that works for an older CPU is noticed") {
  using detail::blas_core_warning;
  CHECK(blas_core_warning("Haswell", true, false).empty());
  CHECK(blas_core_warning("Zen", true, false).empty());
  CHECK(blas_core_warning("SkylakeX", true, true).empty());
  CHECK(blas_core_warning("SKYLAKEX", true, true).empty());
  CHECK(blas_core_warning("Prescott", false, false).empty());
  CHECK_THAT(blas_core_warning("Haswell", true, true),
             Catch::Contains("Haswell") && Catch::Contains("AVX-512"));
  CHECK_THAT(blas_core_warning("Zen", true, true), Catch::Contains("AVX-512"));
  CHECK_THAT(blas_core_warning("Sandybridge", true, false), Catch::Contains("AVX2"));
  CHECK_THAT(blas_core_warning("Prescott", true, false), Catch::Contains("Prescott"));
}

}  // namespace unroll
