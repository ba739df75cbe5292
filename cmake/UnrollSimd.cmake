# Kernels for several instruction sets in one binary: every .cpp file in a directory named simd/ is compiled once for each
# (framework/kernels/isa.hpp has the other half).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND NOT UNROLL_NATIVE)
  set(UNROLL_ISAS baseline avx2 avx512)
else()
  set(UNROLL_ISAS baseline)
endif()
set(UNROLL_ISA_FLAGS_avx2 -mavx2 -mfma)
set(UNROLL_ISA_FLAGS_avx512 ${UNROLL_ISA_FLAGS_avx2} -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl)

# unroll_isa_sources(target file...): adds the files to the target, compiled once for every instruction set. What they may
# hold is checked by tests/simd/symbols.cmake.
function(unroll_isa_sources target)
  foreach(isa IN LISTS UNROLL_ISAS)
    set(objects ${target}_${isa})
    add_library(${objects} OBJECT ${ARGN})
    set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${objects} PRIVATE ${PROJECT_SOURCE_DIR})
    unroll_compile_options(${objects})
    unroll_kernel_options(${objects})
    unroll_compile_together(${objects})
    target_compile_definitions(${objects} PRIVATE UNROLL_ISA=${isa})
    # They throw nothing; told so, clang needs no function that ends the program at an exception, compiled for this set.
    target_compile_options(${objects} PRIVATE ${UNROLL_ISA_FLAGS_${isa}} -fno-exceptions)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
    set_property(GLOBAL APPEND PROPERTY UNROLL_ISA_TARGETS_${isa} ${objects})  # for the tests
    # Optimised in Debug, too: without it xsimd 8.1's AVX-512 code does not compile (its intrinsics are macros then), and
    # functions of the standard library that should vanish would become symbols.
    target_compile_options(${objects} PRIVATE $<$<CONFIG:Debug>:-O2>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC 12 sees uninitialised values inside its own AVX-512 intrinsics (GCC bug 105593).
      target_compile_options(${objects} PRIVATE -Wno-uninitialized)
    endif()
  endforeach()
endfunction()
