#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: rounds of stress-ng on one machine, for as long as asked; see scripts/soak.sh.

A round runs each stressor twice, with as many workers as there are CPUs: a second to fill what is filled once, then for
longer. What must not happen: a panic, a machine that does not answer, a stressor that fails, and a frame or a byte of the
kernel that is in use after the second time and was not after the first (exact.py).
"""
import os
import re
import sys
import time

import exact
import harness
from archive import Archive

# All that Debian's Linux passes on this machine, but for what needs what Devine does not have: a network (sock, udp),
# ptrace (vm-segv), asynchronous input and output (aiol), extended attributes, kcmp, file handles, SCHED_DEADLINE.
STRESSORS = ("cpu fork vfork clone vm mmap mmapfork mremap brk stack fault mprotect madvise futex pipe poll epoll signal sigq "
             "sigpending kill switch yield pthread sem mutex timer nanosleep clock eventfd dentry dir link "
             "rename open fstat get set dup fcntl zero null urandom exec "
             "access affinity alarm bad-altstack cap chdir chmod chown chroot close context daemon dev-shm dirdeep dirmany "
             "dynlib enosys env exit-group fallocate fifo file-ioctl flock fpunch full getdent getrandom hdd icache inotify io "
             "itimer lease locka lockf lockofd malloc mcontend membarrier memfd mincore mlock mmapaddr mmapfixed mmapmany msg "
             "msync nice opcode peterson pidfd pipeherd prctl procfs pty resources revio ring-pipe rlimit rmap schedpolicy "
             "seek sem-sysv sendfile session shm shm-sysv sigabrt sigchld sigfd sigfpe signest sigpipe sigrt sigsegv "
             "sigsuspend sigtrap sleep sockfd sockpair splice stackmmap symlink sysbadaddr sysfs sysinfo tee timerfd "
             "tlb-shootdown tmpfs unshare utime vdso vm-addr vm-rw vm-splice wait waitcpu zombie").split()
# At its end sysfs's child empties its path and kills itself; a parent that is late with its own alarm complains of that.
EXCUSED = "sysfs: killed by signal 9 'SIGKILL' exercising ''"
SECONDS_MAX = 6 # for each stressor of a round: less where they would not all get their turn
# Arenas of the heap that one block keeps; see exact.py.
KEPT_MAX_KIB = 4096


def stress(sh, name, cpus, seconds, excused=()):
    """Runs one stressor; returns what it complained of, or None. Status 3 and 4: it does not run on this machine."""
    output, status = sh.run(f"stress-ng --{name} {cpus} -t {seconds} --no-rand-seed --temp-path /tmp 2>&1",
                            60 + 20 * seconds)
    complaints = [line for line in output.split("\n") if re.search(r": fail:|terminated on signal|panic", line)]
    if EXCUSED in output or status in excused or status in (0, 3, 4) and not complaints:
        return None
    return f"{name}: status {status}: " + "; ".join(complaints or output.strip().split("\n")[-3:])


def in_use(sh):
    """What is in use when two readings in succession agree: what a stressor leaves behind may take seconds to go."""
    use = exact.settled(sh.output("memory 2"))
    for _ in range(20):
        before, use = use, exact.settled(sh.output("memory 2"))
        if not exact.difference(before, use):
            break
    return use


def turn(sh, name, cpus, seconds):
    """One stressor's turn; returns what went wrong. What is kept once more may be kept for good: it is asked again."""
    # Status 3 with "could not create any pthreads": on a slow host a second was over before there was one.
    complaint = stress(sh, name, cpus, 1, excused=(3,))
    use, lost = in_use(sh), []
    print(f"{name}: in use are {use}", flush=True)
    for _ in range(3):
        complaint = complaint or stress(sh, name, cpus, seconds)
        before, use = use, in_use(sh)
        if complaint or not exact.difference(before, use):
            return complaint
        lost.append(exact.difference(before, use))
    return f"{name}: each of three times more in use: {'; '.join(lost)}"


def main():
    arch, minutes = sys.argv[1], int(sys.argv[2])
    cpus, mem = int(os.environ.get("SMP", "4")), int(os.environ.get("MEM", "1024"))
    names = os.environ.get("STRESSORS", "").split() or STRESSORS
    # A host with fewer CPUs than the machine lets some stand for a second: no hang of ours.
    board = harness.Board(f"{cpus} CPUs", cpus, append="watchdog=10")
    initrd = harness.BUILD / f"tests/soak-{arch}.cpio"
    harness.LOGS.mkdir(parents=True, exist_ok=True)
    initrd.write_bytes((harness.BUILD / arch / "initramfs.cpio").read_bytes() +
                       Archive().tree(harness.BUILD / arch / "stress").dump())
    end, failures, start, rounds, turns = time.monotonic() + 60 * minutes, [], None, 0, 0
    seconds = min(max(60 * minutes // len(names) - 3, 1), SECONDS_MAX)
    with harness.Context(arch, "devine", board=board).shell(name="soak", mem=mem, initrd=initrd,
                                                            args=("-accel", "tcg,thread=multi")) as sh:
        sh.run("dmesg -n 4")
        sh.put("/tmp/memory", exact.MEMORY)
        sh.run(". /tmp/memory")
        while time.monotonic() < end:
            for name in names:
                if time.monotonic() >= end:
                    break
                complaint, turns = turn(sh, name, cpus, seconds), turns + 1
                if complaint:
                    failures.append(complaint)
                    print(f"FAILED {complaint}", flush=True)
            use, rounds = in_use(sh), rounds + 1
            start = start or use
            print(f"round {rounds}: in use are {use}; {4 * use.free} KiB are free", flush=True)
        kept = 4 * (start.free - use.free)
        log = sh.output("dmesg")
        bad = re.findall(r"^.*(?:BUG|WARN|stuck|not scheduled|interrupts off).*$", log, re.M)
        sh.send("poweroff -f\n")
        sh.expect_exit(60)
    print(f"{turns} turns of stressors in {rounds} rounds, {len(failures)} failures, {kept} KiB fewer free than after the first round")
    for line in bad[:10]:
        print(f"log: {line}")
    sys.exit(1 if failures or bad or kept > KEPT_MAX_KIB else 0)


main()
