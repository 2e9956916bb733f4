#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: install what is missing, build, and boot to a shell in QEMU: a PC with COM1 on this terminal.
# Usage: [APPEND=..] [INITRD=..] [KERNEL=..] [SMP=n] [MEM=MiB] scripts/qemu-x86_64.sh [QEMU's arguments]

set -euo pipefail
arch=x86_64
image=kernel.elf
console=ttyS0
qemu=(qemu-system-x86_64)
. "$(dirname "$0")/qemu.sh"
