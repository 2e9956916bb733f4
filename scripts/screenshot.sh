#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: boot with a framebuffer, run COMMAND (else a demonstration of colours and characters) in a shell on the
#   screen, and write what it shows to build/ARCH/screenshot.png.
# Usage: scripts/screenshot.sh x86_64|arm64 [COMMAND [FILE.png]]

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
case $arch in x86_64 | arm64) ;; *) die "usage: screenshot.sh x86_64|arm64 [COMMAND [FILE.png]]" ;; esac
"$ROOT/scripts/setup.sh" build "run-$arch"
build_quietly "$arch"
"$ROOT/scripts/rootfs.sh" "$arch"
exec python3 "$ROOT/tests/screen.py" "$arch" "${3:-$ROOT/build/$arch/screenshot.png}" ${2:+"$2"}
