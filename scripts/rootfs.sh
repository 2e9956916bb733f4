#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Purpose: make the root file system that the QEMU scripts boot: Debian's unmodified static BusyBox, a link
#   for each of its applets, and a few lines of configuration.
# Usage: scripts/rootfs.sh x86_64|arm64
# Result: build/ARCH/initramfs.cpio, which boots under Linux as well.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

arch=${1:-}
deb=$(debian_arch "$arch")
out=$ROOT/build/$arch/initramfs.cpio
mkdir -p "$DEPS" "$ROOT/build/$arch"
exec 9>"$DEPS/lock"
flock 9
[ "$out" -nt "$0" ] && exit 0

deb_fetch "$deb" busybox-static
[ "$deb" = amd64 ] || deb_fetch amd64 busybox-static # knows the names of the applets, and runs here

root=$ROOT/build/$arch/rootfs
rm -rf "$root"
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,proc,sys,dev,tmp,root,run,var/log,mnt}
chmod 1777 "$root/tmp"
chmod 700 "$root/root"
cp "$DEPS/$deb/busybox-static/bin/busybox" "$root/bin/busybox"
"$DEPS/amd64/busybox-static/bin/busybox" --list-full | while read -r applet; do
    [ "$applet" = bin/busybox ] || ln -s /bin/busybox "$root/$applet"
done
ln -s sbin/init "$root/init"

cat >"$root/etc/inittab" <<'TAB'
::sysinit:/etc/rc
::respawn:-/bin/sh
::ctrlaltdel:/sbin/reboot
::restart:/sbin/init
TAB
cat >"$root/etc/rc" <<'RC'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys 2>/dev/null
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts 2>/dev/null
mount -t tmpfs tmpfs /dev/shm 2>/dev/null
hostname -F /etc/hostname

# A shell on each console (console=); the last of them is /dev/console, which has one.
[ -r /sys/class/tty/console/active ] || exit 0
read -r consoles </sys/class/tty/console/active
[ "${consoles% *}" != "$consoles" ] || exit 0
for tty in ${consoles% *}; do
    [ "$tty" != tty0 ] || tty=tty1
    echo "$tty::respawn:-/bin/sh"
done >>/etc/inittab
kill -HUP 1 # read it again
RC
chmod 755 "$root/etc/rc"
echo devine >"$root/etc/hostname"
cat >"$root/etc/profile" <<'PROFILE'
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
PROFILE
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n' >"$root/etc/group"

find "$root" -exec touch -h -d @1 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >"$out.tmp"
mv "$out.tmp" "$out"
say "made ${out#"$ROOT"/}"
