# SPDX-License-Identifier: CC0-1.0
"""Purpose: the framework under failure: whatever does not start, the machine comes to its shell; what can be
stopped can be stopped a thousand times."""
import concurrent.futures
import os
import re
import subprocess
import textwrap
import xml.etree.ElementTree
import zlib

import boot_chart
import exact
from archive import Archive
from harness import BUILD, LOGS, ROOT, Board, Cases, Context, Failure, expect_equal, expect_match, shell_test, test

# Process 1 of the sweep: says what it finds, on whatever leads out: the console, or the log's lines on
# the early console when there is none. Nothing of it may hang when a device is not there.
INIT = """#!/bin/sh
PATH=/bin
export PATH
busybox mkdir -p /proc /dev
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
[ -c /dev/kmsg ] || busybox mknod /dev/kmsg c 1 11
[ -c /dev/console ] || busybox mknod /dev/console c 5 1
tell() {
    echo "sweep: $1" >/dev/console
    echo "<1>sweep: $1" >/dev/kmsg
}
exec 2>&-
tell "shell $((6 * 7))"
while read -r line; do tell "| $line"; done </proc/subsystems
for core in /proc/subsystems/*/core; do
    read -r why <$core
    [ "$why" = - ] || tell "core $core"
done
for times in /proc/subsystems/*/times; do
    [ $(busybox wc -l <$times) = 2 ] && tell "both $times"
done
tell end
while :; do busybox sleep 100; done
"""
ROW = r"sweep: \| (\S+) +(\S+) +(?:user|driver|kernel) +\d+ +(\S+) +(.*)$"
AT_ONCE = 2


def sweep_initrd(arch):
    """The initramfs of the sweep."""
    return Archive().busybox(arch).file("init", INIT).write(f"sweep-{arch}.cpio")


def sweep_boot(ctx, initrd, fail, pattern=r"sweep: end\r?\n"):
    """Boots with fail=`fail` until `pattern` comes; returns the whole text."""
    name = f"sweep {fail}".strip()
    with ctx.machine(append=f"panic=0 {'fail=' + fail if fail else ''}", initrd=initrd, name=name) as machine:
        machine.expect(pattern, 60)
        return machine.history.replace("\r", "")


def sweep_machines(ctx, fail):
    """Whom it fails on: 1 CPU or 4, half of the names each, and always the same half; every night both."""
    machines = [ctx, Context(ctx.arch, ctx.kernel, ctx.variant, Board("4 CPUs", 4))]
    return machines if os.environ.get("TEST_NIGHTLY") else [machines[zlib.crc32(fail.encode()) % 2]]


def table(text):
    """The subsystems that the sweep's init listed: {name: (state, [needs], reason)}."""
    rows = re.findall(ROW, text, re.M)
    return {name: (state, [] if needs == "-" else needs.split(","), reason)
            for name, state, needs, reason in rows if name != "NAME"}


def check_dependents(fail, rows):
    """Those that need what failed have failed by its name, those that want it are degraded."""
    for name, (state, needs, reason) in rows.items():
        if name == fail or state == "absent":
            continue
        # What this architecture does not have at all is not missed.
        lost = [need for need in needs if rows.get(need.lstrip("?"), ("none",))[0] in ("failed", "absent")]
        firm = [need for need in lost if not need.startswith("?")]
        if firm and (state != "failed" or not any(need in reason for need in firm)):
            raise Failure(f"{name} needs {firm} and is {state}: {reason}")
        if lost and not firm and (state != "degraded" or not any(need.lstrip("?") in reason for need in lost)):
            raise Failure(f"{name} wants {lost} and is {state}: {reason}")
        if not lost and state not in ("up", "degraded"):
            raise Failure(f"{name} is {state} ({reason}), though only {fail} was to fail")


