# SPDX-License-Identifier: CC0-1.0
"""Purpose: what other programs rely on when they boot Devine with their own initramfs and command line."""
import gzip
import time

from archive import Archive
from harness import BUILD, LOGS, PROMPT, Failure, expect_equal, expect_match, test

# Prints how it was started, between two marks, and turns the machine off.
REPORT = """#!/bin/busybox sh
busybox echo "@START $0"
for word in "$@"; do busybox echo "arg: $word"; done
busybox env | busybox sort | busybox sed 's/^/env: /'
busybox echo "@END"
busybox poweroff -f
"""


def report_of(ctx, append, archive=None, path="init", **how):
    """Boots an initramfs with REPORT at `path`; returns (name, arguments, environment)."""
    archive = archive or Archive().busybox(ctx.arch).file(path, REPORT).directory("dev")
    initrd = archive if not isinstance(archive, Archive) else archive.write(f"report-{ctx.arch}.cpio")
    with ctx.machine(append=append, initrd=initrd, name="report", **how) as machine:
        name = machine.expect(r"@START (\S+)\r\n", 120)[1]
        body = machine.expect(r"(?s)(.*?)@END", 60)[1].replace("\r", "")
        expect_equal(machine.expect_exit(), 0, "QEMU's status")
    lines = body.split("\n")
    return (name, [line[5:] for line in lines if line.startswith("arg: ")],
            dict(line[5:].split("=", 1) for line in lines if line.startswith("env: ")))


@test("command line: environment and arguments for init")
def command_line(ctx):
    name, words, env = report_of(ctx, 'COLOUR=red SIZE="two words" plain module.option=1 -- one two=2 --three')
    expect_equal(name, "/init")
    expect_equal(words, ["plain", "one", "two=2", "--three"], "arguments")
    expect_equal(env.get("COLOUR"), "red", "COLOUR")
    expect_equal(env.get("SIZE"), "two words", "SIZE")
    expect_equal(env.get("HOME"), "/", "HOME")
    expect_equal(env.get("TERM"), "linux", "TERM")
    expect_equal([key for key in env if "." in key], [], "module parameters in the environment")


@test("rdinit= names another program")
def rdinit(ctx):
    name, _, _ = report_of(ctx, "rdinit=/opt/start", path="opt/start")
    expect_equal(name, "/opt/start")


@test("gzip archive")
def gzipped(ctx):
    path = BUILD / f"tests/gzip-{ctx.arch}.cpio.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(Archive().busybox(ctx.arch).file("init", REPORT).dump(), 1))
    expect_equal(report_of(ctx, "", archive=path)[0], "/init")


@test("several archives in one, plain and gzip; the later one wins")
def concatenated(ctx):
    path = BUILD / f"tests/concat-{ctx.arch}.cpio"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = Archive().busybox(ctx.arch).file("init", "#!/bin/busybox sh\nbusybox echo wrong\nbusybox poweroff -f\n")
    path.write_bytes(first.dump() + gzip.compress(Archive().file("init", REPORT).dump()))
    expect_equal(report_of(ctx, "", archive=path)[0], "/init")


@test("init's death panics, and panic=-1 reboots at once")
def init_dies(ctx):
    archive = Archive().busybox(ctx.arch).file("init", "#!/bin/busybox sh\nbusybox echo bye\nexit 3\n")
    initrd = archive.write(f"dies-{ctx.arch}.cpio")
    with ctx.machine(append="panic=-1", initrd=initrd, args=["-no-reboot"], name="init dies") as machine:
        machine.expect("bye", 120)
        machine.expect(r"(?i)attempted to kill init", 30)
        expect_equal(machine.expect_exit(30), 0, "QEMU's status")
    with ctx.machine(append="panic=2", initrd=initrd, args=["-no-reboot"], name="init dies later") as machine:
        machine.expect(r"(?i)attempted to kill init", 120)
        start = time.monotonic()
        expect_equal(machine.expect_exit(60), 0, "QEMU's status")
        if time.monotonic() - start < 1.5:
            raise Failure("panic=2 did not wait two seconds")


@test("a missing /init: the names that were tried are told", kernels=("devine",))
def no_init(ctx):
    initrd = Archive().directory("etc").write(f"empty-{ctx.arch}.cpio")
    with ctx.machine(append="panic=-1", initrd=initrd, args=["-no-reboot"], name="no init") as machine:
        machine.expect_exit(60)
        for name in ("/init", "/sbin/init", "/etc/init", "/bin/init", "/bin/sh"):
            expect_match(rf"{name}\b", machine.history, "the log")


@test("a broken archive is reported, not fatal to the rest", kernels=("devine",))
def broken_archive(ctx):
    path = BUILD / f"tests/broken-{ctx.arch}.cpio"
    good = Archive().busybox(ctx.arch).file("init", REPORT).dump()
    path.write_bytes(good + b"070701" + b"ZZZZZZZZ" * 13 + b"junk")
    with ctx.machine(append="panic=-1", initrd=path, args=["-no-reboot"], name="broken archive") as machine:
        machine.expect_exit(60)
        expect_match(r"(?i)initramfs.*", machine.history, "the log")
        expect_match(r"@START /init", machine.history, "the log")


@test("poweroff ends QEMU with status 0")
def poweroff(ctx):
    with ctx.shell(name="poweroff") as sh:
        sh.send("poweroff\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("reboot comes back to the prompt")
def reboot(ctx):
    resets = LOGS / f"{ctx.arch}-{ctx.kernel}-resets.log"
    with ctx.shell(name="reboot", append="reboot=smoke,acpi,t", args=["-d", "cpu_reset", "-D", str(resets)]) as sh:
        if not ctx.is_linux:
            known = "acpi, i8042, port_cf9, triple_fault" if ctx.arch == "x86_64" else "psci"
            expect_match(f"reboot=smoke is unknown; there is: {known}", sh.output("dmesg"))
        sh.send("reboot\n")
        sh.expect("Requesting system reboot", 60)
        sh.expect(PROMPT, 120)
        sh.check("echo again", "again\n")
        expect_equal("Triple fault" in resets.read_text(), ctx.arch == "x86_64", "that the last of reboot='s names counts")
        sh.send("poweroff -f\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("halt stops the machine")
def halt(ctx):
    with ctx.shell(name="halt") as sh:
        sh.send("halt -f\n")
        sh.expect(r"(?i)halted", 60)


@test("16 MiB are enough for a shell", kernels=("devine",))
def small(ctx):
    with ctx.shell(mem=16, name="16 MiB") as sh:
        sh.check("echo small | tr a-z A-Z", "SMALL\n")
        sh.send("poweroff -f\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("out of memory kills the largest process, not the machine")
def out_of_memory(ctx):
    with ctx.shell(mem=128, name="out of memory") as sh:
        status = sh.run("tail -c 400000000 /dev/zero 2>/dev/null", 240)[1]
        if status == 0:
            raise Failure("400 MB fitted in 128 MiB")
        sh.check("echo alive", "alive\n")


@test("the root file system filled up is an error", kernels=("devine", "linux"))
def disk_full(ctx):
    with ctx.shell(mem=128, name="full") as sh:
        output = sh.run("mkdir /tmp/m; mount -t tmpfs -o size=4m none /tmp/m; "
                        "dd if=/dev/zero of=/tmp/m/f bs=1M count=10 2>&1; wc -c </tmp/m/f; rm /tmp/m/f; echo ok >/tmp/m/g; cat /tmp/m/g")[0]
        expect_match("No space left on device", output)
        expect_match(r"4194304\nok\n\Z", output)
