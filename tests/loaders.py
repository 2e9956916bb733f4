# SPDX-License-Identifier: CC0-1.0
"""Purpose: boot one machine by many loaders and compare what the kernel says of it in /proc/boot.

Model: a record is a dictionary of facts. Memory becomes one list, framebuffers aside; of a module, its size, place and
name are facts of their own, of a framebuffer its place, size and pixels. Two records agree when they differ in nothing
but what the protocol itself makes different, and that is listed by name, with the reason; what must then be there
instead is said, where it is known. EFI describes memory in its own way: expect_memory() says what must be the same.
"""
import os
import pathlib
import re
import subprocess

from archive import Archive
from harness import BUILD, LOGS, ROOT, Cases, Failure, Shell, expect_equal, expect_match
from picture import UNKNOWN
from screen import ScreenShell

PAGE = 4096

# What a loader decides or cannot know; {fact: why}.
LOADER = {"loader": "its name", "loader-version": "and version", "protocol": "the protocol's name"}
PLACES = {"module.000.place": "the loader puts the initramfs where it likes"}
SCREENS = {"framebuffer": "the reference has none", "memory.framebuffer": "so it has no such memory"}
MULTIBOOT2 = {**LOADER, **PLACES, **SCREENS, "rsdp": "the tag holds a copy, which the kernel keeps"}
LIMINE = {**LOADER, **PLACES, **SCREENS, "boot-time": "only Limine tells", "firmware": "only Limine tells of a BIOS",
          "module.000.name": "its path", "rsdp": "found by the loader itself"}


def facts(text):
    """The facts of a /proc/boot."""
    found, memory, screens = {}, [], []
    for line in text.replace("\r", "").strip().split("\n"):
        key, colon, value = line.partition(": ")
        if not colon:
            key, value = line.rstrip(":"), ""
        if key.startswith("memory."):
            start, end, kind, node = re.fullmatch(r"(0x\w+)-(0x\w+) (\S+) node (\d+)", value).groups()
            (screens if kind == "framebuffer" else memory).append((int(start, 16), int(end, 16), kind, int(node)))
        elif key.startswith("module."):
            start, end, name = re.fullmatch(r"(0x\w+)-(0x\w+) (.*)", value).groups()
            found[key + ".size"] = int(end, 16) - int(start, 16)
            found[key + ".place"], found[key + ".name"] = start, name
        elif key == "framebuffer" and value != "none":
            found[key] = "there"
            found |= screen_facts(value)
        elif key in found:
            raise Failure(f"/proc/boot has {key} twice:\n{text}")
        else:
            found[key] = value
    keys = [line.partition(":")[0] for line in text.replace("\r", "").strip().split("\n")]
    if keys != sorted(keys):
        raise Failure(f"/proc/boot is not sorted:\n{text}")
    found["memory"], found["memory.framebuffer"] = whole_pages(memory), screens
    expect_equal([(start, end) for start, end, _, _ in screens], screen_memory(found), "memory of the framebuffer")
    return found


def screen_facts(text):
    """Of a framebuffer: where it is, how large, and what a pixel is."""
    place, size, pixels = re.fullmatch(r"(0x\w+) (\d+x\d+ pitch \d+) (bpp \d+ red \S+ green \S+ blue \S+)", text).groups()
    return {"framebuffer.place": place, "framebuffer.size": size, "framebuffer.pixels": pixels}


