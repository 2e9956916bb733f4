#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch Debian's unmodified dynamic shells and coreutils with their libraries.
# Usage: scripts/dynamic.sh x86_64|arm64
# Result: build/ARCH/dynamic, a tree to put into an initramfs.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/dynamic
packages=(libc6 dash bash coreutils libtinfo6 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10)
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
[ "$out/.complete" -nt "$0" ] && exit 0
debian_tree "$deb" "$out" "bin sbin lib lib64 usr/bin usr/lib" "${packages[@]}"
touch "$out/.complete"
