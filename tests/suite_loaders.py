# SPDX-License-Identifier: CC0-1.0
"""Purpose: the boot matrix: the same machine by every loader, with the same shell and the same record."""
import shutil
import subprocess

from harness import BUILD, LOGS, ROOT, Failure, expect_equal, test
from loaders import (INITRAMFS, LIMINE, MULTIBOOT2, SECOND, TWO_MODULES, cdrom, disk, expect_memory, expect_same, image,
                     limine_release, packed_size, record, run_rows, second_module)

CONSOLE = "console=tty0 console=ttyS0 loglevel=7"  # as scripts/image.sh has it
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
PIXELS = "bpp 32 red 16:8 green 8:8 blue 0:8"
# What must stand in place of what the reference has.
GRUB = {"protocol": "multiboot2", "loader": "GRUB", "framebuffer": "there", "framebuffer.size": "1024x768 pitch 4096",
        "framebuffer.pixels": PIXELS}
EFI = {"memory": "EFI has its own view of it: expect_memory()", "efi-system-table": "a BIOS has none",
       "firmware": "PVH does not tell", "rsdp": "where EFI has it"}
LIMINE_EFI = {**LIMINE, "kernel": "where there is room"}
# One machine for all: two CPUs in two nodes.
MACHINE = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-m", "256", "-smp", "2",
           "-object", "memory-backend-ram,id=a,size=128M", "-object", "memory-backend-ram,id=b,size=128M",
           "-numa", "node,memdev=a,cpus=0", "-numa", "node,memdev=b,cpus=1",
           "-display", "none", "-nic", "none", "-serial", "mon:stdio", "-no-reboot"]
LOADER_FLAGS = ["-O2", "-ffreestanding", "-fno-pie", "-no-pie", "-mgeneral-regs-only", "-mno-red-zone", "-fno-stack-protector",
                "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns", "-nostdlib",
                "-static", "-Wall", "-Wextra", "-Werror", "-Wl,-Ttext-segment=0x4000000", "-Wl,--build-id=none",
                "-Wl,-z,noexecstack", "-Wl,-e,start"]


def direct(kernel, append=CONSOLE):
    """QEMU's own loader."""
    return [*MACHINE, "-kernel", kernel, "-initrd", INITRAMFS["x86_64"], "-append", append]


def uefi(name):
    """The firmware's arguments; its variables are a fresh copy."""
    variables = LOGS / f"{name}-vars.fd"
    shutil.copy(OVMF[1], variables)
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF[0]}", "-drive", f"if=pflash,format=raw,file={variables}"]


def test_loader(ctx):
    """tests/limine, with the Limine protocol's executable inside; returns its path."""
    path = LOGS / "limine-test.elf"
    done = subprocess.run(["gcc", *LOADER_FLAGS, f'-DPROGRAM="{BUILD / "x86_64/kernel-limine.elf"}"',
                           f'-DSECOND="{second_module()}"', "-o", path,
                           ROOT / "tests/limine/start.S", ROOT / "tests/limine/loader.c"], capture_output=True, text=True)
    if done.returncode:
        raise Failure(done.stderr)
    return path


