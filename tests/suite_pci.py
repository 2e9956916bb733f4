# SPDX-License-Identifier: CC0-1.0
"""Purpose: PCI on QEMU's machines: what the kernel and Debian's lspci say is what QEMU says; functions go and come
back; a driver's registers, interrupts and DMA work, and its device can be taken away at any time.

Model: x86_64 is tested as q35 (configuration space in memory, messages) and as pc (ports, lines), arm64 with a
GICv3 (messages to its ITS, also from behind bridges, which share their number) and a GICv2. One boot of each does all.
Messages to a GICv2m frame are what suite_disk's entropy device sends.
"""
import pci_view
from harness import Board, Context, Failure, expect_equal, expect_match, test
from qmp import Monitor



def line_disk(n, where):
    """A disk of zeros without messages: what it has to say comes by its line."""
    return ("-drive", f"driver=null-co,size=1M,read-zeroes=on,if=none,id=n{n}", "-device", f"virtio-blk-pci,drive=n{n},vectors=0,bus={where}")


DEVICES = {
    "pcie": ("-device", "pcie-root-port,id=r1,chassis=1,addr=4.0,multifunction=on",
             "-device", "pcie-root-port,id=r2,chassis=2,addr=4.1", "-device", "pcie-root-port,id=r3,chassis=3,addr=4.5",
             "-device", "virtio-rng-pci,bus=r1", "-device", "pcie-pci-bridge,id=b1,bus=r2",
             "-device", "pci-bridge,id=b2,bus=b1,addr=2,chassis_nr=5",
             "-device", "virtio-net-pci,bus=b2,addr=3,romfile=", "-device", "edu,bus=b1,addr=5,dma_mask=0xffffffff",
             "-device", "virtio-rng-pci,addr=6.0,multifunction=on", "-device", "virtio-balloon-pci,addr=6.3",
             "-device", "bochs-display,addr=7", "-device", "edu,addr=8,dma_mask=0xffffffff",
             *(word for n, where in enumerate(("r3", "b1,addr=6", "b2,addr=4", "pcie.0,addr=9")) for word in line_disk(n, where))),
    "pci": ("-device", "pci-bridge,id=b1,addr=5,chassis_nr=1", "-device", "pci-bridge,id=b2,bus=b1,addr=2,chassis_nr=2",
            "-device", "virtio-net-pci,bus=b2,addr=3,romfile=", "-device", "edu,bus=b1,addr=5,dma_mask=0xffffffff",
            "-device", "virtio-rng-pci,addr=6.0,multifunction=on", "-device", "virtio-balloon-pci,addr=6.3",
            "-device", "bochs-display,addr=7", "-device", "edu,addr=8,dma_mask=0xffffffff",
            *(word for n, where in enumerate(("b1,addr=6", "b2,addr=4", "pci.0,addr=9")) for word in line_disk(n, where))),
}
# Buses that no bridge leads to: a PC's tables name them. On pc their functions are behind a bridge of their own.
PEERS = {
    "q35": ("-device", "pxb-pcie,id=x1,bus_nr=64,bus=pcie.0,addr=b", "-device", "pcie-root-port,id=r4,chassis=7,bus=x1",
            "-device", "virtio-rng-pci,bus=r4", "-device", "pxb-pcie,id=x2,bus_nr=200,bus=pcie.0,addr=c"),
    "pc": ("-device", "pxb,id=x1,bus_nr=64,bus=pci.0,addr=b", "-device", "virtio-rng-pci,bus=x1,addr=4"),
}
BOARDS = {
    "x86_64": {"messages": (("-machine", "q35"), "pcie", "", "MSI"), "lines": (("-machine", "pc"), "pci", "nomsi", "INTx")},
    "arm64": {"messages": (("-machine", "gic-version=3"), "pcie", "", "MSI"), "lines": ((), "pcie", "nomsi", "INTx")},
}


