#!/bin/sh
# Installs what Unroll builds with, from Debian 12's own packages. Does nothing when all are there. With "targets", also the
# compilers and machines that the tests of C files use (550 MB).
set -eu
packages="g++ cmake ninja-build pkg-config libxtensor-dev libxtensor-blas-dev libxsimd-dev libopenblas-dev \
liblapack-dev libfmt-dev nlohmann-json3-dev libcli11-dev catch2 gnuplot-nox valgrind \
zlib1g-dev libzip-dev libutfcpp-dev libprotobuf-dev protobuf-compiler libonnx-dev libsndfile1-dev"
# Another distribution's Node brings npm along, and Debian's npm would be in its way.
command -v node >/dev/null 2>&1 || command -v npm >/dev/null 2>&1 || packages="$packages nodejs npm"
[ "${1:-}" != targets ] || packages="$packages make gcc-arm-none-eabi qemu-system-arm clang lld"
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "install_packages.sh: these packages are missing, install them as root:$missing" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086
apt-get install -y --no-install-recommends $missing
