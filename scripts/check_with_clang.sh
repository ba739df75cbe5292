#!/bin/sh
# Every file but the planted mistakes compiles with clang without a warning; those of the library without precompiled headers,
# so that includes that are missing show. Nothing is built: the compiler looks at each file and writes none.
set -eu
cd "$(dirname "$0")/.."
cmake --preset clang
cmake --build --preset clang --target unroll_tensorboard_messages  # generates what others include
cd build/clang
# The sanitized copy of the library is the library's files again.
ninja -t commands all | grep -e ' -c ' | grep -v -e planted_mistake_ -e _sanitized.dir >commands
grep -e 'cmake_pch.hxx.cxx$' commands | sh -e  # the tests'
grep -v -e 'cmake_pch.hxx.cxx$' commands |
  sed -e 's/ -MD -MT [^ ]* -MF [^ ]*//' -e 's/ -o [^ ]* -c / -fsyntax-only /' |
  xargs -d '\n' -n 1 -P "$(nproc)" sh -c
