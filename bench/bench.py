#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: run kbench as /init under Linux and under Devine with the same QEMU and print them side by side.

Usage: bench/bench.py x86_64|arm64 [--gate] [--metric NAME]... [--wall]
       bench/bench.py x86_64|arm64 --metric disk_read [--gate]
The figures are guest instructions (QEMU's -icount): the same to the last digit from run to run. Linux's are
kept in build/bench for the version of its package, this kbench and these options. --gate fails unless the
bounds of bench/README.md hold; --wall measures time instead, of both kernels afresh, in alternating order.
The metric disk_read is one of its own: a virtio disk read from beginning to end, in time; see bench/disk_read.c.
"""
import argparse
import hashlib
import math
import pathlib
import re
import select
import os
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from archive import Archive  # noqa: E402

BUILD = ROOT / "build"
OUT = BUILD / "bench"
QEMU = {
    "x86_64": ["qemu-system-x86_64"],
    "arm64": ["qemu-system-aarch64", "-machine", "virt,gic-version=2", "-cpu", "cortex-a72"],
}
CONSOLE = {"x86_64": "ttyS0", "arm64": "ttyAMA0"}
COMPILER = {"x86_64": ["gcc"], "arm64": ["aarch64-linux-gnu-gcc"]}
FLAGS = ["-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none", "-monitor", "none",
         "-serial", "stdio", "-no-reboot"]
ICOUNT = ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2024-01-01T00:00:00,clock=vm"]
TUNED = ("mitigations=off init_on_alloc=0 randomize_kstack_offset=off nokaslr kpti=off hardened_usercopy=off "
         "quiet panic=-1")
# Metrics that need what a kernel without sockets does not have.
EXCUSED = ("unix_rtt_proc", "unix_bw_mib")
# Measured in a run of their own, on two CPUs.
TWO_CPUS = ("pipe_rtt_xcpu",)
# No part of the mean: what no kernel takes part in, and what only repeats another metric with one CPU.
NOT_KERNEL = ("ref_loop", "ref_memcpy_1m", "ref_tlb_miss")
TIMERS = ("nanosleep_50us_over", "timer_1ms_late", "timer_1ms_worst")
BOOT_LIMIT = 40_000_000
MEAN_LIMIT = 0.5
LIMIT_SECONDS = float(os.environ.get("BENCH_TIMEOUT", "1500"))


def build_initramfs(arch):
    """Compiles kbench and packs it as /init; returns (path, hash)."""
    OUT.mkdir(parents=True, exist_ok=True)
    source, program = ROOT / "bench/kbench.c", OUT / f"kbench-{arch}"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([*COMPILER[arch], "-O2", "-static", "-pthread", "-o", program, source], check=True)
    archive = Archive().file("init", program.read_bytes())
    for folder in ("dev", "proc", "sys", "tmp"):
        archive.directory(folder)
    path = OUT / f"kbench-{arch}.cpio"
    path.write_bytes(archive.dump())
    return path, hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def run_kernel(arch, kernel, initrd, options, wall, cpus=1):
    """Boots `kernel` with kbench; returns the text of the serial line."""
    append = f"console={CONSOLE[arch]} {TUNED} -- {options}"
    command = [*QEMU[arch], *FLAGS, "-smp", str(cpus), *([] if wall else ICOUNT),
               "-kernel", str(kernel), "-initrd", str(initrd), "-append", append]
    # Linux on x86_64 does not get through its start with a second CPU that is emulated by turns.
    text, limit = "", time.monotonic() + (LIMIT_SECONDS if cpus == 1 else LIMIT_SECONDS / 5)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        while time.monotonic() < limit:
            if select.select([process.stdout], [], [], 1)[0]:
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    break
                text += data.decode("utf-8", "replace")
        process.kill()
    return text.replace("\r", "")


def parse(text, arch):
    """kbench's output as {metric: value or None}; `boot` is the instructions up to /init's first line."""
    figures = {}
    for line in text.split("\n"):
        match = re.match(r"([a-z]\w+)\t(\d+(?:\.\d+)?)\t", line)
        if match:
            figures[match[1]] = float(match[2])
        match = re.match(r"([a-z]\w+)\tunsupported", line)
        if match:
            figures[match[1]] = None
        match = re.match(r"KBENCH-COUNTER (\d+)", line)
        if match:
            figures["boot"] = float(match[1]) * (16 if arch == "arm64" else 1)
    return figures


def linux_figures(arch, initrd, digest, options, wall, cpus=1):
    """Linux's output, from the cache where it may be."""
    version = (BUILD / f"deps/linux/{arch}/version").read_text().strip()
    key = hashlib.sha256(f"{version} {digest} {options} {TUNED} {FLAGS} {cpus}".encode()).hexdigest()[:12]
    cache = OUT / f"linux-{arch}-{key}.txt"
    if wall or not cache.exists():
        text = run_kernel(arch, BUILD / f"deps/linux/{arch}/vmlinuz", initrd, options, wall, cpus)
        if wall or "KBENCH-DONE" not in text:
            return text
        cache.write_text(text)
    return cache.read_text()


def print_table(names, linux, devine):
    """Prints the comparison; returns (ratios by metric, geometric mean)."""
    ratios = {}
    print(f"{'metric':22} {'Linux':>14} {'Devine':>14} {'ratio':>7}")
    for name in names:
        ours, theirs = devine.get(name), linux.get(name)
        ratio = ours / theirs if ours is not None and theirs else None
        if ratio is not None:
            ratios[name] = ratio
        print(f"{name:22} {show(theirs):>14} {show(ours):>14} {'-' if ratio is None else f'{ratio:.3f}':>7}")
    counted = [max(r, 1e-3) for n, r in ratios.items() if n not in NOT_KERNEL and n != "boot"]
    mean = math.exp(sum(map(math.log, counted)) / len(counted)) if counted else math.inf
    print(f"{'geometric mean':22} {'':>14} {'':>14} {mean:7.3f}   ({len(counted)} metrics)")
    return ratios, mean


def show(value):
    """A figure for the table."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 or value == int(value) else f"{value:.1f}"


def judge(names, ratios, devine, mean):
    """The bounds that do not hold, as sentences."""
    bad = [f"{name} has no figure" for name in names
           if devine.get(name) is None and name not in EXCUSED]
    bad += [f"{name} is {ratio:.2f} times Linux's" for name, ratio in ratios.items()
            if ratio > 1.0 and name not in TIMERS and name not in NOT_KERNEL]
    if mean > MEAN_LIMIT:
        bad.append(f"the geometric mean {mean:.3f} is above {MEAN_LIMIT}")
    if devine.get("boot", math.inf) > BOOT_LIMIT:
        bad.append(f"boot takes more than {BOOT_LIMIT / 1e6:.0f} million instructions")
    return bad


# ---- disk_read --------------------------------------------------------------------------------------------

DISK_MIB = 128
DISK_BOUND = 0.7  # of Linux's throughput
DISK_TURNS = 2  # of each kernel, in turn
DISK_DEVICE = {"x86_64": "virtio-blk-pci", "arm64": "virtio-blk-device"}


def disk_initramfs(arch):
    """Compiles disk_read and packs it as /init, with the modules that Linux needs; returns the path."""
    OUT.mkdir(parents=True, exist_ok=True)
    program, modules = OUT / f"disk_read-{arch}", BUILD / f"deps/linux/{arch}/modules"
    subprocess.run([*COMPILER[arch], "-O2", "-static", "-o", program, ROOT / "bench/disk_read.c"], check=True)
    archive = Archive().file("init", program.read_bytes()).tree_at("modules", modules)
    for folder in ("dev", "proc"):
        archive.directory(folder)
    path = OUT / f"disk_read-{arch}.cpio"
    path.write_bytes(archive.dump())
    return path


def disk_image():
    """A disk of numbers, so that no page is like another."""
    path = OUT / "disk.img"
    if not path.exists() or path.stat().st_size != DISK_MIB << 20:
        path.write_bytes(b"".join(n.to_bytes(8, "little") * 512 for n in range(1, DISK_MIB * 256 + 1)))
    return path


def disk_rounds(arch, kernel, initrd):
    """Boots `kernel`; returns (KiB/s of each round, the sums)."""
    disk = ["-drive", f"file={disk_image()},format=raw,if=none,id=disk,readonly=on",
            "-device", f"{DISK_DEVICE[arch]},drive=disk"]
    command = [*QEMU[arch], *FLAGS, *disk, "-kernel", str(kernel), "-initrd", str(initrd),
               "-append", f"console={CONSOLE[arch]} {TUNED}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=LIMIT_SECONDS, check=False)
    text = done.stdout.decode("utf-8", "replace")
    found = re.findall(r"DISK-READ \d+ (\d+) ([0-9a-f]+)", text)
    if "DISK-READ-DONE" not in text or not found:
        sys.exit(f"{kernel}: the disk was not read; the last lines:\n" + text[-1500:])
    return [int(rate) for rate, _ in found], {total for _, total in found}


def disk_read(args, image):
    """Prints both kernels' throughput; fails below the bound, or when they read something else."""
    initrd, linux = disk_initramfs(args.arch), BUILD / f"deps/linux/{args.arch}/vmlinuz"
    rates, sums = {linux: [], image: []}, set()
    for _ in range(DISK_TURNS):
        for kernel, list_ in rates.items():
            found, totals = disk_rounds(args.arch, kernel, initrd)
            list_ += found
            sums |= totals
    # The best round: what else the machine does only makes a round worse.
    ours, theirs = max(rates[image]) / 1024, max(rates[linux]) / 1024
    print(f"{args.arch}: a disk of {DISK_MIB} MiB read by 1 MiB, MiB/s, the best of {len(rates[image])} rounds")
    print(f"{'metric':22} {'Linux':>14} {'Devine':>14} {'ratio':>7}")
    print(f"{'disk_read':22} {theirs:14.0f} {ours:14.0f} {ours / theirs:7.3f}")
    print(f"{'  median':22} {sorted(rates[linux])[len(rates[linux]) // 2] / 1024:14.0f}"
          f" {sorted(rates[image])[len(rates[image]) // 2] / 1024:14.0f}")
    if len(sums) != 1:
        sys.exit("the kernels read different bytes")
    if ours / theirs < DISK_BOUND:
        sys.exit(f"bound: disk_read is below {DISK_BOUND} of Linux's")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("arch", choices=QEMU)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--metric", action="append", default=[])
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--kernel", type=pathlib.Path, help="instead of the one that was built")
    args = parser.parse_args()
    image = args.kernel or BUILD / args.arch / ("kernel.elf" if args.arch == "x86_64" else "Image")
    if "disk_read" in args.metric:
        disk_read(args, image)
        return
    initrd, digest = build_initramfs(args.arch)
    options = " ".join(["-c", *(f"-f {name}" for name in args.metric)])

    pair = [name for name in TWO_CPUS if any(m in name for m in args.metric or [name])]
    pair_options = " ".join(["-c", *(f"-f {name}" for name in pair)])

    texts = {}
    def run_linux():
        texts["linux"] = linux_figures(args.arch, initrd, digest, options, args.wall)
        if pair:
            texts["linux-2"] = linux_figures(args.arch, initrd, digest, pair_options, args.wall, 2)
    thread = threading.Thread(target=run_linux)
    thread.start()
    if args.wall:
        thread.join()
    texts["devine"] = run_kernel(args.arch, image, initrd, options, args.wall)
    if pair:
        texts["devine-2"] = run_kernel(args.arch, image, initrd, pair_options, args.wall, 2)
    thread.join()
    for name, text in texts.items():
        (OUT / f"{args.arch}-{name}.log").write_text(text)
        if "KBENCH-DONE" not in text:
            last = "\n    ".join(text.strip().split("\n")[-5:])
            print(f"{name} on {args.arch} did not finish; its last lines:\n    {last}")

    linux, devine = parse(texts["linux"], args.arch), parse(texts["devine"], args.arch)
    for name in pair:
        linux[name] = parse(texts["linux-2"], args.arch).get(name)
        devine[name] = parse(texts["devine-2"], args.arch).get(name)
    unit = "ns" if args.wall else "guest instructions"
    print(f"{args.arch}: median {unit} for one operation")
    names = list(linux) or list(devine)
    ratios, mean = print_table(names, linux, devine)
    bad = judge(names, ratios, devine, mean)
    for line in bad:
        print(f"bound: {line}")
    if "KBENCH-DONE" not in texts["devine"] or not ratios or (args.gate and bad):
        sys.exit(1)


main()