def rows_bios(ctx, iso, reference):
    """{row: function} of what a BIOS can boot."""
    loader = test_loader(ctx)
    rows = {
        "GRUB from a CD":
            lambda: expect_same(reference, record(ctx, "grub cd", [*MACHINE, *cdrom(iso)], screen=True), MULTIBOOT2, GRUB),
        "GRUB from a disk": lambda: expect_same(reference, record(ctx, "grub disk", [*MACHINE, *disk(iso)]), MULTIBOOT2, GRUB),
        "Limine protocol, test loader":
            lambda: expect_same(reference, record(ctx, "limine test", direct(loader), SECOND), {**LIMINE, **TWO_MODULES}),
        "Limine protocol, low memory taken": lambda: moved(ctx, reference, loader),
    }
    if limine_release():
        # The loader's own low memory may move the page where CPUs start.
        allowed = {**LIMINE, "memory": "see above", "kernel": "where there is room"}
        ours = image(ctx, "limine.iso", LIMINE=str(limine_release()))
        told = {"protocol": "limine", "loader": "Limine", "firmware": "bios", "module.000.name": "/boot/initramfs.cpio.gz",
                "module.000.size": packed_size("x86_64"), "framebuffer": "there", "framebuffer.pixels": PIXELS}
        for kind, drive in (("CD", cdrom), ("disk", disk)):
            rows[f"Limine on BIOS from a {kind}"] = lambda kind=kind, drive=drive: expect_same(
                reference, record(ctx, f"limine bios {kind}", [*MACHINE, *drive(ours)]), allowed, told)
        second = image(ctx, "limine-second.iso", LIMINE=str(limine_release()), ENTRY="2")
        rows["Limine on BIOS, Multiboot2"] = lambda: expect_same(
            reference, record(ctx, "limine multiboot2", [*MACHINE, *cdrom(second)]), MULTIBOOT2,
            {**GRUB, "loader": "Limine", "module.000.size": packed_size("x86_64")})
    return rows


def moved(ctx, reference, loader):
    """The image runs where there is room: from 16 MiB on."""
    append = CONSOLE + " loader=high"
    found = record(ctx, "limine high", direct(loader, append))
    start, end = (int(word, 16) for word in found["kernel"].split("-"))
    low, high = (int(word, 16) for word in reference["kernel"].split("-"))
    expect_equal((start, end - start), (16 << 20, high - low), "place and size of the kernel")
    expect_equal(found["command-line"], append, "command line")
    expect_same(reference, found, {**LIMINE, **TWO_MODULES, "kernel": "moved", "memory": "less of it", "command-line": "with our word"})


def rows_uefi(ctx, iso, reference):
    """{row: function} of what UEFI can boot: all like the reference, and with the same screen as the first of them."""
    screens = {}

    def compare(name, drive, allowed, told, same):
        found = record(ctx, name, [*MACHINE, *uefi(name.replace(" ", "-")), *drive])
        expect_equal(found["efi-system-table"].startswith("0x"), True, "there is a system table")
        expect_memory(reference, found, legacy=[(0, 1 << 20)])  # of the first MiB, SeaBIOS keeps other parts
        expect_same(reference, found, {**EFI, **allowed}, {**told, "firmware": "efi64"})
        for fact in same:
            expect_equal(found[fact], screens.setdefault(fact, found[fact]), fact)

    screen = "framebuffer.place", "framebuffer.size", "framebuffer.pixels"
    rows = {"GRUB on UEFI from a CD": lambda: compare("uefi cd", cdrom(iso), MULTIBOOT2, GRUB, screen),
            "GRUB on UEFI from a disk": lambda: compare("uefi disk", disk(iso), MULTIBOOT2, GRUB, screen)}
    if limine_release():
        ours = image(ctx, "limine.iso", LIMINE=str(limine_release()))
        told = {"protocol": "limine", "loader": "Limine", "module.000.name": "/boot/initramfs.cpio.gz",
                "module.000.size": packed_size("x86_64"), "framebuffer": "there", "framebuffer.pixels": PIXELS}
        rows["Limine on UEFI from a CD"] = lambda: compare("limine uefi", cdrom(ours), LIMINE_EFI, told, ("framebuffer.place",))
    return rows


@test("boot matrix", archs=("x86_64",), kernels=("devine",))
def matrix(ctx):
    iso = image(ctx)
    reference = record(ctx, "pvh", direct(ctx.kernel_path()))
    expect_equal(reference["protocol"], "pvh", "protocol")
    expect_equal(reference["hardware.cpu.001"], "id 0x1 node 1 start sipi", "the second CPU")
    return run_rows({"PVH": lambda: None, **rows_bios(ctx, iso, reference), **rows_uefi(ctx, iso, reference)})