def sweep_one(ctx, initrd, fail):
    """One boot in which `fail`, NAME or NAME:late, does not start."""
    name, _, late = fail.partition(":")
    text = sweep_boot(ctx, initrd, fail)
    expect_match("sweep: shell 42", text, "the boot")
    rows = table(text)
    if name in ("procfs", "vfs"):  # no /proc to read it from
        expect_match(rf"subsystem: {name} failed to start: fail= says so", text, "the log")
        return
    if name not in rows:
        raise Failure(f"{name} is not in\n{text[-2000:]}")
    if rows[name][0] != "failed" or "fail= says so" not in rows[name][2]:
        raise Failure(f"{name} is {rows[name]}")
    if not late:
        check_dependents(name, rows)


def sweep_core(ctx, initrd, name):
    """What nothing runs without ends the boot by its name."""
    text = sweep_boot(ctx, initrd, name, rf"{name} failed to start \(EIO: fail= says so\), and nothing runs without: \w+")
    if "sweep: shell" in text:
        raise Failure(f"{name} is said to be core, and the shell came without it")


@test("the boot survives the failure of each subsystem that is not core", kernels=("devine",))
def sweep(ctx):
    initrd = sweep_initrd(ctx.arch)
    text = sweep_boot(ctx, initrd, "")
    rows = table(text)
    if len(rows) < 20 or any(state in ("failed", "stopped") for state, _, _ in rows.values()):
        raise Failure(f"the subsystems of an undisturbed boot are {rows}")
    core = re.findall(r"sweep: core /proc/subsystems/([^/]+)/", text)
    both = re.findall(r"sweep: both /proc/subsystems/([^/]+)/", text)
    if not 1 <= len(set(core)) <= 6:
        raise Failure(f"core are {core}")
    jobs = {name: sweep_core if name in core else sweep_one for name in rows}
    jobs.update({f"{name}:late": sweep_one for name in both if name not in core})
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {f"{fail}, {machine.board.cpus} CPUs": pool.submit(function, machine, initrd, fail)
                   for fail, function in jobs.items() for machine in sweep_machines(ctx, fail)}
    failures = {name: future.exception() for name, future in futures.items()}
    return Cases({name: None if error is None else str(error) for name, error in failures.items()})


@test("fail= with a name that nobody has is told, and the boot goes on", kernels=("devine",))
def fail_unknown(ctx):
    text = sweep_boot(ctx, sweep_initrd(ctx.arch), "nobody,pty:late,")
    expect_match("fail=nobody: there is no such subsystem", text, "the log")
    expect_match("sweep: shell 42", text, "the boot")
    if table(text)["pty"][0] != "failed":
        raise Failure(f"pty is {table(text)['pty']}")


ROUNDS = """
cd /proc/subsystems
i=0
while [ $i -lt $2 ]; do
    echo restart >$1/control || exit 1
    i=$((i + 1))
done
"""
# What uses them meanwhile, each as often as it can; what is stopped at the moment is just not there.
LOAD = """
(while [ ! -e /tmp/stop ]; do dd if=/dev/urandom of=/dev/null bs=4k count=4; done) >/dev/null 2>&1 &
(while [ ! -e /tmp/stop ]; do date; read -r up </proc/uptime; done) >/tmp/dates 2>&1 &
"""


@shell_test("1,000 restarts of each subsystem that can be stopped lose no frame and no byte", kernels=("devine",),
            boards=False)
