# `cmake --install`: libraries, headers and a package, so that a user's project needs only
#   find_package(unroll REQUIRED)
#   target_link_libraries(model PRIVATE unroll::unroll)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS unroll_unroll unroll_training unroll_layers unroll_optim unroll_framework unroll_xtensor unroll_blas unroll_xtensor_blas
        EXPORT unrollTargets)
install(FILES unroll.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unroll)
install(DIRECTORY framework layers optim training DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unroll FILES_MATCHING PATTERN "*.hpp"
        PATTERN "kernels" EXCLUDE)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/unroll)
install(EXPORT unrollTargets NAMESPACE unroll:: DESTINATION ${package_dir})
# Parts with packages of their own are components: find_package(unroll REQUIRED COMPONENTS tensorboard).
foreach(part IN ITEMS tensorboard onnx)
  if(TARGET unroll_${part})
    install(TARGETS unroll_${part} EXPORT unroll_${part}Targets)
    install(EXPORT unroll_${part}Targets NAMESPACE unroll:: DESTINATION ${package_dir})
  endif()
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/cmake/unrollConfig.cmake ${PROJECT_BINARY_DIR}/unrollConfig.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/unrollConfig.cmake ${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake
        DESTINATION ${package_dir})
