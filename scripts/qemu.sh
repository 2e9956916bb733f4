# SPDX-License-Identifier: CC0-1.0
#
# Purpose: what the two QEMU scripts have in common. Sourced; the caller has set `arch`, `qemu` (an array:
#   the emulator with its machine), `console` and `image`.
# Environment: APPEND  more kernel parameters      INITRD  another initramfs     KERNEL  another kernel
#              SMP     CPUs (1)                    MEM     memory in MiB (256)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$ROOT/scripts/setup.sh" build "run-$arch"
if [ -z "${KERNEL:-}" ]; then
    KERNEL=$ROOT/build/$arch/$image
    build_quietly "$arch"
fi
if [ -z "${INITRD:-}" ]; then
    INITRD=$ROOT/build/$arch/initramfs.cpio
    "$ROOT/scripts/rootfs.sh" "$arch"
fi
[ -t 0 ] && say "Ctrl-A X ends QEMU, Ctrl-A Ctrl-A sends a Ctrl-A"
exec "${qemu[@]}" -accel tcg -m "${MEM:-256}" -smp "${SMP:-1}" -display none -nic none -serial mon:stdio \
    -kernel "$KERNEL" -initrd "$INITRD" -append "console=$console ${APPEND:-}" "$@"
