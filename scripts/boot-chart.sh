#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: boot once and draw what each subsystem's start took, from the kernel's own record
#   (/proc/subsystems/*/times), to build/ARCH/boot-chart.svg.
# Usage: scripts/boot-chart.sh x86_64|arm64 [FILE.svg]

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
case $arch in x86_64 | arm64) ;; *) die "usage: boot-chart.sh x86_64|arm64 [FILE.svg]" ;; esac
"$ROOT/scripts/setup.sh" build "run-$arch"
build_quietly "$arch"
"$ROOT/scripts/rootfs.sh" "$arch"
exec python3 "$ROOT/tests/boot_chart.py" "$arch" "${2:-$ROOT/build/$arch/boot-chart.svg}"
