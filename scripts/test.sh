#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: build all three architectures and run every test.
# Usage: scripts/test.sh
# Result: the last line is `N passed, N failed`; fails when any test failed or none ran.

set -uo pipefail
. "$(dirname "$0")/lib.sh"

passed=0
failed=0

# check NAME COMMAND...: one test.
check() {
    local name=$1
    shift
    if "$@" >"$ROOT/build/test.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
        tail -40 "$ROOT/build/test.log" | sed 's/^/    /'
    fi
}

mkdir -p "$ROOT/build"
for arch in x86_64 arm64 host; do
    check "build: $arch compiles" "$ROOT/build.sh" "$arch" objects
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
