# SPDX-License-Identifier: CC0-1.0
"""Purpose: random QEMU machines: CPUs, memory with holes, nodes and distances, PCI.

Model: Random_machine(arch, seed) is always the same machine: QEMU's arguments, and what was asked for. What the
kernel says is compared with that, and with what QEMU itself says over its monitor (query-cpus-fast,
query-hotpluggable-cpus, query-memory-size-summary, query-pci) and, on arm64, in the device tree that it writes
(-machine dumpdtb).
"""
import random
import struct

MIB = 1 << 20
BLOCK = 128 * MIB
FUNCTIONS = ("virtio-rng-pci", "virtio-tablet-pci", "virtio-net-pci,romfile=", "edu", "virtio-scsi-pci",
             "virtio-serial-pci", "bochs-display", "virtio-keyboard-pci", "nec-usb-xhci", "pci-testdev", "virtio-gpu-pci")


class RandomMachine:
    """One machine by its seed."""

    def __init__(self, arch, seed):
        self.arch, self.seed = arch, seed
        self.random = random.Random(f"{arch} {seed}")
        self.machine = self._machine()
        self.sockets, self.cores, self.threads = self._topology()
        self.cpus = self.sockets * self.cores * self.threads
        self.blocks = self._memory()
        self.node_blocks, self.node_cpus, self.distances = self._nodes()
        self.pci = self._pci() + self._peer()

    def _machine(self):
        if self.arch == "x86_64":
            self.pcie = self.random.random() < 0.6
            return "q35" if self.pcie else "pc"
        self.pcie = True
        return f"virt,gic-version={self.random.choice((2, 3))}" + self.random.choice(("", ",highmem=off", ""))

    def _topology(self):
        while True:
            found = tuple(self.random.choice((1, 1, 2, 3)) for _ in range(3))
            if found[0] * found[1] * found[2] <= 8:
                return found

    def _memory(self):
        """Blocks of 128 MiB; now and then so many that a PC has a hole in them."""
        if "highmem=off" in self.machine:
            return self.random.randint(2, 12)
        return self.random.choice((2, 3, 4, 5, 6, 8, 12, 20, 30, 34))

    def _nodes(self):
        """Blocks and CPUs of each node, and their distances."""
        most = min(4, self.sockets if self.random.random() < 0.5 else self.cpus, self.blocks)
        count = self.random.randint(1, most)
        if count == 1:
            return [self.blocks], [list(range(self.cpus))], None
        cuts = sorted(self.random.sample(range(1, self.blocks), count - 1))
        blocks = [b - a for a, b in zip([0, *cuts], [*cuts, self.blocks])]
        # A node has whole sockets, as QEMU's PCs want it, or (one socket) any CPUs.
        per = self.cpus // self.sockets
        cpus = [[] for _ in range(count)]
        for socket in range(self.sockets):
            node = socket if socket < count else self.random.randrange(count)
            cpus[node] += range(socket * per, (socket + 1) * per)
        distances = {}
        for a in range(count):
            for b in range(a):
                distances[a, b] = distances[b, a] = self.random.randint(11, 60)
        return blocks, cpus, distances

    def _pci(self):
        """A tree of bridges, and functions on it."""
        args, slots, chassis = [], {("pcie.0" if self.pcie else "pci.0"): [*range(4, 28)]}, 0
        top = next(iter(slots))
        legacy = [] if self.pcie else [top]  # buses that take pci-bridge
        for n in range(self.random.randint(0, 5)):
            chassis += 1
            kind = self.random.random()
            if legacy and kind < 0.6:
                bus, name = self.random.choice(legacy), f"bridge{n}"
                args += ["-device", f"pci-bridge,id={name},bus={bus},addr={self._slot(slots, bus):x},chassis_nr={chassis}"]
                legacy.append(name)
                slots[name] = [*range(1, 31)]
            elif self.pcie and kind < 0.3:
                name = f"bridge{n}"
                args += ["-device", f"pcie-pci-bridge,id={name},bus={top},addr={self._slot(slots, top):x}"]
                legacy.append(name)
                slots[name] = [*range(1, 31)]
            elif self.pcie:
                name = f"port{n}"
                args += ["-device", f"pcie-root-port,id={name},bus={top},addr={self._slot(slots, top):x},chassis={chassis}"]
                slots[name] = [0]
        for n in range(self.random.randint(1, 7)):
            bus = self.random.choice([bus for bus in slots if slots[bus]])
            slot, device = self._slot(slots, bus), self.random.choice(FUNCTIONS)
            if slot != 0 and self.random.random() < 0.3:
                args += ["-device", f"{device},bus={bus},addr={slot:x}.0,multifunction=on"]
                args += ["-device", f"virtio-rng-pci,bus={bus},addr={slot:x}.{self.random.randint(1, 7)}"]
            else:
                args += ["-device", f"{device},bus={bus},addr={slot:x}"]
        if self.arch == "arm64":
            for _ in range(self.random.randint(0, 3)):
                args += ["-device", self.random.choice(("virtio-rng-device", "virtio-serial-device"))]
        return args

    def _peer(self):
        """Now and then another root bus, near a node; a device tree does not tell of it."""
        self.peer_bus, self.peer_node = 256, -1
        if self.arch != "x86_64" or self.random.random() < 0.5:
            return []
        if self.distances:
            self.peer_node = self.random.randrange(len(self.node_blocks))
        near = f",numa_node={self.peer_node}" if self.distances else ""
        number = self.peer_bus = self.random.randint(32, 254)
        if self.pcie:
            return ["-device", f"pxb-pcie,id=peer,bus=pcie.0,addr=1c,bus_nr={number}{near}",
                    "-device", "pcie-root-port,id=peerport,bus=peer,chassis=99", "-device", "virtio-rng-pci,bus=peerport"]
        return ["-device", f"pxb,id=peer,bus=pci.0,addr=1c,bus_nr={number}{near}", "-device", "virtio-rng-pci,bus=peer,addr=3"]

    def _slot(self, slots, bus):
        slot = self.random.choice(slots[bus])
        slots[bus].remove(slot)
        return slot

    def args(self):
        """QEMU's arguments but for kernel, CPUs and memory."""
        args = ["-machine", self.machine]
        for node, blocks in enumerate(self.node_blocks if self.distances else ()):
            args += ["-object", f"memory-backend-ram,id=ram{node},size={blocks * 128}M",
                     "-numa", ",".join([f"node,nodeid={node},memdev=ram{node}", *(f"cpus={c}" for c in self.node_cpus[node])])]
        for (a, b), value in sorted((self.distances or {}).items()):
            args += ["-numa", f"dist,src={a},dst={b},val={value}"]
        return [*args, *self.pci]

    def smp(self):
        """The argument of -smp."""
        return f"{self.cpus},sockets={self.sockets},cores={self.cores},threads={self.threads}"

    def __str__(self):
        nodes = f", nodes {'+'.join(map(str, self.node_blocks))}" if self.distances else ""
        return f"{self.machine}, {self.smp()}, {self.blocks * 128} MiB{nodes}, {len(self.pci) // 2} devices"