def restarts(sh, ctx):
    sh.put("/tmp/rounds", ROUNDS)
    sh.put("/tmp/load", LOAD)
    sh.put("/tmp/memory", exact.MEMORY)
    sh.output(". /tmp/memory; memory 1")
    names = sh.output("grep -l '^stop restart$' /proc/subsystems/*/control").split()
    # Those of CHAIN have a test of their own: buses do not stop before their drivers.
    names = [name for name in (name.split("/")[3] for name in names) if name not in CHAIN]
    wanted = {"memdev", "pty", "rtc_cmos", "x86_reset", "acpi_pm"} if ctx.arch == "x86_64" else \
        {"memdev", "pty", "rtc_pl031", "psci"}
    if not wanted <= set(names):
        raise Failure(f"only {names} can be stopped")
    for name in names:
        sh.output(f"sh /tmp/rounds {name} 20")
        before = exact.settled(sh.output("memory 2"))
        sh.output(f"sh /tmp/rounds {name} 1000", 240)
        lost = exact.difference(before, exact.settled(sh.output("memory 4")))
        if lost:
            raise Failure(f"1,000 restarts of {name} cost {lost}")
        sh.check(f"cat /proc/subsystems/{name}/state", "up\n")
    # Under load nothing goes wrong, and afterwards nothing is missing.
    sh.run("rm -f /tmp/stop; . /tmp/load")
    for name in names:
        sh.output(f"sh /tmp/rounds {name} 300", 240)
        sh.check(f"cat /proc/subsystems/{name}/state", "up\n")
    sh.run("touch /tmp/stop; wait")
    sh.check("head -c 8 /dev/urandom | wc -c; test -c /dev/ptmx && echo yes", "8\nyes\n")


# A machine with everything on its buses, and something that uses it meanwhile: what is away at the moment gives errors.
BUSY = """
(while [ ! -e /tmp/stop ]; do dd if=/dev/vda of=/dev/null bs=64k; usleep 1000; done) >/dev/null 2>&1 &
(while [ ! -e /tmp/stop ]; do sha256sum /dev/vda; usleep 1000; done) >/dev/null 2>&1 &
(while [ ! -e /tmp/stop ]; do stty -a -F /dev/hvc0; ls -lR /sys/bus /sys/devices; done) >/dev/null 2>&1 &
"""
CHAIN_ROUNDS = """
cd /proc/subsystems
i=0
while [ $i -lt $1 ]; do
    for name in $2; do echo stop >$name/control || exit 1; done
    for name in $3; do echo start >$name/control || exit 1; done
    i=$((i + 1))
done
"""
STATES = "cd /proc/subsystems; states() { for name; do echo $name $(cat /proc/subsystems/$name/state); done; cd /; }; states "
# Those that can be stopped, users before what they use.
CHAIN = ("virtio_blk", "virtio_rng", "virtio_input", "virtio_console", "edu", "virtio_pci", "virtio_mmio", "pci", "platform",
         "virtio", "i8042", "keyboard", "fbcon", "vga_text")


def busy_machine(ctx):
    """QEMU's arguments: a disk, entropy, a keyboard, a console, edu, on PCI and with registers in memory."""
    disk = LOGS / f"restarts-{ctx.arch}.img"
    LOGS.mkdir(parents=True, exist_ok=True)
    disk.write_bytes(bytes(range(256)) * (4 << 12))
    first, second = ("pci", "pci") if ctx.arch == "x86_64" else ("device", "pci")
    return disk, ["-drive", f"file={disk},if=none,id=d,format=raw", "-device", f"virtio-blk-{first},drive=d",
                  "-device", "virtio-rng-pci", "-device", "edu", "-device", f"virtio-keyboard-{second}",
                  "-device", f"virtio-serial-{first}", "-chardev", "null,id=c", "-device", "virtconsole,chardev=c",
                  "-chardev", "null,id=c2", "-device", "virtserialport,chardev=c2,name=port"]


def chain_of(sh):
    """Those of CHAIN that are up on this machine; each must be able to stop."""
    words = {}
    up = sh.output("cd /proc/subsystems; grep -l -E '^(up|degraded)$' */state; cd /").split()
    names = [name for name in CHAIN if f"{name}/state" in up]
    for name in names:
        words[name] = sh.output(f"cat /proc/subsystems/{name}/control").strip()
    expect_equal(words, {name: "stop restart" for name in names}, "what can be stopped")
    return names


def chain_rounds(sh, names, count, timeout):
    """All stopped and all started again, so often."""
    sh.output(f"sh /tmp/chain {count} '{' '.join(names)}' '{' '.join(reversed(names))}'", timeout)


