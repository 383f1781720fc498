# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by the scripts of this folder: where things are, and how they speak.
#   root   the source tree        build   the build folder (MMUSCOPE_BUILD, else ROOT/build)
#   jobs   compilers at a time (MMUSCOPE_JOBS, else the number of processors)
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${MMUSCOPE_BUILD:-$root/build}
jobs=${MMUSCOPE_JOBS:-$(nproc)}

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
usage() { printf 'usage: %s\n' "$*" >&2; exit 2; }

# As configure_and_build: host code with the sanitizers, and the fuzzers, into BUILD-sanitized. The guest is that of BUILD.
build_sanitized() {  # [--target NAME...]
  command -v clang++-19 > /dev/null || die "clang++-19 is missing: run tools/setup"
  [ -e "$build/minikernel.elf" ] || die "no $build/minikernel.elf: build first"
  configure_and_build "$build-sanitized" -DMMUSCOPE_SANITIZE=ON -DMMUSCOPE_GUEST_BUILD="$build" \
    -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -Dunicorn_prefix="$build/deps/unicorn/usr" "$@"
}

# Configures and builds BUILD [CMAKE-OPTION... | --target NAME...]; prints warnings and errors, not progress.
configure_and_build() {
  local folder=$1 targets=() options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != --target ]; do options+=("$1"); shift; done
  targets=("$@")
  cmake -S "$root" -B "$folder" -G Ninja --log-level=WARNING "${options[@]}" > /dev/null
  cmake --build "$folder" -j "$jobs" "${targets[@]}" -- --quiet
}
