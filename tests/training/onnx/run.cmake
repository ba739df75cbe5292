# The comparison with onnxruntime-web, beginning with what it needs:
#   cmake -DSOURCE=(this folder) -DWORK=(a folder) -DCASES=(the program onnx_cases) -P run.cmake
# Prints "skipped: " with the reason where Node or npm is missing or, but for a CI machine, where npm reaches no registry.
find_program(NODE NAMES node nodejs)
find_program(NPM npm)
foreach(program IN ITEMS NODE NPM)
  if(NOT ${program})
    string(TOLOWER ${program} name)
    message("skipped: ${name} was not found, so no runtime can run the exported models (Debian's packages nodejs and npm)")
    return()
  endif()
endforeach()

# The runtime, once for each package-lock.json: from then on no network is needed.
file(MAKE_DIRECTORY "${WORK}")
file(SHA256 "${SOURCE}/package-lock.json" lock)
set(installed "")
if(EXISTS "${WORK}/installed")
  file(READ "${WORK}/installed" installed)
endif()
if(NOT installed STREQUAL lock)
  file(COPY "${SOURCE}/package.json" "${SOURCE}/package-lock.json" DESTINATION "${WORK}")
  # Without the packages' scripts: none is needed.
  execute_process(
    COMMAND "${NPM}" ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=2
            --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000
    WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    if(output MATCHES "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|SOCKET_TIMEOUT")
      set(reason "npm could not reach its registry to install onnxruntime-web (is there a network?)")
      if(NOT DEFINED ENV{CI})
        message("skipped: ${reason}\n${output}")
        return()
      endif()
      message(FATAL_ERROR "${reason}\n${output}")
    endif()
    message(FATAL_ERROR "npm ci failed (${result})\n${output}")
  endif()
  file(WRITE "${WORK}/installed" "${lock}")
endif()

# In a folder of this run's own, beside the packages: a script finds them there or above.
string(RANDOM LENGTH 16 cases)
set(cases "cases_${cases}")
file(COPY "${SOURCE}/compare.mjs" DESTINATION "${WORK}")
execute_process(COMMAND "${CASES}" "${WORK}/${cases}" RESULT_VARIABLE written)
execute_process(COMMAND "${NODE}" compare.mjs ${cases} WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE compared)
file(REMOVE_RECURSE "${WORK}/${cases}")
if(NOT written EQUAL 0)
  message(FATAL_ERROR "onnx_cases failed (${written})")
endif()
if(NOT compared EQUAL 0)
  message(FATAL_ERROR "onnxruntime-web does not compute what Unroll does (${compared})")
endif()
