#!/bin/sh
# Installs packages, builds one example and teaches a small LSTM to tell English, Spanish, Dutch and Polish words
# apart. Arguments go to the classifier (default: --task words --epochs 3).
set -eu
cd "$(dirname "$0")/.."
sh scripts/install_packages.sh
cmake --preset release -DUNROLL_BUILD_TESTS=OFF >/dev/null
cmake --build --preset release --target classifier
[ "$#" -gt 0 ] || set -- --task words --epochs 3
exec build/release/examples/classifier "$@"
