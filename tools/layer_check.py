#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: catch a layer that reaches another through a private `extern` instead of a header.

The include folders stop a wrong #include at compile time; this stops a wrong symbol: every undefined
symbol of a layer's objects must be defined by the layer itself, by one it may use (tools/layers.txt),
by the architecture, by a library, or be declared in kernel/hal/upcall.h. Fails when it checked nothing.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read_layers():
    """{layer: set of layers it may use}, from tools/layers.txt."""
    layers = {}
    for line in (ROOT / "tools/layers.txt").read_text().splitlines():
        match = re.match(r"([a-z]+):(.*)", line)
        if match:
            layers[match[1]] = set(match[2].split())
    return layers


def object_symbols(nm, path):
    """The (defined, undefined) global symbols of one object file."""
    defined, undefined = set(), set()
    for line in subprocess.run([nm, "-g", path], check=True, capture_output=True, text=True).stdout.splitlines():
        kind, name = line.split()[-2:]
        (undefined if kind in "Uvw" else defined).add(name)
    return defined, undefined


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--build", required=True, type=pathlib.Path)
    args = parser.parse_args()

    layers, owner, wanted, objects = read_layers(), {}, {}, 0
    for layer in layers:
        for path in sorted(args.build.glob(f"CMakeFiles/layer_{layer}.dir/**/*.o*")):
            if not path.with_suffix("").name.startswith("syscalls_gen"):
                source = ROOT / path.relative_to(args.build / f"CMakeFiles/layer_{layer}.dir").with_suffix("")
                if not source.exists():
                    continue  # left over from a file that is gone
            defined, undefined = object_symbols(args.nm, path)
            objects += 1
            for name in defined:
                owner.setdefault(name, layer)
            is_test = "_test.c." in path.name
            for name in undefined:
                if is_test and name.startswith("ktest_"):
                    continue  # tests of every layer use core's runner
                wanted.setdefault((layer, name), path.name)

    upcall = ROOT / "kernel/hal/upcall.h"
    upcalls = set(re.findall(r"\w+", upcall.read_text())) if upcall.exists() else set()
    checked, bad = 0, []
    for (layer, name), file in sorted(wanted.items()):
        if name not in owner or owner[name] == layer:
            continue
        checked += 1
        used = owner[name]
        fits = used in layers[layer] or used == "arch" or (name in upcalls and "hal" in layers[layer])
        if not fits:
            bad.append(f"{file} ({layer}) uses {name} of {used}")
    for line in bad:
        print(f"layer check: {line}")
    print(f"layer check: {objects} objects, {checked} references between layers, {len(bad)} wrong")
    if not checked:
        print("layer check: nothing was checked: build the target `objects` first")
    sys.exit(1 if bad or not checked else 0)


main()
