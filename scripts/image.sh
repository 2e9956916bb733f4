#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: make an image that a machine boots by itself: a CD, and byte for byte also a disk (write it to a USB stick,
#   attach it to a cloud machine). Kernel and initramfs are in it; the shell is on the serial line and on the screen.
# Usage: scripts/image.sh x86_64|arm64
# Result: build/ARCH/devine.iso, which boots by GRUB: x86_64 from BIOS and UEFI, arm64 from UEFI.
# Environment: INITRD  another initramfs        APPEND  more kernel parameters
#              OUT     another place for the image
#              LIMINE  a folder with a release of Limine 8: the image boots by Limine in place of GRUB
#              ENTRY   the entry of Limine's menu that boots by itself (1): see loader/limine/limine.conf
# Console: the kernel's log and a shell are on the serial line (ttyS0, ttyAMA0) and on the screen (tty1), where there is one.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
debian_arch "$arch" >/dev/null
OUT=${OUT:-$ROOT/build/$arch/devine.iso}
stage=$ROOT/build/$arch/iso
grub_folder=/usr/lib/grub

# What each architecture brings: `console` and the files of the loader's menu.
kernel_x86_64() {
    console="console=tty0 console=ttyS0 loglevel=7"
    say "building the kernel"
    build_quietly x86_64
    objcopy --strip-debug "$ROOT/build/x86_64/kernel.elf" "$stage/boot/kernel.elf"
    cp "$ROOT/build/x86_64/kernel-limine.elf" "$stage/boot/kernel-limine.elf"
}

menu_x86_64() {
    cat <<CFG
    multiboot2 /boot/kernel.elf $parameters
    module2 /boot/initramfs.cpio.gz
CFG
}

grub_x86_64=(i386-pc x86_64-efi)

# Both terminals, as the BIOS's is the screen alone.
terminal_x86_64() {
    cat <<CFG
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
CFG
}

kernel_arm64() {
    console="console=tty0 console=ttyAMA0 loglevel=7"
    say "building the kernel"
    build_quietly arm64
    cp "$ROOT/build/arm64/Image" "$ROOT/build/arm64/kernel-limine.elf" "$stage/boot/"
    deb_fetch arm64 grub-efi-arm64-bin # Debian has it for arm64 machines alone
    grub_folder=$DEPS/arm64/grub-efi-arm64-bin/usr/lib/grub
}

menu_arm64() {
    cat <<CFG
    linux /boot/Image $parameters
    initrd /boot/initramfs.cpio.gz
CFG
}

grub_arm64=(arm64-efi)
terminal_arm64() { :; } # the firmware's console is the serial line, too

# GRUB: its own tool makes the hybrid image for all the platforms that are installed.
grub_config() {
    cat <<CFG
set timeout=1
set default=0
insmod all_video
$("terminal_$arch")
menuentry "Devine" {
$("menu_$arch")
}
CFG
}

image_grub() {
    local -n platforms=grub_$arch
    local platform folder=()
    for platform in "${platforms[@]}"; do
        [ -d "$grub_folder/$platform" ] || die "GRUB for $platform is not installed: run scripts/setup.sh image-$arch"
    done
    mkdir -p "$stage/boot/grub"
    grub_config >"$stage/boot/grub/grub.cfg"
    [ ${#platforms[@]} -gt 1 ] || folder=(-d "$grub_folder/${platforms[0]}")
    grub-mkrescue "${folder[@]}" --locales= --fonts= --themes= -o "$OUT.tmp" "$stage" >"$ROOT/build/$arch/image.log" 2>&1 ||
        { cat "$ROOT/build/$arch/image.log" >&2; die "grub-mkrescue failed"; }
}

# Limine 8: the release's own tool makes the image bootable from a BIOS disk, too.
limine_config() {
    local other="Multiboot2"
    [ "$arch" = arm64 ] || other="Linux's protocol"
    sed -e "s|^    cmdline: .*|    cmdline: ${parameters//|/\\|}|" -e "/^\/Devine by $other/,/^$/d" \
        -e "s/^default_entry: .*/default_entry: ${ENTRY:-1}/" "$ROOT/loader/limine/limine.conf"
}

limine_tool() {
    tool=$LIMINE/limine
    [ -x "$tool" ] && return
    [ -f "$LIMINE/limine.c" ] || die "$LIMINE has neither limine nor limine.c"
    tool=$ROOT/build/limine
    gcc -O2 -std=gnu99 -I"$LIMINE" -o "$tool" "$LIMINE/limine.c"
}

image_limine() {
    local file boot=()
    for file in limine-bios.sys limine-bios-cd.bin limine-uefi-cd.bin; do
        [ -f "$LIMINE/$file" ] || die "$LIMINE has no $file: want the folder of a Limine release"
    done
    mkdir -p "$stage/boot/limine" "$stage/EFI/BOOT"
    limine_config >"$stage/boot/limine/limine.conf"
    cp "$LIMINE/limine-uefi-cd.bin" "$stage/boot/limine/"
    cp "$LIMINE"/BOOT*.EFI "$stage/EFI/BOOT/"
    if [ "$arch" = x86_64 ]; then
        cp "$LIMINE/limine-bios.sys" "$LIMINE/limine-bios-cd.bin" "$stage/boot/limine/"
        boot=(-b boot/limine/limine-bios-cd.bin -no-emul-boot -boot-load-size 4 -boot-info-table)
    fi
    xorriso -as mkisofs -R -r -J "${boot[@]}" -hfsplus -apm-block-size 2048 --efi-boot boot/limine/limine-uefi-cd.bin \
        -efi-boot-part --efi-boot-image --protective-msdos-label "$stage" -o "$OUT.tmp" \
        >"$ROOT/build/$arch/image.log" 2>&1 || { cat "$ROOT/build/$arch/image.log" >&2; die "xorriso failed"; }
    [ "$arch" != x86_64 ] || { limine_tool && "$tool" bios-install "$OUT.tmp" >>"$ROOT/build/$arch/image.log" 2>&1; }
}

declare -F "kernel_$arch" >/dev/null || die "no image for $arch"
"$ROOT/scripts/setup.sh" build "image-$arch"
rm -rf "$stage"
mkdir -p "$stage/boot"
if [ -z "${INITRD:-}" ]; then
    INITRD=$ROOT/build/$arch/initramfs.cpio
    "$ROOT/scripts/rootfs.sh" "$arch"
fi
gzip -n -9 <"$INITRD" >"$stage/boot/initramfs.cpio.gz"
"kernel_$arch"
parameters="$console${APPEND:+ $APPEND}"
if [ -n "${LIMINE:-}" ]; then image_limine; else image_grub; fi
mv "$OUT.tmp" "$OUT"
say "made ${OUT#"$ROOT"/} ($(($(stat -c %s "$OUT") / 1048576)) MiB): boots by ${LIMINE:+Limine}$([ -n "${LIMINE:-}" ] || echo GRUB)"