def screen_memory(found):
    """The memory that such a framebuffer takes: [(start, end)] in whole pages."""
    if found["framebuffer"] == "none":
        return []
    start, (_, height, pitch) = int(found["framebuffer.place"], 16), map(int, re.findall(r"\d+", found["framebuffer.size"]))
    return [(start // PAGE * PAGE, -(-(start + height * pitch) // PAGE) * PAGE)]


def whole_pages(memory):
    """Usable memory in whole pages: some protocols cut off the rest."""
    kept = []
    for start, end, kind, node in memory:
        if kind == "usable":
            start, end = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        if start < end:
            kept.append((start, end, kind, node))
    return kept


def minus(ranges, others):
    """The parts of `ranges` [(start, end)] that are in none of `others`."""
    for low, high in others:
        ranges = [part for start, end in ranges for part in ((start, min(end, low)), (max(start, high), end)) if part[0] < part[1]]
    return ranges


def expect_memory(reference, found, legacy=()):
    """Fails unless `found` describes the same RAM as `reference`: all that was usable is listed, nine tenths of it as
    usable and of the same node; nothing else is usable, `legacy` aside; and ACPI and EFI have theirs."""
    usable = [(start, end) for start, end, kind, _ in reference["memory"] if kind == "usable"]
    listed = [(start, end) for start, end, _, _ in found["memory"] + found["memory.framebuffer"]]
    expect_equal(minus(usable, listed), [], "RAM that is not listed")
    kept = [(start, end) for start, end, kind, _ in found["memory"] if kind == "usable"]
    expect_equal(minus(kept, [*usable, *legacy]), [], "usable memory that is no RAM")
    share = sum(end - start for start, end in kept) / sum(end - start for start, end in usable)
    expect_equal(share > 0.9, True, f"{share:.2f} of the RAM is usable")
    for node in {n for _, _, _, n in reference["memory"]}:
        others = [(s, e) for s, e, kind, n in reference["memory"] if kind == "usable" and n != node]
        mine = [(s, e) for s, e, kind, n in found["memory"] if kind == "usable" and n == node]
        expect_equal(minus(mine, minus(mine, others)), [], f"memory of other nodes in node {node}")
    expect_equal({"usable", "acpi", "runtime"} - {kind for _, _, kind, _ in found["memory"]}, set(), "kinds that are missing")


def packed_size(arch):
    """The size of the initramfs in an image: GRUB for Multiboot2 unpacks it, others pass it as it is."""
    return (BUILD / arch / "iso/boot/initramfs.cpio.gz").stat().st_size


def expect_same(reference, record, allowed, instead=()):
    """Fails unless the records agree but for `allowed`, where a name stands for its parts, too; `instead` are facts
    that must be others."""
    wrong, reference = [], {**reference, **dict(instead)}
    for key in sorted({*reference, *record}):
        if key not in dict(instead) and any(key == name or key.startswith(name + ".") for name in allowed):
            continue
        if reference.get(key) != record.get(key):
            wrong.append(f"{key} is {record.get(key)}\n    and should be {reference.get(key)}")
    if wrong:
        raise Failure("the records differ:\n" + "\n".join(wrong))


SECOND = "cat /etc/second", "of the second module\n"  # what shows it
TWO_MODULES = {f"module.001.{what}": "there is a second" for what in ("name", "place", "size")}


def second_module():
    """A module for loaders that take several; returns its path."""
    return Archive().file("etc/second", SECOND[1]).write("second.cpio")


def both_consoles(sh):
    """The boot's lines and a shell that controls its jobs are on the screen and on the serial line."""
    screen = sh.wait_for("/ # " + UNKNOWN)
    for place, text in (("the screen", "\n".join(screen.lines())), ("the serial line", sh.history)):
        expect_match(r"\[ +0\.\d+\] boot: Devine on", text, place)
        expect_match(r"built-in shell \(ash\)", text, place)
    sh.type("tty\n")
    sh.wait_for("/dev/tty1")
    sh.type("sleep 1000\n")
    sh.output("until pidof sleep; do usleep 20000; done")
    sh.press("ctrl-z")
    sh.wait_for("^Z[1]+  Stopped                    sleep 1000")
    sh.type("fg\n")
    sh.wait_for("sleep 1000")
    sh.press("ctrl-c")
    sh.type("echo over\n")
    sh.wait_for("over")
    sh.check("readlink /proc/$$/fd/0", "/dev/console\n")


def record(ctx, name, command, *checks, screen=False):
    """Boots by `command`, does what a person would do first, and turns the machine off; returns the facts. Each of
    `checks` is a command and its output; with a `screen`, that is looked at, too."""
    kind = ScreenShell if screen else Shell
    with kind(ctx, name=name, command=[str(word) for word in command], boot_timeout=240) as sh:
        if screen:
            both_consoles(sh)
        text = sh.output("cat /proc/boot")
        for typed, expected in (("ls /bin/busybox; seq 1 1000 | sort -rn | tail -n 1", "/bin/busybox\n1\n"), *checks):
            sh.check(typed, expected)
        sh.send("poweroff -f\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")
    return facts(text)


def image(ctx, name="devine.iso", **env):
    """Makes an image by scripts/image.sh; returns its path."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{ctx.arch}-{name}"
    done = subprocess.run([ROOT / "scripts/image.sh", ctx.arch], env={**os.environ, "LIMINE": "", "OUT": str(path), **env},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failure(f"image.sh failed:\n{done.stdout[-3000:]}")
    return path


def run_rows(rows):
    """Runs all; returns Cases. A row that fails is tried once more: a starved QEMU is no verdict."""
    verdicts = Cases()
    for name, row in rows.items():
        for _ in range(2):
            try:
                row()
                verdicts[name] = None
                break
            except Failure as failure:
                verdicts[name] = failure
    return verdicts


def limine_release():
    """The folder that LIMINE names, or None."""
    folder = os.environ.get("LIMINE")
    return pathlib.Path(folder) if folder else None


def cdrom(path):
    return ["-cdrom", path]


def disk(path):
    """As a disk; what is written is forgotten."""
    return ["-drive", f"file={path},format=raw,if=ide,snapshot=on"]


INITRAMFS = {arch: BUILD / arch / "initramfs.cpio" for arch in ("x86_64", "arm64")}
