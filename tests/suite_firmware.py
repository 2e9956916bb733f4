# SPDX-License-Identifier: CC0-1.0
"""Purpose: machines as their firmware describes them: CPUs and nodes of odd shapes, and firmware that is wrong."""
import struct

from firmware import cells, srat_cpu, srat_memory, table, text, tree_of, tree_write
from harness import LOGS, expect_equal, expect_match, test

# Two sockets, three nodes: CPUs in the first two, the second without memory, the third without CPUs.
SHAPE = ["-smp", "8,sockets=2,cores=2,threads=2",
         "-object", "memory-backend-ram,id=a,size=128M", "-object", "memory-backend-ram,id=b,size=128M",
         "-numa", "node,nodeid=0,memdev=a,cpus=0-3", "-numa", "node,nodeid=1,cpus=4-7", "-numa", "node,nodeid=2,memdev=b",
         "-numa", "dist,src=0,dst=1,val=17", "-numa", "dist,src=0,dst=2,val=28", "-numa", "dist,src=1,dst=2,val=28"]


def off(sh):
    """The machine is still one that can be turned off."""
    sh.send("poweroff\n")
    expect_equal(sh.expect_exit(60), 0, "QEMU's status")


@test("three nodes, one without memory, one without CPUs", kernels=("devine",))
def shape(ctx):
    with ctx.shell(args=[*SHAPE, *(["-cpu", "max"] if ctx.arch == "x86_64" else [])], name="three nodes") as sh:
        log = sh.output("dmesg")
        expect_match(r"hardware: 8 CPUs, 3 nodes", log)
        for line in (r"node     0  firmware's 0     distances  10  17  28", r"node     1  firmware's 1     distances  17  10  28",
                     r"node     2  firmware's 2     distances  28  28  10"):
            expect_match(line, log)
        nodes = [int(n) for n in sh.output("sed -n 's/^memory.* usable node //p' /proc/boot").split()]
        expect_equal(sorted(set(nodes)), [0, 2], "nodes with memory")
        expect_equal([line.split()[-3] for line in log.split("\n") if " CPU " in line and "start" in line],
                     ["0"] * 4 + ["1"] * 4, "nodes of CPUs")
        if ctx.arch == "x86_64":  # AMD's leaves do not say who shares a cache
            sh.check("cat /sys/devices/system/cpu/cpu5/cache/index[023]/shared_cpu_list", "4-5\n4-5\n4-7\n")
        off(sh)


@test("numa=off and acpi=off: one node, and one CPU of each package", kernels=("devine",))
def switched_off(ctx):
    with ctx.shell(args=SHAPE, append="numa=off maxcpus=6", name="numa off") as sh:
        expect_match(r"hardware: 8 CPUs, 1 nodes", sh.output("dmesg"))
        sh.check("cd /sys/devices/system/cpu; cat possible present online offline cpu7/online; cd /",
                 "0-7\n0-7\n0-5\n6-7\n0\n")
        off(sh)
    if ctx.arch == "x86_64":
        with ctx.shell(args=["-smp", "4"], append="acpi=off", name="acpi off") as sh:
            # The BIOS's MP table names one CPU of each package.
            expect_match(r"hardware: 1 CPUs, 1 nodes", sh.output("dmesg"))
            expect_equal(sh.run("ls /sys/firmware/acpi")[1], 1, "status of ls")
            off(sh)


@test("CPUs, interrupts and a disk by an MP table alone", archs=("x86_64",), kernels=("devine",))
def mp_table(ctx):
    # Nothing but local APICs, an I/O APIC and devices in memory: no ACPI, no 8259, no PIT.
    drive = LOGS / "mp-table.img"
    drive.write_bytes(b"by MP table" + bytes(513 * 512 - 11))
    args = ["-machine", "microvm,acpi=off,pic=off,pit=off", "-no-reboot", "-smp", "3", "-drive",
            f"file={drive},format=raw,if=none,id=d", "-device", "virtio-blk-device,drive=d"]
    with ctx.shell(args=args, name="mp table") as sh:
        expect_match(r"(?s)hardware.cpu.002: id 0x2 node 0 start sipi.*hardware.ioapic.000: .* gsi 0.*hardware.source: mptable",
                     sh.output("cat /proc/boot"))
        expect_equal(sh.output("nproc; head -c 11 /dev/vda"), "3\nby MP table", "CPUs and disk")
        expect_match(r"IO-APIC +\d+ +virtio0", sh.output("cat /proc/interrupts"))


