#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch Debian's Linux (the current linux-image-*-cloud-* package) as the oracle of the tests and
#   the other side of the benchmark.
# Usage: scripts/linux.sh x86_64|arm64
# Result: prints the path of the kernel image; the package's version is beside it in `version`, and the modules for
#   virtio disks, where they are modules, in `modules`, to be loaded in the order of `modules/order`.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
dir=$DEPS/linux/$arch
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
if [ ! -e "$dir/modules/order" ]; then
    apt_refresh linux-image
    package=$(APT_CONFIG=$DEPS/apt/apt.conf apt-cache depends "linux-image-cloud-$deb:$deb" |
        sed -n "s/^ *Depends: \(linux-image-[^:]*\).*/\1/p" | head -1)
    [ -n "$package" ] || die "Debian has no linux-image-cloud-$deb"
    deb_fetch "$deb" "$package"
    mkdir -p "$dir"
    cp "$DEPS/$deb/$package"/boot/vmlinuz-* "$dir/vmlinuz"
    cp "$DEPS/$deb/$package/.complete" "$dir/version"
    mkdir -p "$dir/modules"
    : >"$dir/modules/order.new"
    for module in virtio_ring virtio virtio_mmio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
        for file in "$DEPS/$deb/$package"/lib/modules/*/kernel/drivers/{virtio,block}/$module.ko; do
            [ -e "$file" ] || continue
            cp "$file" "$dir/modules/"
            echo "$module.ko" >>"$dir/modules/order.new"
        done
    done
    mv "$dir/modules/order.new" "$dir/modules/order"
    rm -rf "${DEPS:?}/$deb/$package"
fi
echo "$dir/vmlinuz"
