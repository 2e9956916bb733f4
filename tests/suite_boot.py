# SPDX-License-Identifier: CC0-1.0
"""Purpose: ways to boot, and the unit tests at boot."""
import shutil
import subprocess

from archive import Archive
from harness import BUILD, ROOT, SLOW, Context, Failure, Shell, expect_equal, expect_match, parse_ktap, test

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


@test("unit tests at boot", kernels=("devine",), boards=True)
def unit(ctx):
    initrd = Archive().directory("etc").write(f"ktest-{ctx.title}.cpio".replace(" ", "-"))
    with ctx.machine(append="ktest=*", initrd=initrd, name="ktest") as machine:
        expect_equal(machine.expect_exit(240), 0, "QEMU's status")
    return parse_ktap(machine.history.replace("\r", ""))


@test("clang builds a kernel that boots to the shell", kernels=("devine",))
def clang(ctx):
    done = subprocess.run([ROOT / "build.sh", ctx.arch, "--clang"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode:
        raise Failure(done.stdout[-3000:])
    with Context(ctx.arch, ctx.kernel, "-clang").shell(name="clang") as sh:
        sh.check("seq 1 1000 | sort -rn | tail -n 1", "1\n")
        sh.send("poweroff\n")
        expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("debug.sh: gdb from the first instruction on, and our helpers", kernels=("devine",))
def debugger(ctx):
    sleeper = 'next(int(t) for t in all_threads() if t["name"].string() == "ttyd")'
    words = ["info registers pc", "hbreak sys_rt_sigtimedwait", "continue", "devine threads", "devine runq", "devine space 1",
             "devine log", f'python gdb.execute("devine backtrace %#x" % {sleeper})', "kill"]
    done = subprocess.run([ROOT / "scripts/debug.sh", ctx.arch, "-batch", *(w for word in words for w in ("-ex", word))],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120 * SLOW)
    text = done.stdout
    expect_match(r"^pc +0x" + ("fff0" if ctx.arch == "x86_64" else "40000000") + r"\b", text, "gdb's output")
    expect_match(r"^0x[0-9a-f]+ +1 runnable +\w+ +0 .*init$", text, "devine threads")
    expect_match(r"^cpu 0: runs init, \d+ queued, \d+ switches$", text, "devine runq")
    expect_match(r"^0x\w+-0x\w+ r-xp object ", text, "devine space")
    expect_match(r"^0x\w+-0x\w+ rw-p anonymous \[stack\]$", text, "devine space")
    expect_match(r"^\[ +\d+\.\d+\] init: process 1 is /init$", text, "devine log")
    expect_match(r"^#\d 0x[0-9a-f]{16} wait_sleep \+ \d+$", text, "devine backtrace")
