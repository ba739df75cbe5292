# Fails unless every symbol that the object files define for others names the instruction set they are compiled for, and
# unless they leave nothing to be run at the start of the program. Otherwise the linker could keep a function with
# instructions that an older CPU has not.
#   cmake -DNM=nm -DISA=avx2 "-DOBJECTS=a.o;b.o" -P symbols.cmake
set(symbols 0)
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "," text "${text}")
  string(REGEX REPLACE "[[]|[]]" "|" text "${text}")  # square brackets would join elements of a list
  string(REPLACE "\n" ";" lines "${text}")
  foreach(line IN LISTS lines)
    if(line MATCHES "_GLOBAL__sub_I|__cxx_global_var_init")
      message(SEND_ERROR "${object} is initialised at start, before it is known whether the CPU has ${ISA}:\n${line}")
    endif()
    # A capital letter (or u): defined here and visible elsewhere. DW.ref is the address of the function that unwinds,
    # __odr_asan a byte of AddressSanitizer's.
    if(line MATCHES " (DW\\.ref|__odr_asan)\\." OR NOT line MATCHES "^[0-9a-f]+ [A-TV-Zu] ")
      continue()
    endif()
    math(EXPR symbols "${symbols} + 1")
    if(NOT line MATCHES "(^|[^a-z0-9_])(unroll::([a-z]+::)*${ISA}|xsimd_${ISA})::")
      message(SEND_ERROR "${object} defines a symbol outside of the namespaces of ${ISA}:\n${line}")
    endif()
  endforeach()
endforeach()
if(symbols EQUAL 0)
  message(FATAL_ERROR "no symbols found in ${OBJECTS}")
endif()
message(STATUS "${symbols} symbols, all of them in the namespaces of ${ISA}")
