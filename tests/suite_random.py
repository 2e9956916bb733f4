# SPDX-License-Identifier: CC0-1.0
"""Purpose: the kernel's inventory of random machines is QEMU's own: CPUs and how they share sockets and cores, memory,
nodes and distances, PCI, the interrupt controller; and lscpu, lsmem and lspci of Debian say the same.

Model: a seed makes a machine (random_machine.py). scripts/test.sh tries a few of each architecture, --nightly many.
"""
import os
import re
import subprocess
import tempfile

import pci_view
from harness import Board, Context, Failure, expect_equal, expect_match, test
from qmp import Monitor
from random_machine import BLOCK, MIB, DeviceTree, RandomMachine, cells

# The few: PCs without and with a hole in their memory and with nodes, a GICv2 with four nodes, GICv3s.
SEEDS = {"x86_64": (1, 11, 16), "arm64": (3, 6, 15)}
if os.environ.get("TEST_NIGHTLY"):
    SEEDS = {arch: range(1, 26) for arch in SEEDS}

INVENTORY = r"""
grep -c ^processor /proc/cpuinfo
echo @topology
for d in /sys/devices/system/cpu/cpu[0-9]*; do
    echo "${d##*/cpu} $(cat $d/topology/thread_siblings_list) $(cat $d/topology/core_siblings_list) $(ls -d $d/node*)"
done
echo @nodes
for d in /sys/devices/system/node/node[0-9]*; do
    echo "${d##*/node} $(cat $d/distance) / $(ls -d $d/memory[0-9]* 2>/dev/null | wc -l)"
done
echo @memory
cat /sys/devices/system/memory/block_size_bytes
cat /sys/devices/system/memory/memory*/phys_index
grep MemTotal /proc/meminfo
echo @pci
for d in /sys/bus/pci/devices/*; do echo "${d##*/} $(cat $d/numa_node)"; done
echo @interrupts
cat /proc/interrupts
echo @end
"""


def parts_of(text):
    """The inventory's lines by part."""
    parts, name = {"cpus": []}, "cpus"
    for line in text.splitlines():
        if line.startswith("@"):
            name = line[1:]
            parts[name] = []
        else:
            parts[name].append(line)
    return parts


def members(text):
    """The numbers of a list such as 0-2,5."""
    found = set()
    for piece in text.split(","):
        low, _, high = piece.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def check_cpus(parts, machine, monitor):
    """How many, who shares what, and which node each is on."""
    expect_equal(int(parts["cpus"][0]), machine.cpus, "processors in /proc/cpuinfo")
    props = {cpu["cpu-index"]: cpu["props"] for cpu in monitor.ask("query-cpus-fast")}
    expect_equal(len(props), machine.cpus, "QEMU's CPUs")
    if machine.arch == "x86_64":
        slots = [slot for slot in monitor.ask("query-hotpluggable-cpus") if "qom-path" in slot]
        expect_equal(sum(slot["vcpus-count"] for slot in slots), machine.cpus, "QEMU's hot-pluggable CPUs")

    def place(cpu, depth):
        names = ("socket-id", "die-id", "cluster-id", "core-id")[:depth]
        return tuple(props[cpu].get(name, 0) for name in names)

    for line in parts["topology"]:
        cpu, threads, cores, node = line.split()
        expect_equal(members(threads), {c for c in props if place(c, 4) == place(int(cpu), 4)}, f"CPU {cpu}'s threads")
        expect_equal(members(cores), {c for c in props if place(c, 1) == place(int(cpu), 1)}, f"CPU {cpu}'s package")
        expect_equal(int(node.rsplit("node", 1)[1]), props[int(cpu)].get("node-id", 0), f"CPU {cpu}'s node")


def check_memory(parts, machine, monitor):
    """Blocks, nodes, distances."""
    size = monitor.ask("query-memory-size-summary")["base-memory"]
    block = int(parts["memory"][0], 16)
    indexes = [int(line, 16) for line in parts["memory"][1:-1]]
    expect_equal(block, BLOCK, "the size of a memory block")
    expect_equal(len(indexes) * block, size, "memory in blocks")
    expect_equal(len(set(indexes)), len(indexes), "number of different blocks")
    total = int(parts["memory"][-1].split()[1]) * 1024
    if not 0.9 * size - 48 * MIB < total <= size:
        raise Failure(f"MemTotal is {total // MIB} MiB, QEMU has {size // MIB}")
    nodes = {int(line.split()[0]): line.split(None, 1)[1] for line in parts["nodes"]}
    expect_equal(sorted(nodes), list(range(len(machine.node_blocks))), "the nodes")
    for node, text in nodes.items():
        distances, blocks = text.split("/")
        asked = [10 if node == to else (machine.distances or {}).get((node, to)) for to in nodes]
        expect_equal([int(d) for d in distances.split()], asked, f"distances of node {node}")
        expect_equal(int(blocks), machine.node_blocks[node], f"blocks of node {node}")


