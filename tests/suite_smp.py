# SPDX-License-Identifier: CC0-1.0
"""Purpose: machines with several CPUs, and what only they can get wrong.

STORM_SECONDS: how long 64 processes work on 64 CPUs.
"""
import os
import subprocess

import exact
from archive import Archive
from firmware import cells, text, tree_read, tree_write
from harness import ARCHS, BUILD, LOGS, ROOT, Context, Failure, Shell, expect_equal, expect_match, test
from suite_programs import run_in

MACHINES = {  # arm64: what the interrupt controllers and starters differ in
    "GICv2": ("-smp", "4"),
    "GICv3": ("-machine", "gic-version=3", "-cpu", "max", "-smp", "4"),
    "GICv3 without ITS, 16 CPUs": ("-machine", "gic-version=3,its=off", "-cpu", "cortex-a76", "-smp", "16"),
    "EL2": ("-machine", "gic-version=3,virtualization=on", "-cpu", "cortex-a57", "-smp", "4"),
    "EL2, GICv2": ("-machine", "virtualization=on", "-cpu", "cortex-a53", "-smp", "8"),
}


@test("each machine starts its CPUs", archs=("arm64",), kernels=("devine",))
def starts(ctx):
    for name, args in MACHINES.items():
        count = args[args.index("-smp") + 1]
        with ctx.shell(args=args, mem=512, name=f"cpus-{name}") as shell:
            shell.check("nproc", f"{count}\n")
            shell.check("grep -c ^processor /proc/cpuinfo", f"{count}\n")
            shell.send("poweroff -f\n")
            expect_equal(shell.expect_exit(), 0, f"{name}: QEMU's status")


def no_stale_translation(ctx, name, append="", args=("-smp", "4")):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/tlb-glibc").read_bytes()
    archive = Archive().busybox(ctx.arch).file("bin/program", program)
    output, status = run_in(ctx, archive, "/bin/program 1 40 2>/tmp/rounds", name, 180, append=append, args=args)
    expect_equal(output, (ROOT / "tests/programs/tlb.expected").read_text())
    expect_equal(status, 0, "status")


@test("no CPU uses a translation that is gone")
def translations(ctx):
    no_stale_translation(ctx, "tlb")


@test("time does not go back when the clock source changes; epoll tells of what changes meanwhile once, and to all")
def clocks(ctx):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    archive = Archive().busybox(ctx.arch)
    for name in ("clocks", "polls"):
        archive.file(f"bin/{name}", (BUILD / ctx.arch / f"programs/{name}-glibc").read_bytes())
    command = "busybox mount -t sysfs sysfs /sys; clocks 2>/tmp/reads && polls 100"
    output, status = run_in(ctx, archive, command, "clocks", 120, args=("-smp", "4"))
    expect_equal(output, "clocks: 0 refused, back by 0 ns\nrounds: 0 told twice, 0 of another length\n"
                         "all: 0 of 400 not told\nsignal: 0 lost\n")
    expect_equal(status, 0, "status")


@test("no CPU uses a translation that is gone, also when identifiers run out", archs=("arm64",))
def identifiers(ctx):
    no_stale_translation(ctx, "tlb-asid", append="asid_bits=4", args=("-machine", "gic-version=3", "-smp", "4"))


STORM_SECONDS = int(os.environ.get("STORM_SECONDS", "6"))
# Each invalidation on arm64 stops all of the emulator's CPUs: 64 of them take minutes for what takes seconds.
WHOLE = ARCHS if os.environ.get("TEST_NIGHTLY") or "STORM_SECONDS" in os.environ else ("x86_64",)


def storm(ctx, count):
    """Runs tests/programs/storm.c with `count` processes on as many CPUs."""
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/storm-glibc").read_bytes()
    archive = Archive().busybox(ctx.arch).file("bin/storm", program).file("bin/memory", exact.MEMORY)
    board = () if ctx.arch == "x86_64" else ("-machine", "gic-version=3")
    # An emulator's CPUs wait for one of ours longer than the watchdog would: storm itself sees what hangs.
    # The first storm fills what is filled once.
    command = f". /bin/memory; storm {count} {STORM_SECONDS / 4} 90 && memory && echo @MIDDLE && storm {count} {STORM_SECONDS} 90 && memory"
    output, status = run_in(ctx, archive, command, "storm", 180 + 2 * STORM_SECONDS, mem=1024, append="watchdog=60",
                            args=(*board, "-accel", "tcg,thread=multi", "-smp", str(count)))
    expect_equal(status, 0, f"after {output!r}, status")
    before, after = output.split("@MIDDLE")
    expect_match(rf"^{count} processes, {count} CPUs:", after)
    lost = exact.difference(exact.settled(before), exact.settled(after))
    if lost:
        raise Failure(f"a storm costs {lost}")


@test("64 processes on 64 CPUs lose nothing", archs=WHOLE, early=True)
def storm_of_64(ctx):
    storm(ctx, 64)


@test("16 processes on 16 CPUs lose nothing", archs=("arm64",), early=True)
def storm_of_16(ctx):
    storm(ctx, 16)


# Contended acquisitions of all locks together that 100 operations on 4 CPUs may have. One lock that all of them took for each
# operation gave 8 (kill) to 42 (stat), the pages and mappings of one program, its group and the heap's arenas 28 (fork); what is
# left are the frame allocator's batches, and the writers of names and numbers now and then.
CONTENDED_MAX = {"null": 1, "fault": 3, "fork": 5, "stat": 1, "kill": 1}
TREE_CONTENDED_MAX = 2


