#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: stress a machine with 4 CPUs with Debian's unmodified stress-ng; at the end the kernel stands and
#   has the memory of the start.
# Usage: scripts/soak.sh [x86_64|arm64] MINUTES
# Environment: SMP  CPUs (4)    MEM  MiB (1024)    STRESSORS  names of stress-ng's (see tests/soak.py)

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=x86_64
case ${1:-} in x86_64 | arm64) arch=$1; shift ;; esac
minutes=${1:-}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "usage: soak.sh [x86_64|arm64] MINUTES"
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/stress
packages=(stress-ng libc6 libapparmor1 libbsd0 libmd0 libcrypt1 libegl1 libglvnd0 libgbm1 libdrm2 libexpat1
    libwayland-server0 libffi8 libgles2 libjpeg62-turbo libjudydebian1 libkmod2 libzstd1 liblzma5 libssl3 libsctp1
    libxxhash0 zlib1g libgcc-s1 libstdc++6)
[ "$arch" = arm64 ] || packages+=(libipsec-mb1)

"$ROOT/scripts/setup.sh" build "run-$arch" test
build_quietly "$arch"
"$ROOT/scripts/rootfs.sh" "$arch"
mkdir -p "$DEPS"
(
    flock 9
    [ "$out/.complete" -nt "$0" ] && exit 0
    debian_tree "$deb" "$out" "lib lib64 usr/bin usr/lib" "${packages[@]}"
    touch "$out/.complete"
) 9>"$DEPS/lock"
exec python3 "$ROOT/tests/soak.py" "$arch" "$minutes"
