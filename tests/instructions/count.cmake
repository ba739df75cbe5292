# Fails when a step of WORKLOAD takes more than 5 % more instructions than STORED. The difference of two runs leaves out
# what the program does once.
function(count steps result)
  execute_process(COMMAND ${VALGRIND} --tool=callgrind --callgrind-out-file=/dev/null ${PROGRAM} ${WORKLOAD} ${steps}
                  OUTPUT_VARIABLE out ERROR_VARIABLE out RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT out MATCHES "Collected : ([0-9]+)")
    message(FATAL_ERROR "callgrind failed (${status}): ${out}")
  endif()
  set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

math(EXPR twice "2 * ${STEPS}")
count(${STEPS} once)
count(${twice} both)
math(EXPR instructions "(${both} - ${once}) / ${STEPS}")
math(EXPR percent "100 * ${instructions} / ${STORED}")
message(STATUS "${WORKLOAD}: ${instructions} instructions per step, stored ${STORED} (${percent} %)")
if(percent GREATER 105)
  message(FATAL_ERROR "${WORKLOAD} takes ${instructions} instructions per step, more than 5 % above the stored ${STORED}. "
                      "If it has to be so, change tests/instructions/counts.txt and say why.")
elseif(percent LESS 95)
  message(FATAL_ERROR "${WORKLOAD} takes ${instructions} instructions per step, more than 5 % below the stored ${STORED}: "
                      "change tests/instructions/counts.txt, so that the gain is kept.")
endif()
