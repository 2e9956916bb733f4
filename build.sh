#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: build the kernel.
# Usage: ./build.sh x86_64|arm64|host [--clang] [--debug] [ninja's arguments, e.g. objects]
# Result: build/x86_64/kernel.elf and kernel-limine.elf (for loaders of the Limine protocol); build/arm64/kernel.elf
#   and Image; build/host/devine-host.

set -euo pipefail
. "$(dirname "$0")/scripts/lib.sh"

arch=${1:-}
case $arch in
    x86_64 | arm64 | host) shift ;;
    *) die "usage: build.sh x86_64|arm64|host [--clang] [--debug]" ;;
esac
preset=$arch
while [ $# -gt 0 ]; do
    case $1 in
        --clang) preset=$arch-clang ;;
        --debug) [ "$arch" = host ] || preset=$arch-debug ;;
        *) break ;;
    esac
    shift
done

"$ROOT/scripts/deps.sh"
cd "$ROOT"
mkdir -p build
exec 8>"build/$preset.lock"
flock 8 # one build in a folder at a time; held until ninja ends
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
if [ $# -eq 0 ]; then
    set -- kernel
    [ ! -d "arch/$arch/limine" ] || set -- kernel kernel-limine
fi
exec ninja -C "build/$preset" "$@"
