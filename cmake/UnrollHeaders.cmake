# Installs the public headers: those named in UNROLL_ROOTS and all that they include. Run by cmake --install, so that it is the
# source tree as it is then that counts; UNROLL_SOURCE is that tree, UNROLL_INCLUDE the folder where the headers go.
cmake_policy(VERSION 3.25)

function(unroll_headers result)
  set(headers)
  set(next ${ARGN})
  while(next)
    list(POP_FRONT next header)
    if(header IN_LIST headers OR NOT EXISTS "${UNROLL_SOURCE}/${header}")
      continue()
    endif()
    list(APPEND headers "${header}")
    file(STRINGS "${UNROLL_SOURCE}/${header}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
    list(TRANSFORM lines REPLACE "^[^\"]*\"([^\"]*)\".*$" "\\1")
    list(APPEND next ${lines})
  endwhile()
  set(${result} ${headers} PARENT_SCOPE)
endfunction()

# Without roots this defines the function alone.
unroll_headers(headers ${UNROLL_ROOTS})
foreach(header IN LISTS headers)
  get_filename_component(folder "${header}" DIRECTORY)
  file(INSTALL DESTINATION "${UNROLL_INCLUDE}/${folder}" TYPE FILE FILES "${UNROLL_SOURCE}/${header}")
endforeach()
