# SPDX-License-Identifier: CC0-1.0
"""Purpose: several CPUs and memory nodes as programs see them: Debian's nproc, lscpu, taskset, numactl, numastat and
migratepages, and memory policies by their effect.

Model: the machine has 2 sockets of 2 cores of 2 threads and 3 nodes: 0 has the first socket and memory, 1 memory and
a core of the second socket, 2 the other core alone; their distances are 17 and 28. libnuma does not take a node
without memory for an argument, on Linux neither.
"""
import re
import subprocess

from archive import Archive
from harness import BUILD, ROOT, Board, Context, Failure, expect_equal, expect_match, test
from suite_programs import expect_lines, run_in

MEMORY = ("-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M")
TWO_NODES = Board("2 nodes, 1 CPU", 1, args=(
    *MEMORY, "-numa", "node,nodeid=0,memdev=m0,cpus=0", "-numa", "node,nodeid=1,memdev=m1",
    "-numa", "dist,src=0,dst=1,val=17"))
THREE_NODES = Board("3 nodes, 8 CPUs", "8,sockets=2,cores=2,threads=2", args=(
    *MEMORY, "-numa", "node,nodeid=0,memdev=m0,cpus=0-3", "-numa", "node,nodeid=1,memdev=m1,cpus=4-5",
    "-numa", "node,nodeid=2,cpus=6-7", "-numa", "dist,src=0,dst=1,val=17", "-numa", "dist,src=0,dst=2,val=28",
    "-numa", "dist,src=1,dst=2,val=28"))


def on(ctx, board):
    """The same test on another machine."""
    return Context(ctx.arch, ctx.kernel, ctx.variant, board)


# ---- policies ---------------------------------------------------------------------------------------------

def policies(ctx, libc):
    """Runs tests/programs/numa.c, linked with `libc`; its output is Linux's."""
    subprocess.run([ROOT / "scripts/programs.sh", ctx.arch], check=True)
    program = (BUILD / ctx.arch / f"programs/numa-{libc}").read_bytes()
    archive = Archive().busybox(ctx.arch).file("bin/program", program)
    output, status = run_in(on(ctx, TWO_NODES), archive, "/bin/program", f"numa-{libc}", 120)
    expect_lines(output, (ROOT / "tests/programs/numa.expected").read_text())
    expect_equal(status, 0, "status")


@test("memory policies, glibc")
def policies_glibc(ctx):
    policies(ctx, "glibc")


@test("memory policies, musl")
def policies_musl(ctx):
    policies(ctx, "musl")


# ---- tools ------------------------------------------------------------------------------------------------

SCRIPT = """
part() { echo "@@ $1"; shift; "$@" 2>&1; echo "@status $?"; }
nodes() { cat /sys/devices/system/node/node$1/numastat; grep MemFree /sys/devices/system/node/node$1/meminfo; }
part lscpu lscpu
part nproc nproc
part some taskset -c 2,5 nproc
part list taskset -c 3 sh -c 'taskset -cp $$'
part hardware numactl -H
part show numactl --membind=1 --cpunodebind=1 numactl -s
part cpus numactl --cpunodebind=1 sh -c 'taskset -cp $$'
part maps numactl --membind=1 cat /proc/self/numa_maps
part before0 nodes 0
part before1 nodes 1
part interleave numactl --interleave=0,1 dd if=/dev/zero of=/tmp/a bs=1M count=16
part between0 nodes 0
part between1 nodes 1
part meminfo0 numastat -m
part bind numactl --membind=1 dd if=/dev/zero of=/tmp/b bs=1M count=16
part meminfo1 numastat -m
part after0 nodes 0
part after1 nodes 1
rm -f /tmp/a /tmp/b
part strict numactl --membind=1 dd if=/dev/zero of=/tmp/null bs=200M count=1
part lives nodes 1
numactl --membind=1 sleep 1000 & pid=$!
sleep 1
part process numastat -p $pid
part migrate migratepages $pid 1 0
part moved numastat -p $pid
kill $pid
part numastat numastat
part getcpu taskset -c 6 sh -c 'cat /proc/self/status'
"""


def parts_of(output):
    """The script's output as {part: (text, status)}."""
    found = re.findall(r"@@ (\w+)\n(.*?)@status (\d+)\n", output, re.S)
    return {name: (text, int(status)) for name, text, status in found}


def field(text, name):
    """The value behind `name:` or `name` at the start of a line."""
    return expect_match(rf"^\s*{re.escape(name)}:?\s+(.*?)\s*$", text, name)[1]


def tools(ctx):
    """Runs SCRIPT with Debian's tools; returns its parts."""
    subprocess.run([ROOT / "scripts/numa-tools.sh", ctx.arch], check=True)
    archive = Archive().busybox(ctx.arch).tree(BUILD / ctx.arch / "numa-tools").file("script", SCRIPT)
    for applet in ("cat", "dd", "grep", "kill", "rm", "sleep"):
        archive.link(f"bin/{applet}", "busybox")
    command = "busybox mount -t sysfs sysfs /sys; sh /script 2>&1"
    return parts_of(run_in(on(ctx, THREE_NODES), archive, command, "numa-tools", 300)[0])


