#!/bin/sh
# Installs packages, builds everything and runs all tests. PRESET=dev or asan for another build than release.
set -eu
cd "$(dirname "$0")/.."
preset=${PRESET:-release}
sh scripts/install_packages.sh
cmake --preset "$preset" -DUNROLL_BUILD_TESTS=ON
cmake --build --preset "$preset"
exec ctest --preset "$preset" -j "$(nproc)"
