#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: compile the test programs statically, with glibc and with musl.
# Usage: scripts/programs.sh x86_64|arm64
# Result: build/ARCH/programs/NAME-glibc and NAME-musl for each tests/programs/NAME.c

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/programs
mkdir -p "$out" "$DEPS"
exec 9>"$DEPS/lock"
flock 9
case $arch in
    x86_64) cc=gcc ;;
    arm64) cc="aarch64-linux-gnu-gcc -mno-outline-atomics" ;;
esac
deb_fetch "$deb" musl-dev
musl=$(echo "$DEPS/$deb"/musl-dev/usr/lib/*-linux-musl)
musl_include=$(echo "$DEPS/$deb"/musl-dev/usr/include/*-linux-musl)

for source in "$ROOT"/tests/programs/*.c; do
    name=$(basename "$source" .c)
    if [ ! "$out/$name-glibc" -nt "$source" ]; then
        $cc -O2 -Wall -Wextra -Werror -static -pthread "$source" -o "$out/$name-glibc" -lm
    fi
    if [ ! "$out/$name-musl" -nt "$source" ]; then
        $cc -O2 -Wall -Wextra -Werror -static -no-pie -fno-pie -fno-stack-protector -nostdinc -nostdlib \
            -isystem "$musl_include" -isystem "$($cc -print-file-name=include)" \
            "$musl/crt1.o" "$musl/crti.o" "$source" -o "$out/$name-musl" \
            -L"$musl" -Wl,--start-group -lc -lgcc -Wl,--end-group "$musl/crtn.o"
    fi
done
