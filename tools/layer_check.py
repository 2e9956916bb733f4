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


def objects_of(build, layer):
    """The object files of a layer whose sources are still there."""
    folder = build / f"CMakeFiles/layer_{layer}.dir"
    for path in sorted(folder.glob("**/*.o*")):
        generated = path.with_suffix("").name.startswith("syscalls_gen")
        if generated or (ROOT / path.relative_to(folder).with_suffix("")).exists():
            yield path


def symbols(nm, paths):
    """The global symbols of object files: (path, whether it is defined there, name)."""
    if not paths:
        return
    output = subprocess.run([nm, "-gA", *paths], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        path, _, rest = line.partition(":")
        kind, name = rest.split()[-2:]
        yield path, kind not in "Uvw", name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--build", required=True, type=pathlib.Path)
    args = parser.parse_args()

    layers, owner, wanted, objects = read_layers(), {}, {}, 0
    for layer in layers:
        paths = list(objects_of(args.build, layer))
        objects += len(paths)
        for path, defined, name in symbols(args.nm, paths):
            if defined:
                owner.setdefault(name, layer)
            elif not ("_test.c." in path and name.startswith("ktest_")):  # tests of every layer use core's runner
                wanted.setdefault((layer, name), pathlib.Path(path).name)

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
