#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: rounds of stress-ng on one machine, for as long as asked; see scripts/soak.sh.

A round runs each stressor for some seconds with as many workers as there are CPUs. What must not happen: a panic, a
machine that does not answer, a stressor that fails, and memory that is gone when all have ended.
"""
import os
import re
import sys
import time

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
SECONDS = 4 # for each stressor of a round
LOST_MAX_KIB = 1024 # caches of names and frames fill in the first round, which does not count


def available(sh):
    """Free memory in KiB without the caches of names and pages, once it no longer changes: what ended gives memory
    back a little later."""
    sh.run("sync; echo 3 >/proc/sys/vm/drop_caches")
    before = -1
    for _ in range(20):
        free = int(re.search(r"MemFree: +(\d+)", sh.output("cat /proc/meminfo"))[1])
        if free <= before:
            return max(free, before)
        before = free
        time.sleep(0.5)
    return before


def stress(sh, name, cpus):
    """Runs one stressor; returns what it complained of, or None. Status 3 and 4: it does not run on this machine."""
    output, status = sh.run(f"stress-ng --{name} {cpus} -t {SECONDS} --no-rand-seed --temp-path /tmp 2>&1",
                            60 + 20 * SECONDS)
    complaints = [line for line in output.split("\n") if re.search(r": fail:|terminated on signal|panic", line)]
    if status in (0, 3, 4) and not complaints:
        return None
    return f"{name}: status {status}: " + "; ".join(complaints or output.strip().split("\n")[-3:])


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
    end, failures, start, rounds = time.monotonic() + 60 * minutes, [], None, 0
    with harness.Context(arch, "devine", board=board).shell(name="soak", mem=mem, initrd=initrd,
                                                            args=("-accel", "tcg,thread=multi")) as sh:
        sh.run("dmesg -n 4")
        while time.monotonic() < end:
            for name in names:
                if time.monotonic() >= end:
                    break
                complaint = stress(sh, name, cpus)
                if complaint:
                    failures.append(complaint)
                    print(f"FAILED {complaint}", flush=True)
            free, rounds = available(sh), rounds + 1
            start = start or free
            print(f"round {rounds}: {free} KiB free", flush=True)
        lost = start - free
        log = sh.output("dmesg")
        bad = re.findall(r"^.*(?:BUG|WARN|stuck|not scheduled|interrupts off).*$", log, re.M)
        sh.send("poweroff -f\n")
        sh.expect_exit(60)
    print(f"{rounds} rounds, {len(failures)} failures, {lost} KiB lost since the first round")
    for line in bad[:10]:
        print(f"log: {line}")
    sys.exit(1 if failures or bad or lost > LOST_MAX_KIB else 0)


main()
