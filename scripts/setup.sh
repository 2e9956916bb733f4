#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: install the Debian packages that building and running (default), testing or debugging need.
# Usage: scripts/setup.sh [build] [run-x86_64] [run-arm64] [image-x86_64] [image-arm64] [test] [debug]
# Says what is missing before it installs it; does nothing when all is there. Where apt does not exist it
# names the tools, and goes on if they are there.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

# need PACKAGE PROBE: PROBE is a command's name, or a path when it has a slash.
missing=()
probes=()
need() {
    case $2 in
        */*) [ -e "$2" ] && return ;;
        *) command -v "$2" >/dev/null 2>&1 && return ;;
    esac
    missing+=("$1")
    probes+=("$2")
}

need_build() {
    need gcc gcc
    need libc6-dev /usr/include/stdio.h
    need linux-libc-dev /usr/include/linux/fcntl.h
    need gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
    need linux-libc-dev-arm64-cross /usr/aarch64-linux-gnu/include/linux/fcntl.h
    need cmake cmake
    need ninja-build ninja
    need python3 python3
    need xz-utils xz
    need bzip2 bzip2
    need cpio cpio
}

need_test() {
    need qemu-system-x86 qemu-system-x86_64
    need qemu-system-arm qemu-system-aarch64
    need libc6-dev-arm64-cross /usr/aarch64-linux-gnu/include/stdio.h
    need clang clang
    need libclang-rt-14-dev /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a
    need lld ld.lld
    need_image
    need_image_x86_64
    need qemu-efi-aarch64 /usr/share/qemu-efi-aarch64/QEMU_EFI.fd
    need u-boot-qemu /usr/lib/u-boot/qemu_arm64/u-boot.bin
    need ovmf /usr/share/OVMF/OVMF_CODE_4M.fd
}

need_image() {
    need grub-common grub-mkrescue
    need mtools mformat
    need xorriso xorriso
    need bochs bochs
    need bochs-term /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so
    need bochsbios /usr/share/bochs/BIOS-bochs-latest
    need vgabios /usr/share/bochs/VGABIOS-lgpl-latest
}

need_image_x86_64() {
    need grub-pc-bin /usr/lib/grub/i386-pc
    need grub-efi-amd64-bin /usr/lib/grub/x86_64-efi
}

[ $# -gt 0 ] || set -- build
for what in "$@"; do
    case $what in
        build) need_build ;;
        run-x86_64) need qemu-system-x86 qemu-system-x86_64 ;;
        run-arm64) need qemu-system-arm qemu-system-aarch64 ;;
        test) need_test ;;
        image-x86_64) need_image && need_image_x86_64 ;;
        image-arm64) need_image ;;
        debug) need gdb-multiarch gdb-multiarch ;;
        *) die "unknown group '$what' (build, run-x86_64, run-arm64, image-x86_64, image-arm64, test, debug)" ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    die "these tools are not here: ${probes[*]} (Debian's packages: ${missing[*]}); install them and try again"
fi
say "not installed: ${missing[*]}; installing with apt-get"
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo: as root, run apt-get install ${missing[*]}"
    sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
apt_install() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >&2
}
$sudo apt-get -qq update >&2 || say "apt-get update failed; trying with the lists that are there"
apt_install || die "apt-get could not install: ${missing[*]}"
