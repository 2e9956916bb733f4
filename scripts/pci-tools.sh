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
deb_fetch "$deb" "${packages[@]}"
deb_fetch amd64 pci.ids # the same for all
rm -rf "$out"
for package in "${packages[@]}"; do
    for folder in lib lib64 usr/lib; do
        if [ -d "$DEPS/$deb/$package/$folder" ]; then
            mkdir -p "$out/$folder"
            cp -a "$DEPS/$deb/$package/$folder/." "$out/$folder/"
        fi
    done
done
rm -rf "$out"/usr/lib/*/gconv "$out"/lib/*/gconv "$out"/usr/lib/*/audit "$out"/lib/*/audit
rm -rf "$out"/usr/lib/locale "$out"/lib/systemd "$out"/usr/lib/systemd "$out"/usr/lib/*/ossl-modules "$out"/usr/lib/*/engines-3
rm -f "$out"/usr/lib/*/libssl.so*
mkdir -p "$out/usr/bin" "$out/usr/share/misc"
cp -aL "$DEPS/amd64/pci.ids/usr/share/misc/pci.ids" "$out/usr/share/misc/"
for tool in pciutils/usr/bin/lspci pciutils/usr/bin/setpci util-linux/usr/bin/lscpu util-linux/usr/bin/lsmem; do
    cp -a "$DEPS/$deb/$tool" "$out/usr/bin/"
done
touch "$out/.complete"
