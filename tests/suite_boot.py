# SPDX-License-Identifier: CC0-1.0
"""Purpose: ways to boot, and the unit tests at boot."""
import shutil
import subprocess

from archive import Archive
from harness import BUILD, ROOT, SLOW, Context, Failure, Machine, expect_equal, expect_match, parse_ktap, test
from suite_programs import INIT

GRUB = """set timeout=0
set default=0
menuentry devine {
    multiboot2 /boot/kernel.elf console=ttyS0 FROM=grub
    module2 /boot/initramfs.cpio
}
"""


def image_make(name, kernel, initrd, entry=GRUB):
    """Makes a CD image that GRUB boots; returns its path."""
    folder = BUILD / f"tests/{name}-iso"
    (folder / "boot/grub").mkdir(parents=True, exist_ok=True)
    (folder / "boot/grub/grub.cfg").write_text(entry)
    shutil.copy(kernel, folder / "boot/kernel.elf")
    shutil.copy(initrd, folder / "boot/initramfs.cpio")
    image = BUILD / f"tests/{name}.iso"
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", image, folder], check=True,
                   capture_output=True)
    return image


# What one process asks of the other needs an interrupt from CPU to CPU each time. Bochs's MWAIT does not see what another
# CPU stores (kernel/dev/power/x86_idle.c): that is found out.
BOCHS = """cat /proc/cpuinfo | grep -c x2apic
nproc
dmesg | grep -oE 'lapic: x2APIC|CPUs idle by .*|waits on when another stores|smp: 2 CPUs of 2 run|event device lapic-deadline, .* in use'
storm 2 0 60 >/tmp/out && tail -n 1 /tmp/out || cat /tmp/out
"""
BOCHS_EXPECTED = """2
2
lapic: x2APIC
event device lapic-deadline, rating 250, in use
CPUs idle by mwait
smp: 2 CPUs of 2 run
waits on when another stores
CPUs idle by halt
ok
"""


@test("x2APIC and TSC deadlines on two CPUs, in Bochs", archs=("x86_64",), kernels=("devine",))
def bochs(ctx):
    subprocess.run([ROOT / "scripts/programs.sh", "x86_64"], check=True)
    program = (BUILD / "x86_64/programs/storm-glibc").read_bytes()
    archive = Archive().busybox("x86_64").file("bin/storm", program).file("init", INIT.replace("{command}", BOCHS))
    for folder in ("proc", "sys", "dev", "tmp", "etc"):
        archive.directory(folder)
    image = image_make("bochs", ctx.kernel_path(), archive.write("bochs.cpio"), GRUB.replace("FROM=grub", ""))
    command = [str(ROOT / "tests/bochs.py"), str(image), "2", str(BUILD / "tests/bochs")]
    with Machine(ctx, name="bochs", command=command) as machine:
        machine.expect("@BEGIN\r\n", 120)
        output = machine.expect(r"(?s)\A(.*?)@END \d+", 120)[1].replace("\r\n", "\n")
    expect_equal(output, BOCHS_EXPECTED)


@test("unit tests at boot", kernels=("devine",), boards=True)
def unit(ctx):
    initrd = Archive().directory("etc").write(f"ktest-{ctx.title}.cpio".replace(" ", "-"))
    with ctx.machine(append="ktest=*", initrd=initrd, name="ktest") as machine:
        expect_equal(machine.expect_exit(240), 0, "QEMU's status")
    return parse_ktap(machine.history.replace("\r", ""))


@test("clang builds a kernel that boots to the shell", kernels=("devine",), early=True)
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
