# SPDX-License-Identifier: CC0-1.0
"""Purpose: write what firmware says, right or wrong: ACPI tables for QEMU's -acpitable, and device trees.

A device tree is read from QEMU's own (dumpdtb=), changed as a tree of Node, and written again
(Devicetree Specification 0.4, chapter 5).
"""
import struct
import subprocess

from harness import LOGS

FDT_MAGIC, BEGIN, END, PROPERTY, NOP, FINISH = 0xD00DFEED, 1, 2, 3, 4, 9


class Node:
    """A node: its name, its properties (bytes by name), its children."""

    def __init__(self, name):
        self.name, self.properties, self.children = name, {}, []

    def child(self, name):
        """The child of that name."""
        return next(c for c in self.children if c.name == name)

    def add(self, name, **properties):
        """A new child; underscores in the names of properties stand for dashes."""
        node = Node(name)
        node.properties = {key.replace("_", "-"): value for key, value in properties.items()}
        self.children.append(node)
        return node


def cells(*values):
    """32-bit big-endian numbers."""
    return struct.pack(f">{len(values)}I", *values)


def text(value):
    """A string property."""
    return value.encode() + b"\0"


def tree_read(blob):
    """The root of a blob."""
    _, _, at, strings = struct.unpack(">4I", blob[:16])
    stack, root = [], None
    while True:
        token, = struct.unpack(">I", blob[at:at + 4])
        at += 4
        if token == BEGIN:
            end = blob.index(b"\0", at)
            node = Node(blob[at:end].decode())
            if stack:
                stack[-1].children.append(node)
            root = root or node
            stack.append(node)
            at = (end + 4) & ~3
        elif token == PROPERTY:
            size, name = struct.unpack(">2I", blob[at:at + 8])
            name = blob[strings + name:blob.index(b"\0", strings + name)].decode()
            stack[-1].properties[name] = blob[at + 8:at + 8 + size]
            at = (at + 8 + size + 3) & ~3
        elif token == END:
            stack.pop()
        elif token == FINISH:
            return root


def tree_write(root):
    """The blob of a tree."""
    strings = bytearray()

    def padded(data):
        return data + b"\0" * (-len(data) % 4)

    def emit(node):
        out = struct.pack(">I", BEGIN) + padded(text(node.name))
        for name, value in node.properties.items():
            out += struct.pack(">3I", PROPERTY, len(value), len(strings)) + padded(value)
            strings.extend(text(name))
        return out + b"".join(map(emit, node.children)) + struct.pack(">I", END)

    body = emit(root) + struct.pack(">I", FINISH)
    start, names = 56, 56 + len(body)
    return struct.pack(">10I", FDT_MAGIC, names + len(strings), start, names, 40, 17, 16, 0, len(strings),
                       len(body)) + b"\0" * 16 + body + bytes(strings)


def tree_of(*args):
    """The tree that QEMU's virt has with those arguments."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / "virt.dtb"
    subprocess.run(["qemu-system-aarch64", "-machine", f"virt,dumpdtb={path}", "-cpu", "cortex-a72", "-display", "none",
                    *args], check=True, capture_output=True)
    return tree_read(path.read_bytes())


def table(signature, body, name):
    """Arguments that give QEMU's PC one more ACPI table; `body` is what follows the header."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{name}.acpi"
    path.write_bytes(body)
    return ["-acpitable", f"sig={signature},rev=3,data={path}"]


def srat_cpu(domain, apic_id):
    """A processor's affinity."""
    return struct.pack("<BBBBIBBBBI", 0, 16, domain, apic_id, 1, 0, 0, 0, 0, 0)


def srat_memory(domain, start, size):
    """Memory's affinity."""
    return struct.pack("<BBIHQQIIQ", 1, 40, domain, 0, start, size, 0, 1, 0)
