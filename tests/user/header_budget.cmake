# Compiles a user's model file as a user does (-O2) and fails when the compiler takes more memory than the budget. Its time goes
# with that, but what it allocates is the same whatever else the machine does. In units of a yardstick, xtensor's header alone,
# as compilers differ.
#   cmake -DCOMPILER=... -DSOURCE=... -DYARDSTICK=... -DINCLUDE=... -DBUDGET=165 -P header_budget.cmake
# BUDGET: per cent of the yardstick.

# What GCC allocates for the file, in megabytes.
function(measure source result)
  execute_process(COMMAND ${COMPILER} -std=c++20 -O2 -I${INCLUDE} -ftime-report -S ${source} -o /dev/null
                  RESULT_VARIABLE status ERROR_VARIABLE report)
  if(NOT status EQUAL 0 OR NOT report MATCHES "TOTAL[^\n]* ([0-9]+)M *\n")
    message(FATAL_ERROR "${source} does not compile, or GCC gives no report:\n${report}")
  endif()
  set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

measure("${YARDSTICK}" yardstick)
measure("${SOURCE}" model)
math(EXPR percent "100 * ${model} / ${yardstick}")
message("for a user's model file the compiler allocates ${model} MB, for the yardstick ${yardstick} MB: ${percent} % (budget ${BUDGET} %)")
if(percent GREATER BUDGET)
  message(FATAL_ERROR "over the header budget: what has a public header begun to include?")
endif()
