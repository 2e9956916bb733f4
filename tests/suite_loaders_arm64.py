# SPDX-License-Identifier: CC0-1.0
"""Purpose: the boot matrix of arm64: one machine, started in every way that there is, with the same shell and the same
record but for what the protocol itself brings.

Model: the reference is QEMU's own loader (Image, FDT in x0). Who starts by EFI describes memory in more detail, but no
less of it, and gets the hardware from ACPI, where it must be the same: with a GICv3, whose ITS the tree and the IORT tell.
"""
import shutil
import subprocess

from firmware import tree_of, tree_write
from harness import BUILD, LOGS, ROOT, Failure, Shell, expect_equal, expect_match, test
from loaders import (INITRAMFS, LOADER, SCREENS, SECOND, TWO_MODULES, cdrom, expect_memory, expect_same, facts, image, limine_release,
                     packed_size, record, run_rows, second_module)

FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
CONSOLE = "console=tty0 console=ttyAMA0 loglevel=7"  # as scripts/image.sh has it
MACHINE = ["qemu-system-aarch64", "-accel", "tcg", "-machine", "virt,gic-version=3", "-cpu", "cortex-a72", "-m", "256",
           "-smp", "2", "-display", "none", "-nic", "none", "-no-reboot", "-serial", "mon:stdio"]

# Where ACPI describes the machine, devices on PCI alone are found.
SCREEN = ["-device", "ramfb", "-device", "virtio-keyboard-pci"]

PLACED = {"kernel": "the loader puts it where it likes", "device-tree": "and its copy of the tree",
          "module.000.place": "and the initramfs"}
EFI = {**PLACED, "device-tree": "none, or what GRUB chose", "memory": "EFI has its own view of it: expect_memory()",
       "rsdp": "ACPI's", "boot-time": "only EFI tells", "efi-system-table": "EFI's"}
LIMINE = {**LOADER, **PLACED, "boot-time": "only Limine tells", "module.000.name": "its path"}
# What must stand in place of what the reference has; the second, on a machine with SCREEN.
BY_EFI = {"protocol": "efi", "loader": "EDK II", "firmware": "efi64", "hardware.source": "acpi"}
ON_SCREEN = {"framebuffer": "there", "framebuffer.size": "800x600 pitch 3200",
             "framebuffer.pixels": "bpp 32 red 16:8 green 8:8 blue 0:8"}
TEST_LOADER = ROOT / "tests/limine/arm64"
LOADER_FLAGS = ["-O2", "-ffreestanding", "-fno-pie", "-no-pie", "-mgeneral-regs-only", "-mstrict-align", "-fno-stack-protector",
                "-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns", "-nostdlib", "-static", "-Wall",
                "-Wextra", "-Werror", f"-Wl,-T,{TEST_LOADER}/loader.ld", "-Wl,--build-id=none", "-Wl,-z,noexecstack",
                "-Wl,--no-warn-rwx-segments"]


def test_loader():
    """tests/limine/arm64, with the Limine protocol's executable inside; returns the path of its Image."""
    elf, flat = LOGS / "arm64-limine-test.elf", LOGS / "arm64-limine-test.bin"
    program = BUILD / "arm64/kernel-limine.elf"
    for command in (["aarch64-linux-gnu-gcc", *LOADER_FLAGS, f'-DPROGRAM="{program}"', f'-DSECOND="{second_module()}"',
                     "-o", elf, TEST_LOADER / "start.S", TEST_LOADER / "loader.c"],
                    ["aarch64-linux-gnu-objcopy", "-O", "binary", elf, flat]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr)
    return flat


def mmu_on():
    """tests/mmu_on.S with the Image inside; returns its path."""
    elf, flat = LOGS / "arm64-mmu-on.elf", LOGS / "arm64-mmu-on.bin"
    subprocess.run(["aarch64-linux-gnu-gcc", "-c", f'-DPROGRAM="{BUILD / "arm64/Image"}"', ROOT / "tests/mmu_on.S", "-o", elf],
                   check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", elf, flat], check=True)
    return flat


def folder_of(name, files):
    """A folder with `files` {path: content or a file to copy}."""
    folder = BUILD / "tests" / name
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in files.items():
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, (str, bytes)):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        else:
            shutil.copy(content, path)
    return folder


