#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: install what is missing, build, and boot to a shell in QEMU: `virt`, Cortex-A72, GICv2, PL011.
# Usage: [APPEND=..] [INITRD=..] [KERNEL=..] [SMP=n] [MEM=MiB] scripts/qemu-arm64.sh [QEMU's arguments]

set -euo pipefail
arch=arm64
image=Image
console=ttyAMA0
qemu=(qemu-system-aarch64 -machine "virt,gic-version=2" -cpu cortex-a72)
. "$(dirname "$0")/qemu.sh"