def busy_rounds(sh, names, count):
    """Rounds under load."""
    sh.run(". /tmp/busy")
    chain_rounds(sh, names, count, 60 + 6 * count)
    sh.run("touch /tmp/stop; wait; rm /tmp/stop", 60)


def chain_memory(sh, times):
    """What is in use when the disk has been read since it is there: the index of its cache stays as long as it does."""
    return exact.settled(sh.output(f"sha256sum /dev/vda; memory {times}", 60))


def check_lost(rounds, before, sh):
    """All is there again that was there before."""
    lost = exact.difference(before, chain_memory(sh, 4))
    if lost:
        raise Failure(f"{rounds} rounds cost {lost}")


@test("buses and drivers are stopped and started under load: no byte is lost, and the disk is whole", kernels=("devine",))
def chain_restarts(ctx):
    rounds = int(os.environ.get("RESTART_ROUNDS", 0)) or (1000 if os.environ.get("TEST_NIGHTLY") else 20)
    disk, arguments = busy_machine(ctx)
    with ctx.shell(args=arguments, name="restarts of buses") as sh:
        sh.put("/tmp/chain", CHAIN_ROUNDS)
        sh.put("/tmp/busy", BUSY)
        sh.put("/tmp/memory", exact.MEMORY)
        sh.output(". /tmp/memory; memory 1", 60)
        names = chain_of(sh)
        wanted = {"virtio_blk", "virtio_console", "virtio_pci", "virtio_mmio", "pci", "virtio", "keyboard"}
        if not wanted <= set(names):
            raise Failure(f"only {names} are up")
        hash_before, states = sh.output("sha256sum /dev/vda").split()[0], sh.output(STATES + " ".join(names))
        busy_rounds(sh, names, 2)  # what caches keep, they keep once
        before = chain_memory(sh, 2)
        chain_rounds(sh, names, rounds, 60 + 3 * rounds)
        check_lost(rounds, before, sh)
        busy_rounds(sh, names, rounds)
        expect_equal(sh.output("sha256sum /dev/vda", 60).split()[0], hash_before, "the disk's sum")
        expect_equal(sh.output(STATES + " ".join(names)), states, "the states after all of it")
        sh.output("test -c /dev/hvc0")
        check_lost(2 * rounds, before, sh)
    disk.unlink()


@shell_test("what cannot be stopped says why not", kernels=("devine",), boards=False)
def refusals(sh, ctx):
    def refused(what, name, error):
        output, status = sh.run(f"echo {what} >/proc/subsystems/{name}/control")
        if status == 0 or error not in output:
            raise Failure(f"{what} of {name} returned {status}: {output}")
    refused("stop", "vfs", "Operation not supported")
    refused("start", "vfs", "Operation not supported")
    refused("dance", "pty", "Invalid argument")
    refused("start", "pty", "Operation already in progress")
    sh.output("echo stop >/proc/subsystems/pty/control")
    refused("stop", "pty", "Operation already in progress")
    sh.check("cat /proc/subsystems/pty/state /proc/subsystems/pty/control", "stopped\nstart\n")
    if sh.run("test -e /dev/ptmx")[1] == 0:
        raise Failure("/dev/ptmx is still there")
    sh.output("echo start >/proc/subsystems/pty/control; test -c /dev/ptmx")
    output, status = sh.run("su -s /bin/sh nobody -c 'echo stop >/proc/subsystems/pty/control'")
    if status == 0 or "ermission denied" not in output:
        raise Failure(f"nobody stopped it: {output}")
    sh.check("cat /proc/subsystems/pty/state", "up\n")


