#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: install what is missing, build all three architectures, and run every test.
# Usage: scripts/test.sh [--nightly]
#   --nightly: 50 random machines, not 6.
# Result: the last line is `N passed, N failed`; fails when any test failed or none ran.

set -uo pipefail
. "$(dirname "$0")/lib.sh"

case ${1:-} in
    --nightly) export TEST_NIGHTLY=1 ;;
    ?*) die "usage: scripts/test.sh [--nightly]" ;;
esac
"$ROOT/scripts/setup.sh" build test debug || exit 1
mkdir -p "$ROOT/build/tests"
export TEST_SLOW=${TEST_SLOW:-2} # other work may share the machine
passed=0
failed=0

# check NAME COMMAND...: one test.
check() {
    local name=$1 log=$ROOT/build/tests/check.log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
        tail -40 "$log" | sed 's/^/    /'
    fi
}

# suite COMMAND...: a runner whose last line is `N passed, N failed`.
suite() {
    local log=$ROOT/build/tests/suite.log counts
    "$@" 2>&1 | tee "$log" | grep --line-buffered -Ev '^[0-9]+ passed, [0-9]+ failed$'
    counts=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$counts" ]; then
        echo "FAILED $* did not finish"
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

for arch in x86_64 arm64 host; do
    check "build: $arch" "$ROOT/build.sh" "$arch"
done
check "build: x86_64, debug" "$ROOT/build.sh" x86_64 --debug # for lock statistics
suite python3 "$ROOT/tests/run.py"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
