# What find_package(unroll) reads: the packages that the exported targets link, then the targets.
include(CMakeFindDependencyMacro)
find_dependency(xtl)
find_dependency(xtensor)
find_dependency(fmt)
find_dependency(nlohmann_json)
find_dependency(PkgConfig)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
include("${CMAKE_CURRENT_LIST_DIR}/unrollTargets.cmake")
