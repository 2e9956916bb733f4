# SPDX-License-Identifier: CC0-1.0
"""Purpose: ways to boot, and the unit tests at boot."""
import shutil
import subprocess

from archive import Archive
from harness import BUILD, PROMPT, Shell, expect_equal, expect_match, parse_ktap, test

GRUB = """set timeout=0
set default=0
menuentry devine {
    multiboot2 /boot/kernel.elf console=ttyS0 FROM=grub
    module2 /boot/initramfs.cpio
}
"""


@test("GRUB boots the same file from a CD by Multiboot2", archs=("x86_64",), kernels=("devine",))
def grub(ctx):
    folder = BUILD / "tests/iso"
    (folder / "boot/grub").mkdir(parents=True, exist_ok=True)
    (folder / "boot/grub/grub.cfg").write_text(GRUB)
    shutil.copy(ctx.kernel_path(), folder / "boot/kernel.elf")
    shutil.copy(BUILD / "x86_64/initramfs.cpio", folder / "boot/initramfs.cpio")
    image = BUILD / "tests/devine.iso"
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", image, folder], check=True,
                   capture_output=True)
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none",
               "-serial", "mon:stdio", "-cdrom", str(image), "-boot", "d"]
    with Shell(ctx, name="grub", command=command) as sh:
        expect_match("FROM=grub", sh.output("cat /proc/cmdline"))
        sh.check("ls /bin/busybox", "/bin/busybox\n")
        sh.send("poweroff -f\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("unit tests at boot", kernels=("devine",))
def unit(ctx):
    initrd = Archive().directory("etc").write(f"ktest-{ctx.arch}.cpio")
    with ctx.machine(append="ktest=*", initrd=initrd, name="ktest") as machine:
        expect_equal(machine.expect_exit(240), 0, "QEMU's status")
    return parse_ktap(machine.history.replace("\r", ""))
