#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: QEMU stopped at the first instruction, with gdb attached and our helpers loaded.
# Usage: [APPEND=..] [SMP=n] scripts/debug.sh x86_64|arm64 [gdb's arguments, e.g. -ex 'break kmain']
# The serial line goes to build/ARCH/serial.log. `help devine` lists the helpers.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
debian_arch "$arch" >/dev/null
shift
"$ROOT/scripts/setup.sh" build "run-$arch" debug
"$ROOT/build.sh" "$arch" >&2
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
log=$ROOT/build/$arch/serial.log
"$ROOT/scripts/qemu-$arch.sh" -S -gdb "tcp:127.0.0.1:$port" -serial "file:$log" </dev/null >"$log.qemu" 2>&1 &
qemu=$!
trap 'kill $qemu 2>/dev/null || true' EXIT
for _ in $(seq 100); do # until QEMU listens
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 $qemu 2>/dev/null || { cat "$log.qemu" >&2; die "QEMU did not start"; }
    sleep 0.1
done
say "the serial line goes to ${log#"$ROOT"/}"
cd "$ROOT"
gdb-multiarch -q -ex "set confirm off" -ex "directory '$ROOT'" -ex "file build/$arch/kernel.elf" \
    -ex "source tools/gdb/devine.py" -ex "target remote 127.0.0.1:$port" "$@"
