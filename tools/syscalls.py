#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Makes the system-call dispatcher of one architecture from kernel/abi/syscalls.tbl.

Writes abi/syscalls_gen.h (prototypes), syscalls_gen.c (thunks, table, names, kinds) into --out;
with --markdown the coverage page (docs/system-calls.md) instead.
Every line is checked; an error names the line.
"""
import argparse
import os
import re
import sys
import textwrap

COLUMNS = {"x86_64": 1, "arm64": 2, "host": 1}
KINDS = {"fd": "f", "dirfd": "d", "path": "s", "in": "i", "out": "o", "oflags": "O", "octal": "m",
         "hex": "x", "sig": "g"}
STRUCT = re.compile(r"struct (\w+)")


def fail(where, what):
    sys.exit(f"{where}: {what}")


def parse_argument(where, text):
    m = re.fullmatch(r"(.*?[\s*])(\w+)(?::(\w+))?", text.strip())
    if not m or (m[3] and m[3] not in KINDS):
        fail(where, f"cannot read the argument '{text.strip()}'")
    ctype, name, kind = m[1].strip(), m[2], m[3]
    if "*" in ctype:
        if ctype.count("*") == 2:
            ctype = ctype.replace("**", "__user *__user *").replace("*const *", "__user *const __user *")
        else:
            ctype = ctype[:-1].rstrip() + " __user *"
    letter = KINDS.get(kind) or ("p" if "*" in ctype else "u" if ctype in ("size_t",) else "l"
                                 if ctype in ("long", "off_t", "unsigned long") else "n")
    return ctype, name, letter


def parse(path):
    rows, names = [], set()
    for number, line in enumerate(open(path, encoding="ascii"), 1):
        where = f"{path}:{number}"
        line = line.split("#")[0].split(";")[0].strip()
        if not line:
            continue
        cells = line.split(None, 4)
        if len(cells) != 5 or cells[3] not in ("done", "partial", "absent"):
            fail(where, "expected: name x86_64 arm64 done|partial|absent arguments")
        if cells[0] in names:
            fail(where, f"{cells[0]} stands twice")
        names.add(cells[0])
        if cells[4] == "-" and cells[3] != "absent":
            fail(where, f"{cells[0]} is {cells[3]} and has no arguments")
        args = [] if cells[4] in ("-", "void") else [
            parse_argument(where, a) for a in cells[4].split(",")]
        if len(args) > 6:
            fail(where, "more than six arguments")
        rows.append((cells, args))
    return rows


def thunk(name, args):
    values = []
    for i, (ctype, _, _) in enumerate(args):
        raw = f"regs_arg(r, {i})"
        values.append(f"({ctype})(uintptr_t){raw}" if "*" in ctype else f"({ctype}){raw}")
    unused = "" if args else "\n    (void)r;"
    return (f"static long thunk_{name}(struct hal_regs *r)\n{{{unused}\n"
            f"    return sys_{name}({', '.join(values)});\n}}\n")


def coverage(table, path):
    """The page that says which calls there are, and what is missing of them."""
    missing = {line.split()[0]: line.split(";", 1)[1].strip()
               for line in open(table, encoding="ascii") if ";" in line and line[0] != "#"}
    rows = [cells for cells, _ in parse(table)]
    names = {state: [c[0] for c in rows if c[3] == state] for state in ("done", "partial", "absent")}
    with open(path, "w", encoding="ascii") as f:
        f.write("# System calls\n\nMade by `tools/syscalls.py --markdown` from `kernel/abi/syscalls.tbl`; "
                "a test compares them.\n\n"
                f"Of Linux 6.1's {len(rows)} calls {len(names['done'])} are done, "
                f"{len(names['partial'])} partial, {len(names['absent'])} absent: they give ENOSYS and "
                "are named once in the log.\n")
        f.write("\n## Partial\n\n| call | what is missing |\n| --- | --- |\n")
        f.writelines(f"| {n} | {missing.get(n, '?')} |\n" for n in names["partial"])
        for state in ("done", "absent"):
            f.write(f"\n## {state.capitalize()}\n\n")
            f.write(textwrap.fill(", ".join(sorted(names[state])), 120) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--arch", choices=COLUMNS)
    p.add_argument("--table", required=True)
    p.add_argument("--out", help="folder for the generated files")
    p.add_argument("--markdown", metavar="FILE", help="write the coverage page")
    o = p.parse_args()
    if o.markdown:
        return coverage(o.table, o.markdown)
    if not o.arch or not o.out:
        p.error("--arch and --out are needed")
    rows = parse(o.table)
    column = COLUMNS[o.arch]
    present = [(int(c[column]), c[0], c[3] != "absent", a) for c, a in rows if c[column] != "-"]
    seen = {}
    for number, name, _, _ in present:
        if number in seen:
            fail(o.table, f"{name} and {seen[number]} have the same number {number}")
        seen[number] = name
    live = [row for row in present if row[2]]
    # A handler stands in the tree for both architectures, also where only one has its number.
    declared = [(c[0], a) for c, a in rows if c[3] != "absent"]
    structs = sorted({s for _, args in declared for t, _, _ in args for s in STRUCT.findall(t)})
    os.makedirs(o.out, exist_ok=True)

    note = "/* Made by tools/syscalls.py from kernel/abi/syscalls.tbl. */\n"
    with open(os.path.join(o.out, "syscalls_gen.h"), "w", encoding="ascii") as f:
        f.write(note + "#pragma once\n\n#include <abi/syscall_types.h>\n\n")
        f.writelines(f"struct {s};\n" for s in structs)
        for name, args in declared:
            text = ", ".join(f"{t}{'' if t.endswith('*') else ' '}{n}" for t, n, _ in args)
            f.write(f"long sys_{name}({text or 'void'});\n")
    count = max(number for number, *_ in present) + 1
    with open(os.path.join(o.out, "syscalls_gen.c"), "w", encoding="ascii") as f:
        f.write(note + "#include <abi/syscall.h>\n#include <abi/syscalls_gen.h>\n\n")
        f.writelines(thunk(name, args) for _, name, _, args in live)
        f.write(f"\nconst unsigned syscall_count = {count};\n")
        f.write(f"const syscall_fn syscall_table[{count}] = {{\n")
        calls = {number: f"thunk_{name}" for number, name, *_ in live}
        f.writelines(f"    [{n}] = {calls.get(n, 'syscall_absent')},\n" for n in range(count))
        f.write(f"}};\n\nconst char *const syscall_names[{count}] = {{\n")
        f.writelines(f'    [{number}] = "{name}",\n' for number, name, *_ in present)
        f.write(f"}};\n\nconst char *const syscall_kinds[{count}] = {{\n")
        f.writelines(f'    [{number}] = "{"".join(k for *_, k in args)}",\n'
                     for number, _, _, args in live)
        f.write("};\n")


if __name__ == "__main__":
    main()
