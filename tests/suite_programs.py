# SPDX-License-Identifier: CC0-1.0
"""Purpose: programs of others: Debian's dynamic shells and coreutils, and static programs with two C libraries."""
import difflib
import subprocess

from archive import Archive
from harness import BUILD, ROOT, Failure, expect_equal, test

INIT = """#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t devtmpfs devtmpfs /dev 2>/dev/null
busybox ln -sf /proc/self/fd /dev/fd
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/
echo @BEGIN
{command}
echo "@END $?"
busybox poweroff -f
"""


def run_in(ctx, archive, command, name, timeout, **how):
    """Boots `archive` with an /init that runs `command`; returns (output, status)."""
    for folder in ("proc", "sys", "dev", "tmp", "etc"):
        archive.directory(folder, 0o1777 if folder == "tmp" else 0o755)
    archive.file("init", INIT.replace("{command}", command))
    initrd = archive.write(f"{name}-{ctx.arch}.cpio")
    with ctx.machine(initrd=initrd, name=name, **how) as machine:
        machine.expect("@BEGIN\r\n", 180)
        match = machine.expect(r"(?s)\A(.*?)@END (\d+)", timeout)
        expect_equal(machine.expect_exit(), 0, "QEMU's status")
    return match[1].replace("\r\n", "\n"), int(match[2])


def expect_lines(actual, expected):
    """Fails with a difference of lines."""
    if actual != expected:
        lines = difflib.unified_diff(expected.split("\n"), actual.split("\n"), "expected", "output", lineterm="", n=1)
        raise Failure("\n".join(list(lines)[:60]))


def static_program(ctx, source, libc):
    """Runs tests/programs/SOURCE.c, linked with `libc`."""
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / f"programs/{source}-{libc}").read_bytes()
    archive = Archive().busybox(ctx.arch).file("bin/program", program)
    output, status = run_in(ctx, archive, "/bin/program word", f"static-{source}-{libc}", 120)
    expect_lines(output, (ROOT / f"tests/programs/{source}.expected").read_text())
    expect_equal(status, 0, "status")


@test("a static program with glibc")
def glibc(ctx):
    static_program(ctx, "libc", "glibc")


@test("a static program with musl")
def musl(ctx):
    static_program(ctx, "libc", "musl")


@test("processes and signals in their corner cases")
def processes(ctx):
    static_program(ctx, "process", "glibc")


@test("signals and record locks through files")
def events(ctx):
    static_program(ctx, "events", "glibc")
    static_program(ctx, "events", "musl")


@test("timers of CPU time, and a clock that is set")
def timers(ctx):
    static_program(ctx, "timers", "glibc")


@test("files in their corner cases")
def files(ctx):
    static_program(ctx, "files", "glibc")


@test("inotify")
def notify(ctx):
    static_program(ctx, "notify", "glibc")
    static_program(ctx, "notify", "musl")


@test("futexes that lend priority")
def pi(ctx):
    static_program(ctx, "pi", "glibc")


@test("System V IPC")
def sysv(ctx):
    static_program(ctx, "sysv", "glibc")


@test("Debian's dynamic bash, dash and coreutils run a script as under Linux")
def dynamic(ctx):
    subprocess.run([ROOT / "scripts/dynamic.sh", ctx.arch], check=True)
    archive = Archive().tree(BUILD / ctx.arch / "dynamic")
    archive.file("bin/busybox", (BUILD / ctx.arch / "rootfs/bin/busybox").read_bytes())
    archive.file("tests/dynamic.sh", (ROOT / "tests/dynamic.sh").read_bytes())
    archive.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
    output, status = run_in(ctx, archive, "bash /tests/dynamic.sh 2>&1", "dynamic", 300)
    (BUILD / f"tests/dynamic-{ctx.arch}-{ctx.kernel}.out").write_text(output)
    expect_lines(output, (ROOT / "tests/dynamic.expected").read_text())
    expect_equal(status, 0, "status")