def check_cpus(parts):
    """lscpu, nproc and taskset."""
    text = parts["lscpu"][0]
    sockets = "Socket(s)" if re.search(r"Socket\(s\):\s+\d", text) else "Cluster(s)"  # so lscpu without DMI on arm64
    for name, value in (("CPU(s)", "8"), ("On-line CPU(s) list", "0-7"), ("Thread(s) per core", "2"),
                        (sockets, "2"), ("NUMA node(s)", "3"), ("NUMA node0 CPU(s)", "0-3"),
                        ("NUMA node1 CPU(s)", "4,5"), ("NUMA node2 CPU(s)", "6,7")):
        expect_equal(field(text, name), value, f"lscpu's {name}")
    expect_equal(parts["nproc"], ("8\n", 0), "nproc")
    expect_equal(parts["some"], ("2\n", 0), "nproc with two CPUs")
    expect_match(r"affinity list: 3$", parts["list"][0], "taskset")
    expect_match(r"affinity list: 4-5$", parts["cpus"][0], "numactl --cpunodebind")
    status = parts["getcpu"][0]
    expect_equal(field(status, "Cpus_allowed"), "40", "Cpus_allowed")
    expect_equal(field(status, "Cpus_allowed_list"), "6", "Cpus_allowed_list")
    expect_equal(field(status, "Mems_allowed_list"), "0-1", "Mems_allowed_list")


def check_hardware(parts):
    """numactl -H and --show."""
    text = parts["hardware"][0]
    expect_match(r"^available: 3 nodes \(0-2\)$", text)
    for name, value in (("node 0 cpus", "0 1 2 3"), ("node 1 size", r"1[12]\d MB"), ("node 1 cpus", "4 5"), ("node 2 cpus", "6 7"),
                        ("node 2 size", "0 MB"), ("0", "10  17  28"), ("1", "17  10  28"), ("2", "28  28  10")):
        expect_match(rf"^\s*{name}:\s+{value}\s*$", text, "numactl -H")
    expect_match(r"^policy: bind$(?s:.*)^physcpubind: 4 5\s*$(?s:.*)^membind: 1\s*$", parts["show"][0])


def counters(parts, name):
    """The numbers of a node's numastat, and its free memory in pages."""
    text = parts[name][0]
    numbers = {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}
    numbers["free"] = int(re.search(r"MemFree:\s+(\d+) kB", text)[1]) // 4
    return numbers


def expect_moved(parts, node, then, now, key, low, high):
    """Fails unless a node's counter moved by low to high."""
    change = counters(parts, now + node)[key] - counters(parts, then + node)[key]
    if not low <= change <= high:
        raise Failure(f"{key} of node {node} changed by {change} from {then} to {now}, not by {low} to {high}")


def check_memory(parts):
    """--membind and --interleave by what the nodes count."""
    for line in parts["maps"][0].splitlines():
        expect_match(r"^[0-9a-f]+ bind:1\b", line, "a line of numa_maps")
        if "anon=" in line and "mapped=" not in line:
            expect_match(r" N1=\d+", line, "a line of numa_maps")
            expect_equal(" N0=" in line, False, f"pages of node 0 in {line!r}")
    for node in "01":
        expect_moved(parts, node, "before", "between", "interleave_hit", 2040, 2600)
        expect_moved(parts, node, "before", "between", "free", -2900, -1900)
    expect_moved(parts, "0", "between", "after", "free", -600, 600)
    expect_moved(parts, "1", "between", "after", "free", -4900, -4000)
    expect_moved(parts, "1", "between", "after", "numa_hit", 4096, 5500)
    if parts["strict"][1] == 0:
        raise Failure("a process bound to node 1 got more memory than there is")
    if counters(parts, "lives")["free"] < 25000:
        raise Failure("the memory of a process that was bound to node 1 did not come back")


def check_meminfo(parts):
    """numastat -m: MB of each node and their sum, by what lies in a file on node 1."""
    before, after = ({name: [float(word) for word in field(parts[part][0], name).split()]
                      for name in ("MemTotal", "MemUsed", "FilePages", "Shmem", "KernelStack", "PageTables", "Slab")}
                     for part in ("meminfo0", "meminfo1"))
    for name in ("FilePages", "Shmem"):
        expect_equal([round(b - a, 2) for a, b in zip(before[name], after[name])], [0, 16, 0, 16], f"change of {name}")
    if not after["MemTotal"][1] > after["MemUsed"][1] > 16 or not all(after[n][0] > 0 for n in ("KernelStack", "PageTables", "Slab")):
        raise Failure(f"numastat -m says {after}")
    expect_equal({values[2] for values in after.values()}, {0}, "what a node without memory has")


def process_on(text):
    """MB of a process on each node, by numastat -p."""
    return [float(word) for word in field(text, "Total").split()]


def check_process(parts):
    """numastat -p, before and after migratepages."""
    before, after = process_on(parts["process"][0]), process_on(parts["moved"][0])
    if not before[1] > 0.02 or not before[1] > after[1] or not after[0] > before[0]:
        raise Failure(f"numastat -p says {before} before and {after} after migratepages")
    expect_match(r"^numa_hit\s+\d+\s+\d+\s+0\s*$", parts["numastat"][0], "numastat")


@test("nproc, lscpu, taskset, numactl, numastat on 2 sockets, 8 CPUs, 3 nodes", kernels=("devine",))
def tools_tell_the_truth(ctx):
    parts = tools(ctx)
    check_cpus(parts)
    check_hardware(parts)
    check_memory(parts)
    check_meminfo(parts)
    check_process(parts)
