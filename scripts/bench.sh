#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: measure Devine beside Debian's Linux 6.1 in guest instructions; see bench/README.md.
# Usage: scripts/bench.sh [x86_64|arm64]... [--gate] [--metric NAME]... [--wall]

set -euo pipefail
. "$(dirname "$0")/lib.sh"

archs=()
rest=()
for word in "$@"; do
    case $word in
        x86_64 | arm64) archs+=("$word") ;;
        *) rest+=("$word") ;;
    esac
done
[ ${#archs[@]} -gt 0 ] || archs=(x86_64 arm64)
status=0
for arch in "${archs[@]}"; do
    "$ROOT/scripts/setup.sh" build "run-$arch"
    [ "$arch" = x86_64 ] || "$ROOT/scripts/setup.sh" test
    build_quietly "$arch"
    "$ROOT/scripts/linux.sh" "$arch" >/dev/null
    python3 "$ROOT/bench/bench.py" "$arch" "${rest[@]}" || status=1
done
exit $status