def check_views(shell, monitor):
    """/sys, lspci and QEMU agree."""
    ours = pci_view.from_sys(shell.output("sh /bin/pci-dump", 120))
    theirs = pci_view.from_qemu(monitor.ask("query-pci"))
    pci_view.compare(ours, theirs)
    pci_view.overlaps(ours)
    names = sorted(name[5:] for name in theirs)
    expect_equal(pci_view.addresses(shell.output("lspci", 60)), names, "lspci")
    lines = dict(line.split(" ", 1) for line in shell.output("lspci -n").splitlines())
    for name, function in theirs.items():
        expect_match(rf"^{function['class']:04x}: {function['id'][0]:04x}:{function['id'][1]:04x}", lines[name[5:]],
                     f"lspci -n of {name}")
    expect_match(r"(?s)PCI bridge \[0604\]: Red Hat.*\[1af4:\d+\]", shell.output("lspci -nn"), "lspci -nn")
    expect_equal(pci_view.addresses(shell.output("lspci -vv 2>/dev/null", 120)), names, "lspci -vv")
    expect_match(r"^-(\+-)?\[0000:00\]-\+-", shell.output("lspci -t"), "lspci -t")
    expect_match(r"^00: f4 1a ", shell.output("lspci -x -s 6.3"), "lspci -x")
    return ours


def check_rescan(shell, ours):
    """Functions and bridges that are removed come back where they were."""
    # A message's number may be another one when a driver takes it again.
    listing = "lspci -vn 2>/dev/null | sed 's/, IRQ [0-9]*//'"
    before = shell.output(listing, 60)
    bridge = next(name for name in sorted(ours) if ours[name].get("buses", (0, 0, 0))[2] > ours[name].get("buses", (0, 0, 0))[1])
    below = [name for name in ours if bridge in ours[name]["path"] and name != bridge]
    if len(below) < 3:
        raise Failure(f"{bridge} has {below} below it")
    shell.output(f"echo 1 >/sys/bus/pci/devices/{bridge}/remove; echo 1 >/sys/bus/pci/devices/0000:00:06.3/remove")
    left = sorted(shell.output("ls /sys/bus/pci/devices").split())
    expect_equal(left, sorted(set(ours) - {bridge, "0000:00:06.3"} - set(below)), "what is left after a removal")
    expect_equal(shell.run(f"cat /sys/bus/pci/devices/{bridge}/vendor")[1], 1, "status of reading what is gone")
    shell.output("echo 1 >/sys/bus/pci/rescan")
    expect_equal(shell.output(listing, 60), before, "lspci after a rescan")
    expect_equal(shell.run("echo 2 >/sys/bus/pci/rescan")[1], 1, "status of a rescan with 2")


def check_lines(shell):
    """Disks without messages, behind each kind of bridge: pins are turned as they should, and the lines arrive."""
    disks = shell.output("for b in /sys/block/vd?; do echo ${b##*/} $(readlink -f $b/device); done").split("\n")[:-1]
    for disk, path in (line.split() for line in disks):
        function, device = path.split("/")[-2:]
        irq = int(shell.output(f"cat /sys/bus/pci/devices/{function}/irq"))
        row = rf"^ *{irq}: +(\d+) .* (?:GIC|IO-APIC).* {device}\b"
        before = int(expect_match(row, shell.output("cat /proc/interrupts"), f"{disk}'s line").group(1))
        shell.output(f"for i in 1 2 3; do dd if=/dev/{disk} of=/tmp/zeros bs=64k count=1 iflag=direct || break; done; rm /tmp/zeros; test $i = 3")
        after = int(expect_match(row, shell.output("cat /proc/interrupts"), f"{disk}'s line").group(1))
        expect_equal(after >= before + 3, True, f"{function}: line {irq} came {after - before} times for 3 requests")
    return len(disks)


