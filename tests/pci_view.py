# SPDX-License-Identifier: CC0-1.0
"""Purpose: PCI as /sys shows it and as QEMU says it is, brought to one form and compared."""
import re
import subprocess

from archive import Archive
from harness import BUILD, ROOT, Failure, expect_equal

# One line for each function, one for each of its resources; decoding is switched on, as QEMU tells only
# what is decoded.
DUMP = r"""
for d in /sys/bus/pci/devices/*; do
    case $(hexdump -s 14 -n 1 -e '/1 "%02x"' $d/config) in 00|80)
        printf '\007' | dd of=$d/config bs=1 seek=4 conv=notrunc 2>/dev/null;; esac
    echo "F ${d##*/} $(cat $d/vendor) $(cat $d/device) $(cat $d/class) $(readlink $d)"
    sed 's/^/R /' $d/resource
    echo "B $(hexdump -s 14 -n 1 -e '/1 "%02x"' $d/config) $(hexdump -s 24 -n 3 -e '3/1 "%02x "' $d/config)"
done
"""


def tools_initrd(arch):
    """The standard root file system with lspci, lscpu and lsmem."""
    subprocess.run([ROOT / "scripts/pci-tools.sh", arch], check=True)
    subprocess.run([ROOT / "scripts/rootfs.sh", arch], check=True)
    out = BUILD / "tests" / f"pci-{arch}.cpio"
    out.parent.mkdir(parents=True, exist_ok=True)
    tools = Archive().tree(BUILD / arch / "pci-tools").file("bin/pci-dump", "#!/bin/sh\n" + DUMP)
    out.write_bytes((BUILD / arch / "initramfs.cpio").read_bytes() + tools.dump())
    return out


def from_sys(text):
    """{address: function} of DUMP's output."""
    functions, current = {}, None
    for line in text.splitlines():
        kind, *words = line.split()
        if kind == "F":
            current = {"id": tuple(int(w, 16) for w in words[1:3]), "class": int(words[3], 16) >> 8,
                       "path": words[4], "lines": []}
            functions[words[0]] = current
        elif kind == "R":
            start, end, flags = (int(w, 16) for w in words)
            current["lines"].append((start, end - start + 1, flags) if flags else None)
        elif kind == "B" and int(words[0], 16) & 0x7F == 1:
            current["buses"] = tuple(int(w, 16) for w in words[1:4])
    for function in functions.values():
        function["bars"] = {n: line[:2] for n, line in enumerate(function["lines"][:6]) if line}
    return functions


def from_qemu(buses):
    """{address: function} of query-pci."""
    functions = {}

    def add(devices):
        for device in devices:
            name = f"0000:{device['bus']:02x}:{device['slot']:02x}.{device['function']}"
            function = {"id": (device["id"]["vendor"], device["id"]["device"]), "class": device["class_info"]["class"],
                        "bars": {r["bar"]: (r["address"], r["size"]) for r in device["regions"] if r["bar"] < 6}}
            functions[name] = function
            if "pci_bridge" in device:
                bus = device["pci_bridge"]["bus"]
                function["buses"] = (bus["number"], bus["secondary"], bus["subordinate"])
                function["windows"] = [(bus[r]["base"], bus[r]["limit"])
                                       for r in ("io_range", "memory_range", "prefetchable_range")]
                add(device["pci_bridge"].get("devices", []))

    for bus in buses:
        add(bus["devices"])
    return functions


def compare(ours, theirs):
    """Fails where the kernel's view of PCI is not QEMU's."""
    expect_equal(sorted(ours), sorted(theirs), "the set of functions")
    for name, function in theirs.items():
        own = ours[name]
        for field in ("id", "class", "buses"):
            expect_equal(own.get(field), function.get(field), f"{name}'s {field}")
        bars = {n: bar for n, bar in function["bars"].items() if bar[0] not in (-1, 2**64 - 1, 2**32 - 1)}
        expect_equal(own["bars"], bars, f"{name}'s BARs")
        if set(bars) != set(function["bars"]):
            raise Failure(f"{name}: QEMU has BARs that are nowhere: {function['bars']}")
        for line, (base, limit) in zip(own["lines"][7:10], function.get("windows", [])):
            if line:
                expect_equal((line[0], line[0] + line[1] - 1), (base, limit), f"a window of {name}")
            elif 0 < base <= limit:
                raise Failure(f"{name}: QEMU has a window {base:#x}-{limit:#x} that the kernel does not know")


def overlaps(functions):
    """Fails when two BARs overlap."""
    spans = sorted((flags & 0x100, start, start + size, name) for name, f in functions.items()
                   for start, size, flags in filter(None, f["lines"][:6]))
    for one, other in zip(spans, spans[1:]):
        if one[0] == other[0] and other[1] < one[2]:
            raise Failure(f"BARs of {one[3]} and {other[3]} overlap at {other[1]:#x}")


def addresses(text):
    """The functions that a listing names."""
    return sorted(set(re.findall(r"^(?:0000:)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", text, re.M)))