@test("independent processes on 4 CPUs meet in no lock", archs=("x86_64",), kernels=("devine",))
def contention(ctx):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/locks-glibc").read_bytes()
    archive = Archive().busybox(ctx.arch).file("bin/program", program)
    output, status = run_in(Context(ctx.arch, ctx.kernel, "-debug"), archive, "/bin/program 4 10000", "locks", 300,
                            args=("-smp", "4"))
    expect_equal(status, 0, "status")
    counts = {line.split()[0]: (int(line.split()[2]), int(line.split()[-1])) for line in output.split("\n") if " contended " in line}
    for kind, limit in CONTENDED_MAX.items():
        operations, contended = counts[kind]
        if contended * 100 > limit * operations:
            raise Failure(f"{kind}: {contended} contended acquisitions in {operations} operations\n{output}")
    tree = int(expect_match(r"(?m)^fork .*LOCK_PROC_TREE (\d+)/", output)[1])
    if tree * 100 > TREE_CONTENDED_MAX * counts["fork"][0]:
        raise Failure(f"fork: {tree} contended acquisitions of the process tree's lock\n{output}")


KERNEL, TREE, WORDS, INITRD = 0x40200000, 0x4F000000, 0x4E000000, 0x48000000  # as in spin_table.S
SECURE = "virt,secure=on,virtualization=on,gic-version=2"


def firmware_make(name, *defines):
    """Assembles spin_table.S; returns the path of the bytes to run."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{name}.bin"
    subprocess.run(["aarch64-linux-gnu-gcc", "-c", *defines, ROOT / "tests/spin_table.S", "-o", f"{path}.o"], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", f"{path}.o", path], check=True)
    return path


def spin_table_tree(firmware, cpus, initrd_size):
    """QEMU's tree for that machine, with the CPUs in a spin table."""
    path = LOGS / "spin.dtb"
    subprocess.run(["qemu-system-aarch64", "-machine", f"{SECURE},dumpdtb={path}", "-cpu", "cortex-a53", "-m", "512",
                    "-smp", str(cpus), "-nic", "none", "-display", "none", "-bios", firmware], check=True,
                   capture_output=True)
    root = tree_read(path.read_bytes())
    root.child("chosen").properties.update({
        "bootargs": text("console=ttyAMA0"), "linux,initrd-start": cells(0, INITRD),
        "linux,initrd-end": cells(0, INITRD + initrd_size)})
    for node in root.child("cpus").children:
        if node.name.startswith("cpu@"):
            node.properties["enable-method"] = text("spin-table")
            node.properties["cpu-release-addr"] = cells(0, WORDS + 8 * int(node.name[4:], 16))
    reserved = root.add("reserved-memory", **{"#address_cells": cells(2), "#size_cells": cells(2), "ranges": b""})
    reserved.add(f"words@{WORDS:x}", reg=cells(0, WORDS, 0, 0x1000), no_map=b"")
    path.write_bytes(tree_write(root))
    return path


def spin_table_boot(ctx, name, cpus, *defines):
    initrd = BUILD / ctx.arch / "initramfs.cpio"
    subprocess.run([ROOT / "scripts/rootfs.sh", ctx.arch], check=True)
    firmware = firmware_make(name, *defines)
    tree = spin_table_tree(firmware, cpus, initrd.stat().st_size)
    command = ["qemu-system-aarch64", "-machine", SECURE, "-cpu", "cortex-a53", "-accel", "tcg", "-m", "512", "-smp",
               str(cpus), "-display", "none", "-nic", "none", "-serial", "stdio", "-monitor", "none", "-bios", firmware]
    for path, at in ((ctx.kernel_path(), KERNEL), (tree, TREE), (initrd, INITRD)):
        command += ["-device", f"loader,file={path},addr={at:#x},force-raw=on"]
    with Shell(ctx, name=name, command=command) as shell:
        shell.check("nproc", f"{cpus}\n")
        for cpu in range(cpus):
            shell.check(f"taskset {1 << cpu:x} cat /proc/sys/kernel/ostype", "Linux\n")


@test("a spin table's CPUs are started", archs=("arm64",), kernels=("devine",))
def spin_table(ctx):
    spin_table_boot(ctx, "spin-table", 4)


@test("CPUs that the loader let into the kernel all at once are started", archs=("arm64",), kernels=("devine",))
def all_in(ctx):
    spin_table_boot(ctx, "spin-table-all", 4, "-DALL_IN")


@test("a tree's cpu-map tells sockets, cores and threads", archs=("arm64",), kernels=("devine",))
def cpu_map(ctx):
    with ctx.shell(args=("-smp", "8,sockets=2,clusters=1,cores=2,threads=2"), name="cpu-map") as shell:
        shell.check("cat /sys/devices/system/cpu/cpu5/topology/cluster_cpus_list", "4-7\n")
        shell.check("cat /sys/devices/system/cpu/cpu5/cache/index2/shared_cpu_list", "4-7\n")
        shell.check("cat /sys/devices/system/cpu/cpu5/topology/physical_package_id", "1\n")
        shell.check("cat /sys/devices/system/cpu/cpu5/topology/core_siblings_list", "4-7\n")
        shell.check("cat /sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "4-5\n")
        shell.check("cat /sys/devices/system/cpu/cpu3/topology/core_id", "1\n")
