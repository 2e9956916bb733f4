#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: run a parser under libFuzzer with ASan and UBSan on the host.
# Usage: scripts/fuzz.sh NAME SECONDS [libFuzzer's arguments], NAME being that of a tests/fuzz/fuzz_NAME.c
# It begins with tests/fuzz/corpus/NAME; what it adds is in build/fuzz/NAME.  A finding is written there as
# crash-*, and the status is not 0.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

name=${1:-}
seconds=${2:-60}
hardware=(kernel/boot/{hardware,record}.c kernel/core/hardware.c kernel/mm/numa.c kernel/lib/fmt.c)
acpi=(kernel/boot/acpi{,_madt,_srat,_fadt,_s5,_pptt,_mcfg,_iort,_prt,_spcr,_devices}.c kernel/boot/aml.c)
device=(tests/fuzz/device.c kernel/dev/virtio/{virtio,ring,fake}.c kernel/core/number.c kernel/lib/{bitmap,fmt}.c)
parameters=(kernel/core/params.c kernel/mm/frame_policy.c kernel/sched/{watchdog,clock,class_mlfq}.c
    kernel/boot/{hardware,smp}.c kernel/proc/{exec,init}.c kernel/svc/{subsystem,power}.c kernel/abi/strace.c
    kernel/dev/{bus/pci_irq,input/keyboard,input/keymap,video/mode,serial/serial,virtio/virtio,virtio/mmio}.c kernel/lib/fmt.c)
zlib=(build/deps/zlib/{inflate,inftrees,inffast,adler32,crc32,zutil}.c -isystem build/deps/zlib -DZ_SOLO)
libraries=()
case $name in
    vt) sources=(kernel/dev/video/{vt,cp437}.c kernel/lib/fmt.c) ;;
    elf) sources=(kernel/proc/elf.c) ;;
    gzip) sources=(kernel/fs/{initramfs,cpio}.c "${zlib[@]}") ;;
    script) sources=(kernel/proc/script.c) ;;
    keys) sources=(kernel/dev/input/keymap.c kernel/lib/fmt.c) ;;
    cmdline) sources=("${parameters[@]}") ;;
    initramfs) sources=(kernel/fs/cpio.c) ;;
    acpi | madt | srat) sources=("${hardware[@]}" "${acpi[@]}") ;;
    mptable | mptable_find) sources=("${hardware[@]}" kernel/boot/mptable.c) ;;
    efi) sources=(kernel/boot/{efi,efi_map,record}.c kernel/lib/fmt.c) ;;
    efi_tables) sources=(kernel/boot/{efi_tables,efi_map,record}.c kernel/lib/fmt.c) ;;
    fdt)
        sources=("${hardware[@]}" kernel/boot/fdt{,_hardware,_pci}.c)
        libraries=(build/deps/amd64/libfdt-dev/usr/lib/*/libfdt.a)
        ;;
    pvh) sources=(kernel/boot/{pvh,record}.c) ;;
    multiboot2 | limine) sources=(kernel/boot/{"$name",efi_map,record}.c) ;;
    virtio) sources=(tests/fuzz/device.c kernel/dev/virtio/ring.c) ;;
    virtio_registers)
        sources=(tests/fuzz/device.c kernel/dev/virtio/{virtio,ring,pci,mmio}.c kernel/dev/bus/{pci,pci_config,pci_irq}.c
            kernel/core/number.c kernel/lib/{bitmap,fmt}.c)
        ;;
    virtio_drivers) sources=("${device[@]}" kernel/dev/virtio/{block,entropy,input}.c kernel/svc/block.c) ;;
    console) sources=("${device[@]}" kernel/dev/virtio/console{,_port}.c) ;;
    pci) sources=(kernel/dev/bus/pci_{config,scan,place,host,irq}.c kernel/core/hardware.c kernel/lib/fmt.c) ;;
    *) die "usage: scripts/fuzz.sh NAME SECONDS; names: $(cd "$ROOT/tests/fuzz" && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//' | xargs)" ;;
esac
shift $(($# < 2 ? $# : 2))
command -v clang >/dev/null || die "needs clang with its run-time library (Debian: clang, libclang-rt-14-dev)"
cd "$ROOT"
[ -d build/host/inc ] || cmake --preset host >/dev/null
flags=(-nostdinc -isystem "$(clang -print-resource-dir)/include" -std=gnu17 -g -O1 -fno-omit-frame-pointer -fno-optimize-sibling-calls
    -Wno-everything -Werror=implicit-function-declaration -Iarch/host/include -isystem build/host/uapi
    -isystem tools/cc-env -isystem tools/libfdt-env -isystem build/host/libfdt -DCONFIG_DEBUG=1)
for dir in build/host/inc/*; do flags+=("-I$dir"); done
mkdir -p "build/fuzz/$name"
# The parsers' neighbours call more of the kernel than a parser does: what is never reached stays unresolved.
clang "${flags[@]}" -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment -fno-sanitize-recover=all -no-pie -Wl,--unresolved-symbols=ignore-all \
    "tests/fuzz/fuzz_$name.c" tests/fuzz/support.c "${sources[@]}" kernel/lib/string.c kernel/lib/hash.c "${libraries[@]}" \
    -o "build/fuzz/fuzz_$name"
seeds=()
[ ! -d "tests/fuzz/corpus/$name" ] || seeds=("$ROOT/tests/fuzz/corpus/$name")
cd "build/fuzz/$name"
exec "../fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 "$@" . "${seeds[@]}"
