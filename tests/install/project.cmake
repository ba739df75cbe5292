# Configures, builds and tests a user's project, from nothing, as a user does:
#   cmake -DSOURCE=(its folder) -DBUILD=(a folder) -DCTEST=ctest -DGENERATOR=Ninja [-DTARGET=(all)] -P project.cmake -- OPTION...
set(options)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(k RANGE ${last})
  if(CMAKE_ARGV${k} STREQUAL "--")
    set(options "-DCMAKE_BUILD_TYPE=Debug")  # none of them is long in running
  elseif(options)
    list(APPEND options "${CMAKE_ARGV${k}}")
  endif()
endforeach()
if(NOT TARGET)
  set(TARGET all)
endif()
file(REMOVE_RECURSE "${BUILD}")
foreach(command IN ITEMS "${CMAKE_COMMAND};-S;${SOURCE};-B;${BUILD};-G;${GENERATOR};${options}"
                         "${CMAKE_COMMAND};--build;${BUILD};--target;${TARGET};--parallel;2"
                         "${CTEST};--test-dir;${BUILD};--output-on-failure")
  execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${output}")
  endif()
endforeach()
message("${output}")