def check_tree(text, machine, ctx):
    """What the device tree that QEMU writes says, on arm64."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tree")
        args = [a if a != machine.machine else f"{machine.machine},dumpdtb={path}" for a in machine.args()]
        subprocess.run(["qemu-system-aarch64", "-cpu", "cortex-a72", "-display", "none", "-m", f"{machine.blocks * 128}M",
                        "-smp", machine.smp(), *args], check=True, capture_output=True, timeout=120)
        with open(path, "rb") as blob:
            tree = DeviceTree(blob.read())
    expect_equal(len(tree.of_type("cpu")), machine.cpus, "CPUs in the tree")
    size = 0
    for memory in tree.of_type("memory"):
        words = cells(memory["reg"])
        size += words[2] << 32 | words[3]
    expect_equal(size, machine.blocks * BLOCK, "memory in the tree")
    version = 3 if tree.compatible("arm,gic-v3") else 2
    expect_match(rf"GICv{version}", text, "/proc/interrupts")
    if version == 3 and re.search(r" (virtio\d|edu)", text):  # messages of all that have a driver go to the ITS
        expect_match(r"(?m)^ *1\d+: .* ITS-MSI .*(virtio|edu)", text, "/proc/interrupts")
    ecam = tree.compatible("pci-host-ecam-generic")
    expect_equal(len(ecam), 1, "PCI hosts in the tree")


def check_tools(shell, machine, theirs):
    """lscpu, lsmem, lspci."""
    text = shell.output("lscpu", 60)
    for name, value in (("CPU(s)", machine.cpus), ("Thread(s) per core", machine.threads),
                        ("NUMA node(s)", len(machine.node_blocks))):
        expect_match(rf"^\s*{re.escape(name)}:\s+{value}$", text, "lscpu")
    if machine.arch == "x86_64":
        expect_match(rf"^Socket\(s\):\s+{machine.sockets}$", re.sub(r"(?m)^ +", "", text), "lscpu")
    expect_equal(int(expect_match(r"Total online memory:\s+(\d+)", shell.output("lsmem -b", 60), "lsmem")[1]),
                 machine.blocks * BLOCK, "lsmem's total")
    expect_equal(pci_view.addresses(shell.output("lspci", 60)), sorted(name[5:] for name in theirs), "lspci")


def run(ctx, seed):
    """Boots the machine of a seed and looks at everything."""
    machine = RandomMachine(ctx.arch, seed)
    board = Board(f"random {seed}", machine.smp(), args=machine.args())
    monitor = Monitor()
    try:
        with Context(ctx.arch, ctx.kernel, ctx.variant, board).shell(
                initrd=pci_view.tools_initrd(ctx.arch), mem=machine.blocks * 128, args=monitor.args(),
                boot_timeout=240) as shell:
            monitor.connect()
            parts = parts_of(shell.script(INVENTORY, 120))
            check_cpus(parts, machine, monitor)
            check_memory(parts, machine, monitor)
            ours = pci_view.from_sys(shell.output("sh /bin/pci-dump", 180))
            theirs = pci_view.from_qemu(monitor.ask("query-pci"))
            pci_view.compare(ours, theirs)
            pci_view.overlaps(ours)
            for name, node in (line.split() for line in parts["pci"]):
                expect_equal(int(node), machine.peer_node if int(name[5:7], 16) >= machine.peer_bus else -1, f"{name}'s node")
            interrupts = "\n".join(parts["interrupts"])
            if ctx.arch == "arm64":
                check_tree(interrupts, machine, ctx)
            else:
                expect_match("IO-APIC", interrupts, "/proc/interrupts")
            check_tools(shell, machine, theirs)
    except Failure as failure:
        raise Failure(f"machine {seed}: {machine}\n{failure}") from failure
    finally:
        monitor.close()


def register(arch, seed):
    """One test for each machine."""
    @test(f"random machine {seed}", archs=(arch,), kernels=("devine",))
    def random_machine(ctx):
        run(ctx, seed)


for name, numbers in SEEDS.items():
    for number in numbers:
        register(name, number)
