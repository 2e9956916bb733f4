#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: fetch the libraries that the kernel is linked with, from Debian's archive, to build/deps:
#   libfdt (arm64 and host) and zlib's source (its inflate half is compiled with our flags), and the fonts of
#   which tools/font.py makes that of the framebuffer console.
# Usage: scripts/deps.sh

set -euo pipefail
. "$(dirname "$0")/lib.sh"

zlib_fetch() {
    [ -e "$DEPS/zlib/.complete" ] && return
    local tmp=$DEPS/tmp.$$ kept=$CACHE/zlib.orig.tar
    rm -rf "$tmp" "$DEPS/zlib"
    mkdir -p "$tmp" "$DEPS/zlib"
    if [ ! -f "$kept" ] || ! tar -C "$DEPS/zlib" --strip-components=1 -xf "$kept" 2>/dev/null; then
        apt_refresh zlib
        say "downloading the source of zlib"
        (cd "$tmp" && apt_private source --download-only zlib) || die "cannot download zlib's source"
        tar -C "$DEPS/zlib" --strip-components=1 -xf "$tmp"/zlib_*.orig.tar.*
        cache_put "$(echo "$tmp"/zlib_*.orig.tar.*)" zlib.orig.tar
    fi
    [ -f "$DEPS/zlib/inflate.c" ] || die "zlib's source has no inflate.c"
    touch "$DEPS/zlib/.complete"
    rm -rf "$tmp"
}

mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
deb_fetch amd64 libfdt-dev
deb_fetch arm64 libfdt-dev
deb_fetch amd64 console-setup-linux
zlib_fetch
