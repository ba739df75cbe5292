#!/bin/sh
# Runs a program in a folder of its own, which goes away with it: sh run_apart.sh PROGRAM ARGUMENT...
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$@"
