#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch Debian's unmodified lsblk, blkid, blockdev and blkdiscard with their libraries.
# Usage: scripts/disk-tools.sh x86_64|arm64
# Result: build/ARCH/disk-tools, a tree to put into an initramfs.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/disk-tools
packages=(libc6 util-linux libsmartcols1 libblkid1 libmount1 libudev1 libselinux1 libpcre2-8-0)
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
[ "$out/.complete" -nt "$0" ] && exit 0
debian_tree "$deb" "$out" "lib lib64 usr/lib" "${packages[@]}"
mkdir -p "$out/usr/bin"
for tool in bin/lsblk sbin/blkid sbin/blockdev sbin/blkdiscard; do
    cp -a "$DEPS/$deb/util-linux/$tool" "$out/usr/bin/"
done
touch "$out/.complete"
