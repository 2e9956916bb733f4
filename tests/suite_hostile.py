# SPDX-License-Identifier: CC0-1.0
"""Purpose: no program brings the kernel down: random calls, damaged programs, the end of memory."""
import pathlib
import re
import signal
import struct
import subprocess
import time

from archive import Archive
from harness import BUILD, ROOT, SLOW, Failure, expect_equal, expect_match, test

INIT = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
ulimit -c 0
echo @BEGIN
{command}
echo "@END $?"
poweroff -f
"""
BAD = r"panic|BUG|Oops|assertion"
ELF = {"x86_64": 62, "arm64": 183}


def run(ctx, name, command, files=(), mem=256, timeout=180, append=""):
    """Boots, runs `command` in a shell as /init, and returns what it printed."""
    archive = Archive().busybox(ctx.arch).file("init", INIT.replace("{command}", command))
    for folder in ("proc", "sys", "dev", "tmp", "s"):
        archive.directory(folder)
    for path, contents in files:
        archive.file(path, contents)
    initrd = archive.write(f"hostile-{name}-{ctx.arch}.cpio")
    with ctx.machine(initrd=initrd, name=f"hostile {name}", mem=mem, args=["-no-reboot"],
                     append=f"panic=-1 {append}") as machine:
        machine.expect("@BEGIN\r\n", 120)
        output = machine.expect(r"(?s)\A(.*?)@END (\d+)", timeout)[1].replace("\r\n", "\n")
        expect_equal(machine.expect_exit(), 0, "QEMU's status")
        if re.search(BAD, machine.history):
            raise Failure(machine.tail(30))
    return output


def free_kib(text, mark):
    """The free memory that a line `mark` notes."""
    return int(expect_match(rf"^{mark}\s+MemFree:\s+(\d+)", text)[1])


FUZZ = """
attacks 2>/dev/null
round() { mount -t tmpfs -o size=16m tmpfs /s; cd /s; fuzz $1 $2 $3; cd /; umount /s || umount -l /s; }
round 900 4 200 2>/dev/null
echo before $(grep MemFree /proc/meminfo)
for seed in 1 2 300 401 502; do round $seed 8 300 2>/dev/null; done
echo after $(grep MemFree /proc/meminfo)
echo words | wc -c
"""


ATTACKS = ["rings", "connects", "names", "epolls", "transfers", "timers", "copies", "seals", "opens", "frames", "registers",
           "execs", "readers", "leftovers"]


@test("random system calls and aimed attacks: the kernel stays, and nothing is lost", kernels=("devine",))
def fuzz(ctx):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    programs = [(f"bin/{name}", (BUILD / ctx.arch / f"programs/{name}-musl").read_bytes()) for name in ("fuzz", "attacks")]
    output = run(ctx, "fuzz", FUZZ, programs)
    expect_equal(re.findall(r"^(?:ok|FAILED) .*$", output, re.M), [f"ok {name}" for name in ATTACKS], "attacks")
    expect_equal(len(re.findall(r"^8 rounds$", output, re.M)), 5, "rounds that ended")
    expect_match(r"^6$", output)
    lost = free_kib(output, "before") - free_kib(output, "after")
    if lost > 1024:
        raise Failure(f"{lost} KiB did not come back")


def elf_file(ctx, segments, entry=0x400078, kind=2, phnum=None, phentsize=56, phoff=64, machine=None):
    """A program with just a header and these (type, flags, offset, vaddr, filesz, memsz, align)."""
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, ELF[ctx.arch] if machine is None else machine, 1, entry, phoff, 0, 0, 64,
        phentsize, len(segments) if phnum is None else phnum, 0, 0, 0)
    body = b"".join(struct.pack("<IIQQQQQQ", t, flags, offset, vaddr, vaddr, filesz, memsz, align)
                    for t, flags, offset, vaddr, filesz, memsz, align in segments)
    return head + body + bytes(4096)


def damaged_programs(ctx):
    """{name: bytes}"""
    big, load = 1 << 63, (1, 5, 0, 0x400000, 0x1000, 0x1000, 0x1000)
    busybox = (BUILD / ctx.arch / "rootfs/bin/busybox").read_bytes()
    elf = lambda *segments, **how: elf_file(ctx, segments, **how)
    files = {
        "empty": b"", "magic": b"\x7fELF", "head": elf(load)[:63], "table": elf(load)[:100],
        "busybox-cut": busybox[:20000], "busybox-head": busybox[:4096],
        "phnum": elf(load, phnum=65535), "phnum0": elf(load, phnum=0), "phentsize": elf(load, phentsize=1),
        "phoff": elf(load, phoff=big - 8), "phoff2": elf(load, phoff=(1 << 64) - 64), "odd": elf(load, phoff=65),
        "overlap": elf(load, (1, 6, 0, 0x400800, 0x1000, 0x1000, 0x1000)),
        "same": elf(load, load), "memsz": elf((1, 6, 0, 0x400000, 0x1000, big, 0x1000)),
        "memsz2": elf((1, 6, 0, 0x400000, 0x1000, (1 << 64) - 0x400000, 0x1000)),
        "memsz3": elf((1, 6, 0, 0x400000, 0x1000, 0x7fffff000000, 0x1000)),
        "filesz": elf((1, 6, 0, 0x400000, 0x2000, 0x1000, 0x1000)),
        "beyond": elf((1, 7, 0x100000, 0x400000, 0x1000, 0x1000, 0x1000)),
        "kernel": elf((1, 7, 0, 0xffff800000000000, 0x1000, 0x1000, 0x1000)),
        "top": elf((1, 7, 0, 0x7ffffffff000, 0x1000, 0x1000, 0x1000), entry=0x7ffffffffffe),
        "zero": elf((1, 7, 0, 0, 0x1000, 0x1000, 0x1000), entry=0),
        "entry-kernel": elf(load, entry=0xffffff0000100000), "entry-hole": elf(load, entry=0x800000000000),
        "entry-top": elf(load, entry=0xffffffffffffffff), "entry-odd": elf(load, entry=0x400079),
        "align": elf((1, 7, 0, 0x400000, 0x1000, 0x1000, 3)), "align2": elf((1, 7, 0, 0, 0x1000, 0x1000, big), kind=3),
        "align3": elf((1, 7, 0, 0, 0x1000, 0x1000, 1 << 30), kind=3, entry=0x78),
        "pie-large": elf((1, 7, 0, 0, 0x1000, 0x1000, 0x1000), (1, 6, 0, 0x7ffffff00000, 0, 0x1000, 0x1000), kind=3),
        "down": elf((1, 7, 0, 0x800000, 0x1000, 0x1000, 0x1000), load), "shift": elf((1, 7, 1, 0x400000, 64, 64, 4096)),
        "interp-dir": elf((3, 4, 0x200, 0, 2, 2, 1), load), "interp-long": elf((3, 4, 0x200, 0, 1 << 20, 1 << 20, 1), load),
        "interp-none": elf((3, 4, 0x200, 0, 0, 0, 1), load), "interp-far": elf((3, 4, big - 1, 0, 10, 10, 1), load),
        "machine": elf(load, machine=1), "kind": elf(load, kind=4), "stack": elf(load, (0x6474e551, 7, 0, 0, 0, 0, 16)),
        "self": b"#!/x/self\n", "a": b"#!/x/b\n", "b": b"#!/x/a\n", "bare": b"#!", "blank": b"#!   \n",
        "dir": b"#!/x\n", "long": b"#!/" + b"x" * 5000 + b"\n", "none": b"#!/nowhere x\n", "nul": b"#!\0\n",
    }
    files["interp-dir"] = files["interp-dir"][:0x200] + b"/\0" + files["interp-dir"][0x202:]
    loop = elf((3, 4, 0x200, 0, 8, 8, 1), load)
    files["interp-self"] = loop[:0x200] + b"/x/iself\0"[:8] + loop[0x208:]
    files["iself"] = loop[:0x200] + b"/x/isel\0" + loop[0x208:]
    files["isel"] = files["iself"]
    return files


# timeout's watcher looks once a second whether its program is gone: only then is all memory back.
DAMAGED = """
try() { for f in /x/*; do timeout -s KILL 2 $f </dev/null >/dev/null 2>&1; done; }
try
sleep 4
echo before $(grep MemFree /proc/meminfo)
try
sleep 4
cp /bin/busybox /s/busybox
{ /s/busybox true; echo text busy $?; } 3>>/s/busybox 2>/dev/null
/s/busybox echo free again
rm /s/busybox
echo after $(grep MemFree /proc/meminfo)
"""


@test("damaged programs and scripts are refused, or end", kernels=("devine",))
def damaged(ctx):
    output = run(ctx, "damaged", DAMAGED, [(f"x/{name}", data) for name, data in damaged_programs(ctx).items()])
    expect_match(r"^text busy 126$", output)
    expect_match(r"^free again$", output)
    lost = free_kib(output, "before") - free_kib(output, "after")
    if lost > 512:
        raise Failure(f"{lost} KiB did not come back")


EXHAUST = """
t() { name=$1; shift; timeout -s KILL 40 "$@" </dev/null >/dev/null 2>&1; echo "$name ended"; }
dd if=/dev/zero of=/s/warm bs=64k count=16 2>/dev/null; rm /s/warm
t warm true
sleep 4
echo before $(grep MemFree /proc/meminfo)
t eater sh -c 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
t eater2 sh -c 'a() { b=$(head -c 3000000 /dev/zero | tr "\\\\0" x); sh -c "sleep 3"; }; for i in $(seq 16); do a & done; wait'
mount -t tmpfs -o size=1g tmpfs /s
t filled dd if=/dev/zero of=/s/fill bs=64k
umount /s
t sleepers sh -c 'for i in $(seq 400); do sleep 2 & done; wait'
t arguments sh -c 'x=$(head -c 100000 /dev/zero | tr "\\\\0" x); set -- $x; for i in $(seq 6); do set -- "$@" "$@"; done; /bin/true "$@"'
sleep 4
echo after $(grep MemFree /proc/meminfo)
echo words | wc -c
"""


@test("the end of memory: the largest process dies, and memory comes back", kernels=("devine",), early=True)
def exhausted(ctx):
    output = run(ctx, "memory", EXHAUST, mem=64, timeout=400)
    expect_equal(re.findall(r"^(\w+) ended$", output, re.M),
                 ["warm", "eater", "eater2", "filled", "sleepers", "arguments"], "what ended")
    expect_match(r"^6$", output)
    # Stacks of threads and arenas of the heap are kept for the next ones.
    lost = free_kib(output, "before") - free_kib(output, "after")
    if lost > 3072:
        raise Failure(f"{lost} KiB did not come back")


def stutter(machine, mark, seconds):
    """Lets the machine run for a millisecond between stops that are longer than the PIT can count, until
    it says `mark`."""
    name = pathlib.Path(f"/proc/{machine.process.pid}/comm")
    wait_until(lambda: name.read_text().startswith("qemu"), 60)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        machine.process.send_signal(signal.SIGSTOP)
        time.sleep(0.057)
        machine.process.send_signal(signal.SIGCONT)
        try:
            return machine.expect(mark, 0.001)
        except Failure:
            pass
    return machine.expect(mark)


def wait_until(condition, seconds):
    """Waits until condition() holds."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise Failure(f"waited {seconds} s in vain")
        time.sleep(0.01)


@test("a host that stops the CPU again and again at boot does not spoil the clock", archs=("x86_64",),
      kernels=("devine",))
def stuttering_host(ctx):
    archive = Archive().busybox(ctx.arch).file("init", INIT.replace("{command}", "sleep 3"))
    for folder in ("proc", "dev"):
        archive.directory(folder)
    initrd = archive.write(f"hostile-stutter-{ctx.arch}.cpio")
    for number in range(3):
        with ctx.machine(initrd=initrd, name=f"hostile stutter {number}", append="panic=-1",
                         args=["-no-reboot"]) as machine:
            stutter(machine, "@BEGIN\r\n", 20)
            begin = time.monotonic()
            machine.expect("@END 0", 120)
            took = time.monotonic() - begin
            if not 2.7 < took < 12 * SLOW:
                raise Failure(f"3 seconds take {took:.1f}")
            machine.expect_exit()


# Only what the shell does itself is sure to work while the bomb burns.
# The first round fills the kernel's caches, the second shows what is lost.
BOMB = """
round() {
    sleep 4 & watch=$!
    {command} >/s/out 2>&1 &
    wait $watch
    echo still here
    kill -9 -1
    read -t 6 line </dev/console
    wait
    rm /s/out
}
round
echo before $(grep MemFree /proc/meminfo)
round
echo after $(grep MemFree /proc/meminfo)
echo words | wc -c
"""


def bomb(ctx, name, command):
    """Ignites it without any limit, as root; the machine goes on, and all comes back afterwards."""
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/bomb-musl").read_bytes()
    output = run(ctx, name, BOMB.replace("{command}", command), [("bin/bomb", program)], mem=64)
    expect_equal(len(re.findall(r"^still here$", output, re.M)), 2, "rounds")
    expect_match(r"^6$", output)
    lost = free_kib(output, "before") - free_kib(output, "after")
    if lost > 2048:
        raise Failure(f"{lost} KiB did not come back")


@test("a fork bomb without limits: the machine goes on", kernels=("devine",), early=True)
def bomb_program(ctx):
    bomb(ctx, "bomb", "bomb")


@test("a shell's fork bomb without limits: the machine goes on", kernels=("devine",))
def bomb_shell(ctx):
    bomb(ctx, "shell bomb", "sh -c 'b() { b | b & }; b; sleep 1000'")


# The first ways fill the kernel's caches; after each other one as much is free as before it.
HOGS = """
mkdir /m
use() {
    mount -t tmpfs -o size=16m tmpfs /s
    timeout -s KILL 20 hog $1 2 2>&1
    kill -9 -1
    until [ $(pidof hog >/dev/null; echo $?) = 1 ]; do read -t 1 line </dev/console; done
    hog unmount
    until umount /s 2>/dev/null; do read -t 1 line </dev/console; done
    wait
    echo 3 >/proc/sys/vm/drop_caches
    echo "free.$1 $(grep MemFree /proc/meminfo)"
}
for way in {ways}; do use $way; done
echo words | wc -c
"""


def hogs(ctx, name, ways):
    """The kernel's memory filled in each of these ways: the machine goes on, and all comes back."""
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/hog-musl").read_bytes()
    ways = ["warm_" + way for way in HOGS_WARM] + ways
    command = HOGS.replace("{ways}", " ".join(ways)).replace("hog $1", "hog ${1#warm_}")
    output = run(ctx, f"hog {name}", command, [("bin/hog", program)], mem=64, timeout=20 * len(ways) + 60)
    expect_match(r"^6$", output)
    free = {way: free_kib(output, rf"free\.{way}") for way in ways}
    before = free[ways[len(HOGS_WARM) - 1]]
    leaks = {way: before - kib for way, kib in free.items() if before - kib > 512}
    if leaks:
        raise Failure(f"KiB that did not come back: {leaks}")


HOGS_WARM = ["children", "pipes"]
HOGS_OF_FILES = ["pipes", "large_pipes", "fifos", "streams", "messages", "rings", "in_flight", "memfds", "descriptors",
                 "opens", "terminals", "epolls", "events"]
HOGS_OF_NAMES = ["files", "links", "deep", "names", "inotify", "locks", "mounts"]
HOGS_OF_PROCESSES = ["regions", "tables", "threads", "timers", "signals", "children"]


# A shell that cannot fork ends, and it is process 1.  Each way goes on for a while after the first death.
FORKS = """
dmesg -n 1
for way in {ways}; do
    dmesg -c >/s/log
    hog $way 100 >/s/out 2>&1 & hog=$!
    i=0 after=0
    while kill -0 $hog 2>/dev/null && [ $after -lt 20 ]; do
        /bin/busybox true || echo "$way: status $?"
        dmesg | grep -q 'out of memory: killed process .* (hog)' && after=$((after+1))
        i=$((i+1))
    done
    [ $after = 0 ] && echo "$way: nobody had to die"
    [ $i -ge 5 ] || echo "$way: $i rounds"
    kill -9 -1 2>/dev/null
    wait
    echo "$way ended"
done
"""


@test("fork and exec do not fail while kernel objects hold all memory: who holds them dies", kernels=("devine",))
def forks_beside_hogs(ctx):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/hog-musl").read_bytes()
    ways = ["pipes", "messages", "events", "tables", "regions"]
    output = run(ctx, "forks", FORKS.replace("{ways}", " ".join(ways)), [("bin/hog", program)], mem=32, timeout=500)
    expect_equal(output.split("\n"), [f"{way} ended" for way in ways] + [""], "what the shell says")


REALTIME = """
setting=/proc/sys/kernel/sched_rt_runtime_us
cat $setting /proc/sys/kernel/sched_rt_period_us
echo 1000001 >$setting 2>/dev/null || echo refused
hog realtime & rt=$!
sleep 1
i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo $i
kill -0 $rt && echo spins
echo 500000 >$setting
sh -c 'while :; do :; done' & normal=$!
sleep 4
set -- $(cat /proc/$normal/stat)
echo normal ${14}
set -- $(cat /proc/$rt/stat)
echo realtime ${14}
kill -9 $rt $normal
"""


@test("a real-time thread that never sleeps leaves the others a share", kernels=("devine",))
def realtime_share(ctx):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/hog-musl").read_bytes()
    output = run(ctx, "realtime", REALTIME, [("bin/hog", program)])
    expect_match(r"950000\n1000000\nrefused\n1000\nspins\n", output)
    for who in ("normal", "realtime"):
        ticks = int(expect_match(rf"^{who} (\d+)$", output)[1])
        if ticks < 100:
            raise Failure(f"{ticks} ticks for the {who} one of at least 400, each with a half: {output}")


@test("memory filled by open files: the machine goes on", kernels=("devine",))
def hogs_of_files(ctx):
    hogs(ctx, "files", HOGS_OF_FILES)


@test("memory filled by names: the machine goes on", kernels=("devine",))
def hogs_of_names(ctx):
    hogs(ctx, "names", HOGS_OF_NAMES)


@test("memory filled by processes and their maps: the machine goes on", kernels=("devine",))
def hogs_of_processes(ctx):
    hogs(ctx, "processes", HOGS_OF_PROCESSES)


@test("damaged archives do not stop the boot", kernels=("devine",))
def archives(ctx):
    good = Archive().busybox(ctx.arch).file("init", INIT.replace("{command}", "echo alive"))
    for folder in ("proc", "dev"):
        good.directory(folder)
    head = lambda **f: (b"070701" + b"".join(b"%08X" % f.get(k, 0) for k in (
        "ino", "mode", "uid", "gid", "nlink", "mtime", "size", "a", "b", "c", "d", "name", "check")))
    bad = [
        head(mode=0o100644, nlink=1, size=0xffffffff, name=4) + b"abc\0",
        head(mode=0o100644, nlink=1, size=4, name=0xffffffff) + b"abc\0",
        head(mode=0o100644, nlink=1, size=4, name=0) + b"abcd", head(mode=0o177777, nlink=1, size=4, name=2) + b"x\0abcd",
        head(mode=0o120777, nlink=1, size=0xfffff, name=2) + b"y\0", b"070701zzzz", b"\x1f\x8b\x08" + bytes(200),
        head(mode=0o100644, nlink=1, size=4, name=12) + b"../../../up\0", b"0707", bytes(7),
    ]
    for number, junk in enumerate(bad):
        path = BUILD / f"tests/junk-{ctx.arch}.cpio"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(good.dump() + junk)
        with ctx.machine(initrd=path, name=f"junk {number}", append="panic=-1", args=["-no-reboot"]) as machine:
            machine.expect(r"alive|panic|not sync", 120)
            machine.expect_exit()
            if re.search(r"fault|assertion|protection", machine.history):
                raise Failure(f"archive {number}: {machine.tail(30)}")
