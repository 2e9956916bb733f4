#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch Debian's Linux (the current linux-image-*-cloud-* package) as the oracle of the tests and
#   the other side of the benchmark.
# Usage: scripts/linux.sh x86_64|arm64
# Result: prints the path of the kernel image; the package's version is beside it in `version`.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
dir=$DEPS/linux/$arch
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
if [ ! -e "$dir/version" ]; then
    apt_refresh linux-image
    package=$(APT_CONFIG=$DEPS/apt/apt.conf apt-cache depends "linux-image-cloud-$deb:$deb" |
        sed -n "s/^ *Depends: \(linux-image-[^:]*\).*/\1/p" | head -1)
    [ -n "$package" ] || die "Debian has no linux-image-cloud-$deb"
    deb_fetch "$deb" "$package"
    mkdir -p "$dir"
    cp "$DEPS/$deb/$package"/boot/vmlinuz-* "$dir/vmlinuz"
    cp "$DEPS/$deb/$package/.complete" "$dir/version"
    rm -rf "${DEPS:?}/$deb/$package"
fi
echo "$dir/vmlinuz"