def check_driver(shell, ours, kind):
    """The driver of `edu` on each of the two, through its files."""
    devices = [name for name in sorted(ours) if ours[name]["id"] == (0x1234, 0x11E8)]
    expect_equal(len(devices), 2, "number of edu devices")
    for name in devices:
        folder = f"/sys/bus/pci/devices/{name}"
        shell.check(f"cd {folder} && echo 10 >factorial && cat factorial; readlink driver; cd /", "3628800\n" +
                    "../" * (ours[name]["path"].count("/") - 2) + "bus/pci/drivers/edu\n")
        shell.output(f"for i in 1 2 3; do echo $i >{folder}/interrupt || false; done && echo 5 >{folder}/dma && echo 6 >{folder}/dma")
        shell.check(f"cat {folder}/interrupts", f"{kind} 3\n")
    irq = int(shell.output(f"cat {folder}/irq"))
    if irq == 0:
        raise Failure("no interrupt")
    shell.output(f"echo 2 >/proc/irq/{irq}/smp_affinity && echo 7 >{folder}/interrupt && echo 8 >{folder}/interrupt")
    expect_match(rf"^\s*{irq}:\s+\d+\s+[1-9]\d*\s.*edu", shell.output("cat /proc/interrupts"), "the second CPU's interrupts")
    shell.output(f"echo 1 >/proc/irq/{irq}/smp_affinity")


def check_messages(shell, ours, arch):
    """Who brings messages has its name in /proc/interrupts; one that is moved 300 times, which takes an ITS more commands than
    its ring has room for, arrives where it was last sent."""
    chip = "ITS-MSI" if arch == "arm64" else "PCI-MSI"
    name = [name for name in sorted(ours) if ours[name]["id"] == (0x1234, 0x11E8)][0]
    irq = int(shell.output(f"cat /sys/bus/pci/devices/{name}/irq"))
    shell.put("/tmp/move", f"i=0; while [ $i -lt 300 ]; do echo $((1 + i % 2)) >/proc/irq/{irq}/smp_affinity || exit 1; "
              f"i=$((i + 1)); done; cat /proc/irq/{irq}/smp_affinity")
    shell.check("sh /tmp/move", "2\n")
    before = expect_match(rf"^ *{irq}: +(\d+) +(\d+) +{chip} +{irq} +edu", shell.output("cat /proc/interrupts"), "messages").groups()
    shell.output(f"for i in 1 2 3 4 5; do echo $i >/sys/bus/pci/devices/{name}/interrupt || break; done; test $i = 5")
    expect_match(rf"^ *{irq}: +{before[0]} +{int(before[1]) + 5} ", shell.output("cat /proc/interrupts"), "after 5 more")
    shell.output(f"echo 1 >/proc/irq/{irq}/smp_affinity")


def check_unbind(shell, ours):
    """unbind, bind, removal while the device is in use; files that are open then."""
    name = [name for name in sorted(ours) if ours[name]["id"] == (0x1234, 0x11E8)][0]
    folder, driver = f"/sys/bus/pci/devices/{name}", "/sys/bus/pci/drivers/edu"
    shell.output(f"echo {name} >{driver}/unbind && ! test -e {folder}/driver && ! test -e {folder}/dma")
    expect_equal(shell.run(f"echo {name} >{driver}/unbind")[1], 1, "status of unbind again")
    shell.output(f"echo {name} >{driver}/bind && echo 9 >{folder}/interrupt")
    shell.output(f"(while echo 4 >{folder}/dma; do echo 3 >{folder}/interrupt; done) 2>/dev/null & exec 5<{folder}/config 6>{folder}/interrupt")
    shell.output(f"usleep 300000; echo 1 >{folder}/remove")
    expect_equal(shell.run("wait; echo 1 >&6")[1], 1, "status of a write to a device that is gone")
    expect_equal(shell.run("cat <&5")[1], 1, "status of a read from a device that is gone")
    shell.output(f"exec 5<&- 6>&-; echo 1 >/sys/bus/pci/rescan; echo 9 >{folder}/interrupt && echo 4 >{folder}/dma")
    shell.output("for i in 1 2 3 4 5 6 7 8 9 10; do "
                 f"echo 1 >{folder}/remove && echo 1 >/sys/bus/pci/rescan && echo 5 >{folder}/interrupt || break; done; test $i = 10", 60)


