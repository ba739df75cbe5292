# Compiles a user's model file as a user does (-O2) and fails when that takes more CPU time than the budget. Machines differ
# and may be busy, so the time is taken in units of a yardstick, xtensor's header alone, which the machine that the budget is
# meant for compiles in 1200 ms; of three rounds the best count.
#   cmake -DCOMPILER=... -DSOURCE=... -DYARDSTICK=... -DINCLUDE=... -DOUTPUT=... -DBUDGET=3000 -P header_budget.cmake
set(YARDSTICK_MILLISECONDS 1200)

# CPU time of compiling the file, in milliseconds.
function(measure source result)
  execute_process(
    COMMAND sh -c "\"${COMPILER}\" -std=c++20 -O2 -I\"${INCLUDE}\" -c \"${source}\" -o \"${OUTPUT}\" && times"
    OUTPUT_VARIABLE times RESULT_VARIABLE status ERROR_VARIABLE errors)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${source} does not compile:\n${errors}")
  endif()
  # `times` prints the shell's line, then the children's: user and system time as 0m1.230000s 0m0.120000s.
  if(NOT times MATCHES "\n([0-9]+)m([0-9]+)\\.([0-9][0-9][0-9]?)[0-9]*s ([0-9]+)m([0-9]+)\\.([0-9][0-9][0-9]?)[0-9]*s")
    message(FATAL_ERROR "cannot read the shell's times: ${times}")
  endif()
  set(user_fraction "${CMAKE_MATCH_3}0")
  set(system_fraction "${CMAKE_MATCH_6}0")
  string(SUBSTRING "${user_fraction}" 0 3 user_fraction)
  string(SUBSTRING "${system_fraction}" 0 3 system_fraction)
  math(EXPR milliseconds "(${CMAKE_MATCH_1} * 60 + ${CMAKE_MATCH_2}) * 1000 + 1${user_fraction} - 1000 \
                          + (${CMAKE_MATCH_4} * 60 + ${CMAKE_MATCH_5}) * 1000 + 1${system_fraction} - 1000")
  set(${result} ${milliseconds} PARENT_SCOPE)
endfunction()

set(model 1000000)
set(yardstick 1000000)
foreach(round RANGE 1 3)
  measure("${YARDSTICK}" milliseconds)
  if(milliseconds LESS yardstick)
    set(yardstick ${milliseconds})
  endif()
  measure("${SOURCE}" milliseconds)
  if(milliseconds LESS model)
    set(model ${milliseconds})
  endif()
endforeach()
math(EXPR units "${model} * ${YARDSTICK_MILLISECONDS} / ${yardstick}")
message("a user's model file compiles in ${model} ms of CPU time, the yardstick in ${yardstick} ms: "
        "${units} ms where that takes ${YARDSTICK_MILLISECONDS} ms (budget ${BUDGET} ms)")
if(units GREATER BUDGET)
  message(FATAL_ERROR "over the header budget: what has a public header begun to include?")
endif()