@test("the cores of two dies have numbers of their own", archs=("x86_64",), kernels=("devine",))
def dies(ctx):
    with ctx.shell(args=["-smp", "4,dies=2,cores=2", "-cpu", "Skylake-Server"], name="dies") as sh:
        sh.check("sed -n 's/^core id.*: //p' /proc/cpuinfo | sort | uniq -c | wc -l", "4\n")
        sh.check("cat /sys/devices/system/cpu/cpu2/topology/die_cpus_list", "2-3\n")
        sh.check("cat /sys/devices/system/cpu/cpu2/cache/index3/shared_cpu_list", "2-3\n")
        expect_match(r"^flags.* constant_tsc .* xtopology .* pni .* arat$", sh.output("cat /proc/cpuinfo"))
        off(sh)


@test("a machine without a power switch says so", archs=("x86_64",), kernels=("devine",))
def no_switch(ctx):
    with ctx.shell(args=["-machine", "pc,acpi=off"], name="no switch") as sh:
        sh.send("poweroff -f\n")
        sh.expect("power: nothing here can turn it off: system halted")


@test("memory above 4 GiB", kernels=("devine",))
def high(ctx):
    with ctx.shell(mem=6144, name="6 GiB") as sh:
        total = int(sh.output("awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
        expect_equal(total > 5900 * 1024, True, f"a total of {total} KiB is near 6 GiB")
        off(sh)


@test("tables are shown to root", archs=("x86_64",), kernels=("devine",))
def shown(ctx):
    with ctx.shell(args=["-machine", "q35"], name="tables") as sh:
        for name in ("APIC", "FACP", "DSDT", "HPET"):
            path = f"/sys/firmware/acpi/tables/{name}"
            expect_equal(sh.output(f"head -c 4 {path}"), name, "signature")
            size = int(sh.output(f"wc -c <{path}"))
            expect_equal(int(sh.output(f"od -A n -t u4 -j 4 -N 4 {path}")), size, f"length of {name}")


@test("SRAT and SLIT that make no sense", archs=("x86_64",), kernels=("devine",))
def bad_tables(ctx):
    srat = (struct.pack("<IQ", 1, 0) + srat_cpu(0, 0) + srat_cpu(1, 77) + srat_memory(0, 0, 64 << 20) +
            srat_memory(1, 32 << 20, 64 << 20) + srat_memory(1, 64 << 20, 64 << 20) + b"\1\0")
    args = [*table("SRAT", srat, "srat"), *table("SLIT", struct.pack("<Q", 2) + bytes(4), "slit"),
            *table("APIC", struct.pack("<II", 0xfee00000, 1) + bytes(2), "madt")]
    with ctx.shell(args=args, name="bad tables") as sh:
        log = sh.output("dmesg")
        for line in (r"APIC at offset 0: a second table, at 0x\w+: left out", r"SRAT at offset 0x40: there is no CPU 0x4d", r"SRAT at offset 0x78: memory at 0x2000000 overlaps",
                     r"SRAT at offset 0xc8: an entry of 0 bytes", r"SLIT at offset 0x2c: node 0 to 0 cannot be 0 away",
                     r"hardware: 1 CPUs, 2 nodes", r"node     1  firmware's 1     distances  20  10"):
            expect_match(line, log)
        off(sh)


@test("more tables than there is room for", archs=("x86_64",), kernels=("devine",))
def many_tables(ctx):
    args = []
    for i in range(70):
        args += table(f"OEM{chr(48 + i // 10)}", bytes([i]), f"oem{i}")
    with ctx.shell(args=args, name="many tables") as sh:
        expect_match(r"[RX]SDT at offset 0x\w+: more than 64 tables", sh.output("dmesg"))
        off(sh)


def boot_tree(ctx, change, name, *args, command="true"):
    """Boots with QEMU's own tree after `change`, runs a command; returns the log."""
    tree = tree_of("-m", "256", *args)
    change(tree)
    path = LOGS / f"{name}.dtb"
    path.write_bytes(tree_write(tree))
    with ctx.shell(args=["-dtb", str(path), *args], name=name) as sh:
        sh.output(command)
        log = sh.output("dmesg")
        off(sh)
    return log


@test("a device tree whose CPUs cannot be started", archs=("arm64",), kernels=("devine",))
def bad_cpus(ctx):
    def change(tree):
        cpus = tree.child("cpus")
        del cpus.child("cpu@1").properties["enable-method"]
        cpus.child("cpu@2").properties["enable-method"] = text("spin-table")
        cpus.child("cpu@3").properties["reg"] = cells(0)
        cpus.child("cpu-map").child("socket0").child("cluster0").child("core0").properties["cpu"] = cells(0xBAD)

    log = boot_tree(ctx, change, "bad cpus", "-smp", "4")
    for line in (r"device tree at offset 0x\w+: cpu@1 has no enable-method", r"cpu@2 has no cpu-release-addr",
                 r"CPU 0 is there twice", r"core0 of cpu-map points to no CPU", r"hardware: 1 CPUs, 1 nodes"):
        expect_match(line, log)


@test("a device tree whose timers do not tick", archs=("arm64",), kernels=("devine",))
def bad_timer(ctx):
    def change(tree):  # lines of nobody's
        tree.child("timer").properties["interrupts"] = cells(1, 1, 0x104, 1, 2, 0x104, 1, 3, 0x104, 1, 4, 0x104)

    log = boot_tree(ctx, change, "bad timer", "-smp", "2", command="i=0; while [ $i -lt 999 ]; do i=$((i+1)); done & sleep 0.2; wait")
    for line in (r"event device arch_timer does not tick: left out", r"event device arch_timer_phys does not tick: left out",
                 r"nothing ticks: timers are late, and one CPU runs", r"smp: 1 further CPUs stay parked: no timer ticks"):
        expect_match(line, log)


@test("a device tree whose nodes are at no distance", archs=("arm64",), kernels=("devine",))
def bad_nodes(ctx):
    def change(tree):
        tree.child("distance-map").properties["distance-matrix"] = cells(0, 0, 10, 0, 1, 17, 1, 2, 0)

    log = boot_tree(ctx, change, "bad nodes", *SHAPE)
    expect_match(r"device tree at offset 0x\w+: node 1 to 2 cannot be 0 away: no distance is believed", log)
    expect_match(r"node     1  firmware's 1     distances  20  10  20", log)


@test("a device tree whose devices are where nothing answers", archs=("arm64",), kernels=("devine",))
def bad_places(ctx):
    hole, words = 0x0E000000, 0x4FF00000  # of the bus; in memory that nobody reserved

    def change(tree):
        console = tree.add("pl011@e000000", reg=cells(0, hole, 0, 0x1000))
        console.properties = {**tree.child("pl011@9000000").properties, **console.properties}
        tree.child("chosen").properties["stdout-path"] = text("/pl011@e000000")
        for name, size in (("pl031@9010000", 0x1000), ("virtio_mmio@a000000", 0x200)):
            tree.child(name).properties["reg"] = cells(0, hole, 0, size)
        tree.child("intc@8000000").child("v2m@8020000").properties["reg"] = cells(0, hole, 0, 0x1000)
        tree.child("pcie@10000000").properties["reg"] = cells(0, hole, 0, 0x1000000)
        for cpu, word in ((1, hole), (2, words), (3, 0x50000000)):
            tree.child("cpus").child(f"cpu@{cpu}").properties.update({
                "enable-method": text("spin-table"), "cpu-release-addr": cells(0, word)})

    log = boot_tree(ctx, change, "bad places", "-smp", "4")
    for line in (r"PL011 at 0xe000000: nothing answers there: left out", r"PL031 at 0xe000000: nothing answers there",
                 r"no virtio device at 0xe000000", r"GICv2m frame at 0xe000000: nothing", r"PCI configuration space at 0xe000000: nothing",
                 r"CPU 0x1: cpu-release-addr 0xe000000 answers nothing", r"CPU 0x2: cpu-release-addr 0x4ff00000 is memory of another use",
                 r"CPU 0x3: cpu-release-addr 0x50000000 answers nothing"):
        expect_match(line, log)
