# Third-party packages, all from Debian 12, as system headers (their warnings are not ours).
find_package(xtl REQUIRED)
find_package(xtensor 0.24 REQUIRED)
find_package(xsimd 8 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
find_path(XTENSOR_BLAS_INCLUDE_DIR xtensor-blas/xlinalg.hpp REQUIRED)
find_package(LAPACK REQUIRED)

# Part of the public interface: the container of every tensor.
add_library(unroll_xtensor INTERFACE)
target_link_libraries(unroll_xtensor INTERFACE xtensor)
# Used inside framework/ only: OpenBLAS behind the matrix product, LAPACK behind orthogonal initialisation.
add_library(unroll_blas INTERFACE)
target_link_libraries(unroll_blas INTERFACE PkgConfig::OPENBLAS)
if(UNROLL_ONEDNN)
  find_package(dnnl REQUIRED)
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # which oneDNN's threads are, and which is told to use none
  target_link_libraries(unroll_blas INTERFACE DNNL::dnnl OpenMP::OpenMP_CXX)
  target_compile_definitions(unroll_blas INTERFACE UNROLL_ONEDNN=1)
endif()
add_library(unroll_xtensor_blas INTERFACE)
target_include_directories(unroll_xtensor_blas SYSTEM INTERFACE ${XTENSOR_BLAS_INCLUDE_DIR})
target_link_libraries(unroll_xtensor_blas INTERFACE ${LAPACK_LIBRARIES})