def virtio(path):
    return ["-drive", f"file={path},format=raw,if=virtio,readonly=on"]


def size_of(text):
    """The size of `0x..-0x..`."""
    start, end = text.split("-")
    return int(end, 16) - int(start, 16)


def by_efi(ctx, reference, name, arguments, line, screen=False, **instead):
    """Boots by EFI and compares; `line` is the command line that this way ends in."""
    found = record(ctx, name, [*MACHINE, "-bios", FIRMWARE, *arguments], screen=screen)
    expect_equal(size_of(found["kernel"]), size_of(reference["kernel"]), "size of the kernel")
    expect_equal(found["hardware.msi.000"], "segment 0 0-0x10000 its 0x000008080000 device 0", "who gets messages")
    expect_equal(int(found["boot-time"]) > 1700000000, True, f"{found['boot-time']} is a date")
    expect_memory(reference, found)
    expect_same(reference, found, {**EFI, **(SCREENS if screen else {})},
                {**BY_EFI, "command-line": line, **(ON_SCREEN if screen else {}), **instead})


def direct(kernel):
    """QEMU's own loader."""
    return [*MACHINE, "-kernel", kernel, "-initrd", INITRAMFS["arm64"], "-append", CONSOLE]


def by_limine(ctx, reference, release):
    """A release of Limine, on UEFI."""
    iso = image(ctx, "limine.iso", LIMINE=str(release))
    found = record(ctx, "limine uefi", [*MACHINE, "-bios", FIRMWARE, *cdrom(iso)])
    expect_memory(reference, found)
    expect_same(reference, found, {**EFI, "loader-version": "Limine's"},
                {**BY_EFI, "protocol": "limine", "loader": "Limine", "module.000.name": "/boot/initramfs.cpio.gz",
                 "module.000.size": packed_size("arm64")})


def by_linux_protocol(ctx, reference, release):
    """The same, by the second entry of its menu: the Image."""
    iso = image(ctx, "limine-second.iso", LIMINE=str(release), ENTRY="2")
    found = record(ctx, "limine linux", [*MACHINE, "-bios", FIRMWARE, *SCREEN, *cdrom(iso)])
    expect_memory(reference, found)
    expect_same(reference, found, {**EFI, **SCREENS}, {**ON_SCREEN, "firmware": "efi64", "hardware.source": "acpi",
                                                       "module.000.size": packed_size("arm64")})


def by_u_boot(ctx, reference, disk):
    """U-Boot's distro boot finds the menu on the disk, and ends in booti."""
    found = record(ctx, "u-boot", [*MACHINE, "-bios", U_BOOT, *disk])
    expect_equal(size_of(found["kernel"]), size_of(reference["kernel"]), "size of the kernel")
    expect_same(reference, found, PLACED)


@test("boot matrix", archs=("arm64",), kernels=("devine",))
def matrix(ctx):
    kernel, initramfs, iso = ctx.kernel_path(), INITRAMFS["arm64"], image(ctx)
    typed = f"Image {CONSOLE} initrd=/initramfs.cpio"
    folder = folder_of("arm64-disk", {
        "Image": kernel, "initramfs.cpio": initramfs, "startup.nsh": f"fs0:\r\n{typed}\r\n",
        "extlinux/extlinux.conf": f"label devine\n kernel /Image\n initrd /initramfs.cpio\n append {CONSOLE}\n"})
    disk = virtio(f"fat:{folder}")
    packed = {"module.000.size": packed_size("arm64")}
    chosen = f"BOOT_IMAGE=/boot/Image {CONSOLE}"
    reference = record(ctx, "direct", direct(kernel))
    expect_equal((reference["protocol"], reference["hardware.source"]), ("linux-fdt", "fdt"))
    expect_equal(reference["hardware.cpu.001"], "id 0x1 node 0 start psci", "the second CPU")
    rows = {
        "Image": lambda: None,
        "Image, by a loader that leaves the MMU on":
            lambda: expect_same(reference, record(ctx, "mmu on", direct(mmu_on())), PLACED),
        "U-Boot, booti from a disk": lambda: by_u_boot(ctx, reference, disk),
        "UEFI's shell from a disk": lambda: by_efi(ctx, reference, "uefi shell", disk, typed),
        "GRUB on UEFI from a CD": lambda: by_efi(ctx, reference, "grub cd", [*cdrom(iso), *SCREEN], chosen,
                                                 screen=True, **packed),
        "GRUB on UEFI from a disk": lambda: by_efi(ctx, reference, "grub disk", virtio(iso), chosen, **packed),
        "Limine protocol, test loader":
            lambda: expect_same(reference, record(ctx, "limine test", direct(test_loader()), SECOND),
                                {**LIMINE, **TWO_MODULES}),
    }
    if limine_release():
        rows["Limine on UEFI from a CD"] = lambda: by_limine(ctx, reference, limine_release())
        rows["Limine on UEFI, Linux's protocol"] = lambda: by_linux_protocol(ctx, reference, limine_release())
    return run_rows(rows)