class DeviceTree:
    """A flattened device tree's nodes: [(path, {property: bytes})]."""

    def __init__(self, blob):
        header = struct.unpack(">10I", blob[:40])
        at, strings = header[2], header[3]
        self.nodes, path, within = [], [], []
        while True:
            token = struct.unpack_from(">I", blob, at)[0]
            at += 4
            if token == 1:
                end = blob.index(b"\0", at)
                path.append(blob[at:end].decode())
                within.append({})
                self.nodes.append(("/".join(path) or "/", within[-1]))
                at = (end + 4) & ~3
            elif token == 2:
                path.pop()
                within.pop()
            elif token == 3:
                length, name = struct.unpack_from(">2I", blob, at)
                at += 8
                name_end = blob.index(b"\0", strings + name)
                within[-1][blob[strings + name:name_end].decode()] = blob[at:at + length]
                at = (at + length + 3) & ~3
            elif token == 9:
                break

    def compatible(self, text):
        """Properties of the nodes with that compatible string."""
        return [properties for _, properties in self.nodes if text.encode() in properties.get("compatible", b"").split(b"\0")]

    def of_type(self, text):
        """Properties of the nodes with that device_type."""
        return [properties for _, properties in self.nodes if properties.get("device_type") == text.encode() + b"\0"]


def cells(data):
    """Big-endian words of 32 bits."""
    return struct.unpack(f">{len(data) // 4}I", data)
