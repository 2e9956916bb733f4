#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch Debian's unmodified lspci, lscpu and lsmem with their libraries.
# Usage: scripts/pci-tools.sh x86_64|arm64
# Result: build/ARCH/pci-tools, a tree to put into an initramfs.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/pci-tools
packages=(libc6 pciutils libpci3 libkmod2 libudev1 zlib1g liblzma5 libzstd1 libssl3 util-linux libsmartcols1 libselinux1 libpcre2-8-0)
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
[ "$out/.complete" -nt "$0" ] && exit 0
deb_fetch amd64 pci.ids # the same for all
debian_tree "$deb" "$out" "lib lib64 usr/lib" "${packages[@]}"
rm -rf "$out"/usr/lib/*/{ossl-modules,engines-3} "$out"/usr/lib/*/libssl.so*
mkdir -p "$out/usr/bin" "$out/usr/share/misc"
cp -aL "$DEPS/amd64/pci.ids/usr/share/misc/pci.ids" "$out/usr/share/misc/"
for tool in pciutils/usr/bin/lspci pciutils/usr/bin/setpci util-linux/usr/bin/lscpu util-linux/usr/bin/lsmem; do
    cp -a "$DEPS/$deb/$tool" "$out/usr/bin/"
done
touch "$out/.complete"
