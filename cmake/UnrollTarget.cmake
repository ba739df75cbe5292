# Compile options of all our targets, and the function that declares a library.
include(GNUInstallDirs)

function(unroll_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                         -Wnon-virtual-dtor -Woverloaded-virtual)
  # False alarms of GCC 12's optimiser: overlapping copies inside its own std::string (GCC bug 105651), and branches of
  # xtensor's containers that are never taken.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds
                           -Wno-stringop-overflow)
  endif()
  if(UNROLL_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(UNROLL_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

# How numbers are computed, the same in all libraries.
function(unroll_kernel_options target)
  target_compile_options(${target} PRIVATE -fno-math-errno -fno-trapping-math)
  if(UNROLL_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
    target_compile_definitions(${target} PRIVATE UNROLL_NATIVE)
  endif()
  list(LENGTH UNROLL_ISAS isas)
  if(isas GREATER 1)
    # For tests that include kernels' headers, too: inline functions in them choose an instruction set's table.
    target_compile_definitions(${target} PUBLIC $<BUILD_INTERFACE:UNROLL_SEVERAL_ISAS>)
  endif()
endfunction()

# Optimised builds compile a target's files eight at a time: about two thirds of the time from nothing, as what they
# instantiate is mostly the same. Debug builds compile each alone, which also finds an include that is missing.
function(unroll_compile_together target)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" OR UNROLL_BUILD_FUZZERS)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # it takes such a group's files for headers, and would inline less in it
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage --param large-unit-insns=40000)
    endif()
  endif()
endfunction()

# For code whose time is that of the disk or of libraries below it: optimised fully it takes half as long again to compile.
function(unroll_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# unroll_library(name DIRS dir... EXCLUDE file... FILES file... PUBLIC lib... PRIVATE lib...): unroll::name from the files, and
# from all .cpp files of the dirs but the excluded ones; those in the dirs' folders simd/ are compiled for every instruction set.
function(unroll_library name)
  cmake_parse_arguments(ARG "" "" "DIRS;EXCLUDE;FILES;PUBLIC;PRIVATE" ${ARGN})
  set(sources)
  set(isa_sources)
  foreach(dir IN LISTS ARG_DIRS)
    file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${dir}/*.cpp")
    list(APPEND sources ${found})
    file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${dir}/simd/*.cpp")
    list(APPEND isa_sources ${found})
  endforeach()
  list(TRANSFORM ARG_EXCLUDE PREPEND "${PROJECT_SOURCE_DIR}/")
  list(TRANSFORM ARG_FILES PREPEND "${PROJECT_SOURCE_DIR}/")
  list(REMOVE_ITEM sources ${ARG_EXCLUDE})
  list(APPEND sources ${ARG_FILES})
  add_library(unroll_${name} STATIC ${sources})
  add_library(unroll::${name} ALIAS unroll_${name})
  set_target_properties(unroll_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(unroll_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/unroll>)
  target_link_libraries(unroll_${name} PUBLIC ${ARG_PUBLIC})
  foreach(lib IN LISTS ARG_PRIVATE)
    target_link_libraries(unroll_${name} PRIVATE ${lib})
  endforeach()
  unroll_compile_options(unroll_${name})
  unroll_compile_together(unroll_${name})
  unroll_kernel_options(unroll_${name})
  if(isa_sources)
    unroll_isa_sources(unroll_${name} ${isa_sources})
  endif()
  # Loops over vectors that are not optimised at all are slower than plain ones.
  target_compile_options(unroll_${name} PRIVATE $<$<CONFIG:Debug>:-Og>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(unroll_${name} PRIVATE -Wno-uninitialized)
  endif()
endfunction()
