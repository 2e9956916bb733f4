# SPDX-License-Identifier: CC0-1.0
"""Purpose: virtio disks: what is written reaches the host, Debian's tools see them, and those that fail, do not
answer, or go away under load make errors and hang nobody.

Model: the first test has a disk on PCI on x86_64 and one with legacy registers in memory on arm64, the second has
registers in memory of version 2; on x86_64 the machine with those is microvm, whose DSDT alone names them.
"""
import hashlib
import random
import re
import subprocess

import hvc
from archive import Archive
from harness import BUILD, LOGS, ROOT, Board, Context, expect_equal, expect_match, test
from suite_programs import expect_lines

MIB = 1 << 20
SIZE = 64 * MIB
MACHINE = {"x86_64": ["-machine", "microvm"], "arm64": []}


def image(ctx, name, size=SIZE, seed=1):
    """A disk of random bytes with the signature of a swap area; returns its path."""
    LOGS.mkdir(parents=True, exist_ok=True)
    data = bytearray(random.Random(seed).randbytes(MIB) * (size // MIB))
    for number in range(size // MIB):
        data[number * MIB:number * MIB + 8] = number.to_bytes(8, "little")
    data[1024:1024 + 28] = (1).to_bytes(4, "little") + (size // 4096 - 1).to_bytes(4, "little") + bytes(4) + bytes(range(16))
    data[4086:4096] = b"SWAPSPACE2"
    path = LOGS / f"{name}-{ctx.arch}.img"
    path.write_bytes(data)
    return path


def disk(number, drive, kind="device"):
    """QEMU's arguments for one disk."""
    return ["-drive", f"{drive},if=none,id=d{number}", "-device", f"virtio-blk-{kind},drive=d{number}"]


def initramfs(ctx):
    """The standard root file system, Debian's tools for disks, and the program disk."""
    subprocess.run([ROOT / "scripts/disk-tools.sh", ctx.arch], check=True)
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    subprocess.run([ROOT / "scripts/rootfs.sh", ctx.arch], check=True)
    archive = Archive().tree(BUILD / ctx.arch / "rootfs").tree(BUILD / ctx.arch / "disk-tools")
    for libc in ("glibc", "musl"):
        archive.file(f"bin/disk-{libc}", (BUILD / ctx.arch / f"programs/disk-{libc}").read_bytes())
    return archive.write(f"disk-{ctx.arch}.cpio")


def check_pattern(data, sum_of):
    """Each MiB begins with its number; what follows is the same, and has that sum."""
    expect_equal([int(data[n * MIB:n * MIB + 8]) for n in range(64)], list(range(1, 65)), "the numbers on the disk")
    expect_equal(data.count(data[8:MIB]), 64, "how often the pattern is on the disk")
    expect_equal(hashlib.sha256(data[8:MIB]).hexdigest(), sum_of, "its sum")


def check_tools(sh):
    """Debian's lsblk, blkid and blockdev."""
    expect_match(r"^vda +254:0 +0 +64M +0 +disk", sh.output("lsblk"))
    expect_match(r'^/dev/vda: .*TYPE="swap"', sh.output("/usr/bin/blkid -p /dev/vda"))
    expect_equal(sh.output("/usr/bin/blockdev --getsize64 --getss --getro /dev/vda"), f"{SIZE}\n512\n0\n", "blockdev")
    expect_match(r"^ 254 +0 +65536 vda$", sh.output("cat /proc/partitions"))
    expect_match(r"^254 virtblk$", sh.output("cat /proc/devices"))
    expect_match(r"^ 254 +0 vda [1-9]", sh.output("cat /proc/diskstats"))
    expect_equal(sh.output("cat /sys/block/vda/size /sys/class/block/vda/ro /sys/dev/block/254:0/dev"),
                 f"{SIZE // 512}\n0\n254:0\n", "/sys")


CLEARED = ((MIB, MIB), (3 * MIB + 512, 512))  # where, how much


def check_clear(sh):
    """Zeros by BLKZEROOUT, whole and parts of pages that the cache has; what is around them stays."""
    for start, size in CLEARED:
        around = f"(dd bs=512 count=8 skip={start // 512 - 8}; dd bs=512 count=8 skip={(start + size) // 512}) </dev/vda 2>/dev/null | sha256sum"
        before = sh.output(around)
        sh.output(f"/usr/bin/blkdiscard -z -f -o {start} -l {size} /dev/vda")
        expect_equal(sh.output(f"dd if=/dev/vda bs=512 skip={start // 512} count={size // 512} 2>/dev/null | tr -d '\\0' | wc -c"), "0\n",
                     f"bytes that are not 0 of the {size} from {start}")
        expect_equal(sh.output(around), before, "the bytes around them")
    output, status = sh.run("/usr/bin/blkdiscard -f -o 3145728 -l 100 /dev/vda")
    expect_equal(status, 1, f"blkdiscard of no whole sector: {output}")
    expect_match(r"^vda +0 +512B +2G", sh.output("/usr/bin/lsblk -D"), "what can be discarded")
    sh.output("/usr/bin/blkdiscard -f -o 32M -l 1M /dev/vda")


@test("a disk is read, written, synced and turned off", kernels=("devine",))
def disk_whole(ctx):
    path = image(ctx, "whole")
    kind = "pci" if ctx.arch == "x86_64" else "device"
    with hvc.Ends(kind) as ends, ctx.shell(
            args=[*disk(0, f"file={path},format=raw", kind), "-device", "virtio-rng-pci", *ends.arguments],
            append=f"console=hvc0 console={ctx.console()}", initrd=initramfs(ctx), name="disk") as sh:
        start = hashlib.sha256(path.read_bytes()[:8 * MIB]).hexdigest()
        expect_match(start, sh.output("dd if=/dev/vda bs=1M count=8 2>/dev/null | sha256sum", 60), "sha256sum")
        check_tools(sh)
        expect_match(r"^0x0004$", sh.output("cat /sys/bus/virtio/devices/*/device"))
        expect_equal(sh.output("ls /sys/bus/pci/drivers/virtio_pci | grep -c :"), "3\n" if kind == "pci" else "1\n", "PCI devices")
        if ctx.arch == "arm64":  # messages to a GICv2m's frame are lines of the GIC from 80 on
            expect_match(r"^ *(8\d|9\d|1[0-3]\d): +[1-9]\d* .* GICv2 .* virtio", sh.output("cat /proc/interrupts"), "messages")
        for libc in ("glibc", "musl"):
            expect_lines(sh.output(f"disk-{libc}", 60), (ROOT / "tests/programs/disk.expected").read_text())
        sh.output("dd if=/dev/urandom of=/tmp/pattern bs=1M count=1")
        sum_of = sh.output("tail -c +9 /tmp/pattern | sha256sum").split()[0]
        sh.output("for i in $(seq 64); do printf %08d $i; tail -c +9 /tmp/pattern; done | dd of=/dev/vda bs=1M; sync", 120)
        check_pattern(path.read_bytes(), sum_of)
        check_clear(sh)
        sh.output("echo last words | dd of=/dev/vda bs=1 seek=1000000 conv=notrunc")
        hvc.check_all(sh, ends)
        sh.send("poweroff\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")
    expect_equal(path.read_bytes()[1000000:1000011], b"last words\n", "what was written before the machine went off")
    for start, size in CLEARED:
        expect_equal(path.read_bytes()[start:start + size].count(0), size, "zeros on the medium")
    path.unlink()


# ---- failures ---------------------------------------------------------------------------------------------

def failing(ctx):
    """Disks: vda sound, vdb slower than anyone waits, vdc with sectors that can not be read, vdd not written."""
    paths = [image(ctx, f"failing{n}", 16 * MIB, n) for n in range(4)]
    debug = "driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={},file.inject-error.0.event={}," \
            "file.inject-error.0.errno=5,file.inject-error.0.once=off"
    drives = [f"file={paths[0]},format=raw", f"file={paths[1]},format=raw,throttling.bps-total=4096",
              debug.format(paths[2], "read_aio") + ",file.inject-error.0.sector=8192",
              debug.format(paths[3], "write_aio")]
    arguments = [word for number, drive in enumerate(drives) for word in disk(number, drive)]
    return paths, [*MACHINE[ctx.arch], *arguments, "-global", "virtio-mmio.force-legacy=false"]


def name_of(sh, path):
    """Which vdX an image is: the order is the machine's."""
    with open(path, "rb") as file:
        start = file.read(64).hex()
    names = sh.output("for d in /dev/vd?; do echo $d $(dd if=$d bs=64 count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'); done", 90)
    return expect_match(rf"^/dev/(vd\w) {start}", names, "the disks' first bytes")[1]


def check_slow(sh, name):
    """Requests that are not answered fail, also those that come later, and the device is given up once."""
    output, status = sh.run(f"dd if=/dev/{name} of=/tmp/null bs=1M count=8", 90)
    expect_equal((status, "Input/output error" in output), (1, True), f"dd from a disk that does not answer: {output}")
    output, status = sh.run(f"dd if=/dev/{name} of=/tmp/null bs=1M skip=10", 20)
    expect_equal(status, 1, f"dd after that: {output}")
    expect_equal(len(re.findall(r"is given up: a request was not answered in time", sh.output("dmesg"))), 1, "lines of log")


def check_errors(sh, unreadable, unwritable):
    """Errors of the medium reach those who asked, and nobody else."""
    output, status = sh.run(f"dd if=/dev/{unreadable} of=/tmp/null bs=4096 skip=1024 count=1")
    expect_equal((status, "Input/output error" in output), (1, True), f"the bad sector: {output}")
    sh.output(f"dd if=/dev/{unreadable} of=/tmp/null bs=4096 count=1000")
    sh.output(f"dd if=/dev/{unreadable} of=/tmp/null bs=4096 skip=1100 count=1000")
    output, status = sh.run(f"dd if=/dev/zero of=/dev/{unwritable} bs=4096 count=4 conv=fsync")
    expect_equal((status, "Input/output error" in output), (1, True), f"fsync: {output}")


def check_removal(sh, name):
    """Under load: bound and unbound many times, then removed for good."""
    device = sh.output(f"basename $(readlink -f /sys/block/{name}/device)").strip()
    drivers = "/sys/bus/virtio/drivers/virtio_blk"
    load = f"(while [ ! -e /tmp/stop ]; do dd if=/dev/{name} of=/dev/null bs=64k; dd if=/dev/zero of=/dev/{name} bs=64k count=64; " \
           f"sha256sum /dev/{name}; done >/dev/null 2>&1; touch /tmp/stopped) &"
    sh.run(load)
    sh.script(f"i=0; while [ $i -lt 40 ]; do echo {device} >{drivers}/unbind; echo {device} >{drivers}/bind; i=$((i+1)); done", 240)
    sh.output(f"dd if=/dev/{name} of=/tmp/null bs=1M count=1")
    sh.output(f"echo 1 >/sys/bus/virtio/devices/{device}/remove", 60)
    sh.output("touch /tmp/stop; until [ -e /tmp/stopped ]; do usleep 100000; done", 60)
    expect_equal(sh.run(f"cat /dev/{name} 2>&1 | head -c 1; ls /sys/block/{name}")[1] != 0, True, "it is gone")


@test("disks that fail, do not answer, or go away", kernels=("devine",))
def disk_failures(ctx):
    paths, arguments = failing(ctx)
    with hvc.Ends("device") as ends, Context(ctx.arch, ctx.kernel, ctx.variant, Board("4 CPUs", 4)).shell(
            args=[*arguments, *ends.arguments], append=f"virtio.timeout_ms=4000 console=hvc0 console={ctx.console()}",
            name="failing disks") as sh:
        hvc.check_all(sh, ends)
        names = [name_of(sh, path) for path in paths]
        check_errors(sh, names[2], names[3])
        check_slow(sh, names[1])
        check_removal(sh, names[0])
        sh.send("poweroff\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")
    for path in paths:
        path.unlink()