def check_restart(shell, ours):
    """The driver is stopped and started while its devices are used; nothing is lost, and they work."""
    names = [name for name in sorted(ours) if ours[name]["id"] == (0x1234, 0x11E8)]
    shell.put("/tmp/use", "".join(f"(while [ ! -e /tmp/stop ]; do echo 3 >/sys/bus/pci/devices/{name}/dma; "
                                  f"echo 4 >/sys/bus/pci/devices/{name}/interrupt; done) 2>/dev/null &\n" for name in names))
    shell.put("/tmp/restart", "i=0; while [ $i -lt $1 ]; do echo restart >/proc/subsystems/edu/control || exit 1; i=$((i + 1)); done")
    shell.output("sh /tmp/restart 10")
    used = "awk '/^heap_bytes/ { h = $2 } /^frames_free/ { print h, $2 }' /proc/counters"
    # Caches and what ended processes leave for a while go up and down; a block for each restart would only go up.
    for _ in range(6):
        before = [int(n) for n in shell.output(used).split()]
        shell.output("sh /tmp/restart 200", 120)
        after = [int(n) for n in shell.output(used).split()]
        if after[0] - before[0] < 200 * 64 and after[1] >= before[1] - 8:
            break
    else:
        raise Failure(f"200 restarts of the driver: heap and frames were {before}, are {after}")
    shell.run("rm -f /tmp/stop; . /tmp/use")
    shell.output("sh /tmp/restart 30", 120)
    shell.run("touch /tmp/stop; wait", 120)
    for name in names:
        shell.output(f"echo 9 >/sys/bus/pci/devices/{name}/interrupt && echo 4 >/sys/bus/pci/devices/{name}/dma")


def check_config(shell, ours):
    """config: who may read and write how much."""
    name = next(name for name in sorted(ours) if ours[name]["id"][0] == 0x1AF4)
    folder = f"/sys/bus/pci/devices/{name}"
    size = int(shell.output(f"stat -Lc %s {folder}/config"))
    shell.check(f"wc -c <{folder}/config", f"{size}\n")
    shell.check(f"su -s /bin/sh nobody -c 'wc -c <{folder}/config'", "64\n")
    expect_equal(shell.run(f"su -s /bin/sh nobody -c 'echo 1 >{folder}/remove' 2>/dev/null")[1], 1, "a guest's removal")
    shell.check(f"dd if={folder}/config bs=1 skip={size} count=4 2>/dev/null | wc -c", "0\n")
    shell.check(f"dd if={folder}/config bs=3 skip=1 count=2 2>/dev/null | hexdump -e '/1 \"%02x\"'",
                shell.output(f"hexdump -s 3 -n 6 -e '/1 \"%02x\"' {folder}/config"))


def run(ctx, which):
    """One boot."""
    machine, devices, append, kind = BOARDS[ctx.arch][which]
    board = Board(which, 2, args=(*machine, *DEVICES[devices], *PEERS.get(machine[-1] if machine else "", ())))
    monitor = Monitor()
    context = Context(ctx.arch, ctx.kernel, ctx.variant, board)
    try:
        with context.shell(initrd=pci_view.tools_initrd(ctx.arch), args=monitor.args(), append=append,
                           name=f"pci-{which}") as shell:
            monitor.connect()
            ours = check_views(shell, monitor)
            check_rescan(shell, ours)
            expect_equal(check_lines(shell), DEVICES[devices].count("-drive"), "disks")
            check_driver(shell, ours, kind)
            if kind == "MSI":
                check_messages(shell, ours, ctx.arch)
            check_unbind(shell, ours)
            check_restart(shell, ours)
            check_config(shell, ours)
            check_views(shell, monitor)
    finally:
        monitor.close()


@test("PCI with messages: lspci, rescan, a driver", kernels=("devine",))
def messages(ctx):
    run(ctx, "messages")


@test("PCI with lines: lspci, rescan, a driver", kernels=("devine",))
def lines(ctx):
    run(ctx, "lines")
