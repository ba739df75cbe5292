#!/bin/sh
# run.sh BUILD HARNESS...: runs the harnesses fuzz_HARNESS of a build folder. Each reads every seed, the committed ones and
# those that fuzz_seeds makes, then mutates them, from the same start each time, so that a test of an unchanged tree does not fail by
# chance. UNROLL_FUZZ_SECONDS, shared by the harnesses (60), or UNROLL_FUZZ_RUNS for each of them (no limit) ends that; with
# UNROLL_FUZZ_SEED=0 each run mutates otherwise.
# Ends with 1 after a finding, whose input is in BUILD/findings. UNROLL_FUZZ_CORPUS names a folder that keeps the inputs which
# reached something new.
set -eu
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
seconds=$((${UNROLL_FUZZ_SECONDS:-60} / $#))
seed=${UNROLL_FUZZ_SEED:-1}
runs=${UNROLL_FUZZ_RUNS:--1}

# In memory where it can be: each input is written to files and flushed.
folder=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$folder"' EXIT
export TMPDIR="$folder" OPENBLAS_NUM_THREADS=1 UBSAN_OPTIONS=print_stacktrace=1
corpus=${UNROLL_FUZZ_CORPUS:-$folder/corpus}
mkdir -p "$build/findings"

"$build/fuzz_seeds" "$folder/made"
failed=0
for name in "$@"; do
  log=$build/$name.log
  # The time of an input is that on the wall: there is room for a busy machine.
  limits="-timeout=120 -malloc_limit_mb=300 -rss_limit_mb=1500 -artifact_prefix=$build/findings/$name-"
  mkdir -p "$corpus/$name" "$folder/small/$name"
  find "$folder/made/$name" -type f -size -8k -exec cp {} "$folder/small/$name" \;
  # Made files whole, however large they are; those in a corpus are cut.
  if "$build/fuzz_$name" $limits "$folder/made/$name"/* >"$log" 2>&1 &&
    "$build/fuzz_$name" $limits "-dict=$here/words.dict" -max_len=8192 -seed=$seed -runs=$runs -max_total_time=$seconds -print_final_stats=1 \
      "$corpus/$name" "$here/seeds/$name" "$folder/small/$name" >>"$log" 2>&1; then
    echo "$name: $(ls "$folder/made/$name" | wc -l) made files and $(ls "$here/seeds/$name" | wc -l) seeds," \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions"
  else
    echo "$name: a finding, see $log"
    grep -v '^INFO\|^#' "$log" | tail -n 60
    failed=1
  fi
done
exit $failed
