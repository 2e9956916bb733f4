# SPDX-License-Identifier: CC0-1.0
"""Purpose: the console of a virtual machine as the only one that people look at: the boot's lines, process 1, a panic.
The rest of what is tested of it is in hvc.py, on the machines of suite_disk.py."""
from archive import Archive
from harness import expect_equal, test
from hvc import Ends

INIT = """#!/bin/sh
busybox stty rows 7 columns 44
echo "init has $(busybox stty size)"
read line
echo "read $line"
busybox sleep 1
exit 1
"""


@test("a virtio console is the console: of the boot, of process 1, of a panic", kernels=("devine",))
def whole_console(ctx):
    # PCI with several ports, whose emergency register a panic uses; registers of the legacy kind with one.
    several = ctx.arch == "x86_64"
    initrd = Archive().busybox(ctx.arch).file("init", INIT).write(f"hvc-{ctx.arch}.cpio")
    with Ends("pci" if several else "device", several) as ends, \
            ctx.machine(append="console=hvc0 loglevel=7 panic=-1", initrd=initrd, args=[*ends.arguments, "-no-reboot"],
                        name="virtio console") as machine:
        ends.expect(rb"boot: Devine on .*\r\n")
        ends.expect(rb"process 1 is /init\r\n")
        ends.expect(rb"init has 7 44\r\n")
        ends.send("a line\n")
        ends.expect(rb"read a line\r\n")
        ends.expect(rb"Kernel panic - not syncing")  # and what QEMU's socket takes of the rest, byte by byte
        machine.expect("Kernel panic - not syncing")
        expect_equal(machine.expect_exit(30), 0, "QEMU's status")
