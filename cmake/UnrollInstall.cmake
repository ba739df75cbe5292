# `cmake --install`: libraries, public headers and a package, so that a user's project needs only
#   find_package(unroll REQUIRED)
#   target_link_libraries(model PRIVATE unroll::unroll)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/unroll)

# A set of targets, by the name of the file that find_package reads them from.
function(unroll_install_targets name)
  install(TARGETS ${ARGN} EXPORT ${name}Targets)
  install(EXPORT ${name}Targets NAMESPACE unroll:: DESTINATION ${package_dir})
endfunction()

# Frozen streams apart from the rest, which needs more packages; and parts with packages of their own.
unroll_install_targets(unroll_stream unroll_stream unroll_core unroll_xtensor)
unroll_install_targets(unroll unroll_unroll unroll_training unroll_deploy unroll_layers unroll_optim unroll_framework unroll_files
                       unroll_blas unroll_xtensor_blas)
set(header_roots unroll.hpp training/training.hpp deploy/export_c.hpp deploy/nam.hpp deploy/rtneural.hpp)
set(tensorboard_header training/tensorboard/tensorboard_log.hpp)
set(onnx_header training/onnx/onnx.hpp)
set(audio_header training/audio/audio.hpp)
foreach(part IN ITEMS tensorboard onnx audio)
  if(TARGET unroll_${part})
    unroll_install_targets(unroll_${part} unroll_${part})
    list(APPEND header_roots ${${part}_header})
  endif()
endforeach()
install(CODE "set(UNROLL_SOURCE \"${PROJECT_SOURCE_DIR}\")
set(UNROLL_INCLUDE \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_INCLUDEDIR}/unroll\")
set(UNROLL_ROOTS \"${header_roots}\")")
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/UnrollHeaders.cmake)

configure_file(${PROJECT_SOURCE_DIR}/cmake/unrollConfig.cmake ${PROJECT_BINARY_DIR}/unrollConfig.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/unrollConfig.cmake ${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake
        DESTINATION ${package_dir})
