#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch Debian's unmodified numactl, lscpu, taskset and nproc with their libraries.
# Usage: scripts/numa-tools.sh x86_64|arm64
# Result: build/ARCH/numa-tools, a tree to put into an initramfs.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/numa-tools
packages=(libc6 coreutils util-linux numactl libnuma1 libsmartcols1 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10)
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
[ "$out/.complete" -nt "$0" ] && exit 0
debian_tree "$deb" "$out" "lib lib64 usr/lib" "${packages[@]}"
mkdir -p "$out/usr/bin"
for tool in coreutils/usr/bin/nproc util-linux/usr/bin/lscpu util-linux/usr/bin/taskset \
    numactl/usr/bin/numactl numactl/usr/bin/numastat numactl/usr/bin/migratepages; do
    cp -a "$DEPS/$deb/$tool" "$out/usr/bin/"
done
touch "$out/.complete"