@test("UEFI's boot manager: entered at EL2, GICv3, 4 CPUs; then with a device tree and a screen", archs=("arm64",),
      kernels=("devine",))
def uefi_manager(ctx):
    start = ["-bios", FIRMWARE, "-kernel", str(ctx.kernel_path()), "-initrd", str(INITRAMFS["arm64"]), "-append", CONSOLE]
    # With its=off QEMU's MADT names an ITS that is not there: the entropy device interrupts by a line, which only a _PRT tells.
    for machine, source, tables, more, shown in (("virt,gic-version=3,its=off,virtualization=on", "acpi", 0,
                                                  ("-device", "virtio-rng-pci"), {"framebuffer": "none"}),
                                                 ("virt,acpi=off", "fdt", 1, ("-device", "ramfb"), ON_SCREEN)):
        command = [*MACHINE, "-machine", machine, "-smp", "4", *more, *start]
        with Shell(ctx, name=f"uefi {source}", command=command, boot_timeout=240) as sh:
            found = facts(sh.output("cat /proc/boot"))
            expect_equal(found["hardware.source"], source, "hardware.source")
            expect_equal(found["command-line"], f"{CONSOLE} initrd=initrd", "command line")
            expect_equal({fact: found.get(fact) for fact in shown}, shown, "framebuffer")
            expect_equal(sh.output("nproc"), "4\n")
            if source == "acpi":
                expect_match(r"the ITS at 0x8080000 is not used: there is none", sh.output("dmesg"), "the log")
                expect_match(r"^ *3[5-8]: +[1-9].* GICv3 .* virtio0", sh.output("cat /proc/interrupts"), "a line by a _PRT")
            expect_equal(sh.run("ls /sys/firmware/acpi/tables/APIC")[1], tables, "status of ls")
            sh.send("poweroff -f\n")
            expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("a device tree that GRUB brings beside ACPI wins, unless acpi=force", archs=("arm64",), kernels=("devine",))
def both(ctx):
    iso = LOGS / "arm64-both.iso"
    modules = ROOT / "build/deps/arm64/grub-efi-arm64-bin/usr/lib/grub/arm64-efi"
    subprocess.run(["bash", "-c", ". scripts/lib.sh; deb_fetch arm64 grub-efi-arm64-bin"], check=True, cwd=ROOT)
    tree = tree_write(tree_of("-m", "256", "-smp", "2", "-machine", "gic-version=3"))
    for parameter, source in (("debug", "fdt"), ("acpi=force", "acpi")):
        menu = (f"menuentry devine {{\n devicetree /boot/tree\n linux /boot/Image console=ttyAMA0 {parameter}\n"
                " initrd /boot/initramfs.cpio\n}\n")
        folder = folder_of("arm64-both", {"boot/Image": ctx.kernel_path(), "boot/initramfs.cpio": INITRAMFS["arm64"],
                                          "boot/tree": tree, "boot/grub/grub.cfg": "set timeout=0\n" + menu})
        subprocess.run(["grub-mkrescue", "-d", modules, "-o", iso, folder], check=True, capture_output=True)
        found = record(ctx, f"both {source}", [*MACHINE, "-bios", FIRMWARE, *cdrom(iso)])
        expect_equal(found["hardware.source"], source, "hardware.source")
        expect_equal((found["rsdp"] != "none", found["device-tree"] != "none"), (True, True), "both are there")
        expect_equal(found["hardware.cpu.001"], "id 0x1 node 0 start psci", "the second CPU")
