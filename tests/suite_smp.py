# SPDX-License-Identifier: CC0-1.0
"""Purpose: machines with several CPUs, and what only they can get wrong."""
import subprocess

from archive import Archive
from harness import BUILD, ROOT, expect_equal, test
from suite_programs import run_in

MACHINES = {  # arm64: what the interrupt controllers and starters differ in
    "GICv2": ("-smp", "4"),
    "GICv3": ("-machine", "gic-version=3", "-cpu", "max", "-smp", "4"),
    "GICv3 without ITS, 16 CPUs": ("-machine", "gic-version=3,its=off", "-cpu", "cortex-a76", "-smp", "16"),
    "EL2": ("-machine", "gic-version=3,virtualization=on", "-cpu", "cortex-a57", "-smp", "4"),
    "EL2, GICv2": ("-machine", "virtualization=on", "-cpu", "cortex-a53", "-smp", "8"),
}


@test("each machine starts its CPUs", archs=("arm64",), kernels=("devine",))
def starts(ctx):
    for name, args in MACHINES.items():
        count = args[args.index("-smp") + 1]
        with ctx.shell(args=args, mem=512, name=f"cpus-{name}") as shell:
            shell.check("nproc", f"{count}\n")
            shell.check("grep -c ^processor /proc/cpuinfo", f"{count}\n")
            shell.send("poweroff -f\n")
            expect_equal(shell.expect_exit(), 0, f"{name}: QEMU's status")


def no_stale_translation(ctx, name, append="", args=("-smp", "4")):
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / "programs/tlb-glibc").read_bytes()
    archive = Archive().busybox(ctx.arch).file("bin/program", program)
    output, status = run_in(ctx, archive, "/bin/program 1 40 2>/tmp/rounds", name, 180, append=append, args=args)
    expect_equal(output, (ROOT / "tests/programs/tlb.expected").read_text())
    expect_equal(status, 0, "status")


@test("no CPU uses a translation that is gone")
def translations(ctx):
    no_stale_translation(ctx, "tlb")


@test("no CPU uses a translation that is gone, also when identifiers run out", archs=("arm64",))
def identifiers(ctx):
    no_stale_translation(ctx, "tlb-asid", append="asid_bits=4", args=("-machine", "gic-version=3", "-smp", "4"))