@shell_test("the boot chart has a bar for each subsystem that was started", kernels=("devine",), boards=False)
def chart(sh, ctx):
    rows = boot_chart.read_record(sh)
    image = LOGS / f"boot-chart-{ctx.arch}.svg"
    image.write_text(boot_chart.draw(f"<Devine> & {ctx.arch}", rows))
    root = xml.etree.ElementTree.parse(image).getroot()
    width = float(root.get("width"))
    groups = {group.get("id"): group for group in root.iter("{http://www.w3.org/2000/svg}g")}
    names = sh.output("ls /proc/subsystems").split()
    if sorted(groups) != sorted(f"subsystem-{name}" for name in names):
        raise Failure(f"the chart has {sorted(groups)}, the machine {names}")
    bars = 0
    for name, state, passes in rows:
        found = list(groups[f"subsystem-{name}"].iter("{http://www.w3.org/2000/svg}rect"))
        if len(found) != len(passes) or (state in ("up", "degraded") and not passes):
            raise Failure(f"{name} is {state}, has {len(found)} bars and the passes {passes}")
        for bar in found:
            if not 0 < float(bar.get("width")) or float(bar.get("x")) + float(bar.get("width")) > width:
                raise Failure(f"a bar of {name} is out of the picture")
        bars += len(found)
    begins = [begin for _, _, passes in rows for _, begin, _ in passes]
    if bars < 20 or min(begins) >= max(begins) / 2:
        raise Failure(f"{bars} bars, from {min(begins)} ns to {max(begins)} ns")


def documented_file(path):
    """The file that docs/add-a-subsystem.md has under its name."""
    text = (ROOT / "docs/add-a-subsystem.md").read_text()
    match = re.search(rf"^`{re.escape(path)}`:\n\n((?:    .*\n|\n)+)", text, re.M)
    if not match:
        raise Failure(f"the page does not show {path}")
    return textwrap.dedent(match[1]).strip() + "\n"


@test("the walk-through's policy is built from the page and booted", kernels=("devine",))
def walk_through(ctx):
    # Laid over clang's build, which another test needs anyway: one file more to compile.
    path = "kernel/mm/next_fit.c"
    laid = BUILD / f"{ctx.arch}-clang/with" / path
    laid.parent.mkdir(parents=True, exist_ok=True)
    laid.write_text(documented_file(path))
    try:
        done = subprocess.run([ROOT / "build.sh", ctx.arch, "--clang"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        if done.returncode:
            raise Failure(done.stdout[-3000:])
        with Context(ctx.arch, ctx.kernel, "-clang").shell(name="walk through", append="frame_policy=next") as sh:
            expect_match(r"^frame_policy +next +lowest,highest,next$|^frame_policy +next +next,lowest,highest$",
                         sh.output("cat /proc/choices"), "/proc/choices")
            sh.check("seq 1 20000 | sort -rn | tail -n 1", "1\n")
        with Context(ctx.arch, ctx.kernel, "-clang").machine(name="walk through tests",
                                                             append="frame_policy=next ktest=region*") as machine:
            machine.expect("Totals: pass:[1-9][0-9]* fail:0", 120)
    finally:
        laid.unlink()


@test("policies are chosen on the command line, and a name that nobody has lists the known ones", kernels=("devine",))
def choices(ctx):
    with ctx.shell(name="choices", append="frame_policy=highest sched=rr") as sh:
        output = sh.output("cat /proc/choices")
        expect_match(r"^frame_policy +highest +lowest,highest$", output)
        expect_match(r"^sched +rr +\S*mlfq", output)
        sh.check("(while :; do :; done) & (while :; do :; done) & seq 1 20000 | sort -rn | tail -n 1; kill %1 %2",
                 "1\n", 120)
    wrong = "frame_policy=best sched=fair clocksource=sundial console=ttyX9"
    with ctx.shell(name="choices wrong", append=wrong) as sh:
        output = sh.output("dmesg")
        for word, known in (("frame_policy=best", "lowest, highest"), ("sched=fair", "mlfq"),
                            ("clocksource=sundial", "tsc" if ctx.arch == "x86_64" else "arch"),
                            ("console=ttyX9", ctx.console())):
            lines = [line for line in output.split("\n") if f"{word} is unknown" in line]
            expect_equal(len(lines), 1, f"number of lines about {word}")
            expect_match(known, lines[0], "the line")
