# SPDX-License-Identifier: CC0-1.0
"""Purpose: what memory a machine has in use, to the frame and the byte, for tests that nothing is lost.

MEMORY is a shell function: `memory` has all caches give back what they hold and prints what is then in use, several times,
since what has just ended may still be on its way out. It starts no process between the caches and the reading, and
what the shell itself has (its history grows) is told apart. Two readings are equal but for three things:

 - frames_of_kernel_tables: the tables under the kernel's stacks stay, one for each 64 stacks that there were at once;
 - heap_bytes_of_maps: a file that CPUs mapped at once keeps lists of its mappings for several (kernel/vm/object_maps.c);
 - heap_frames: an arena of 16 frames stays as long as one block in it is in use. Its other blocks are free for all, so
   the heap's bytes in use must be the same.
"""
import re

from harness import Failure

MEMORY = """
memory() {
    sync
    memory_n=-1 # the first time the shell's own memory may still change between two lines
    while [ $memory_n -lt ${1:-5} ]; do
        memory_n=$((memory_n + 1))
        sleep 0.2
        echo 3 >/proc/sys/vm/drop_caches
        memory_line=
        while read -r name value; do
            case $name in heap_*|frames_*) memory_line="$memory_line $name=$value" ;; esac
        done </proc/counters
        read -r name resident shared value </proc/$$/statm
        while read -r name value; do [ "$name" != VmPTE: ] || break; done </proc/$$/status
        [ $memory_n -eq 0 ] || echo "in use:$memory_line own=$((resident - shared)) own_tables=${value% kB}"
    done
}
"""


class Use:
    """One reading."""

    def __init__(self, line):
        value = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}
        self.heap_bytes, self.heap_frames = value["heap_bytes"] - value["heap_bytes_of_maps"], value["heap_frames"]
        self.kernel_tables = value["frames_of_kernel_tables"]
        self.tables = value["frames_of_tables"] - self.kernel_tables - value["own_tables"] // 4
        self.files, self.stacks = value["frames_of_files"], value["frames_of_stacks"]
        self.free = value["frames_free"]
        self.frames = (value["frames_total"] - self.free - self.heap_frames - self.kernel_tables - value["own"] -
                       value["own_tables"] // 4)

    def __str__(self):
        return (f"{self.frames} frames ({self.stacks} of stacks, {self.tables} of page tables, {self.files} of files) and "
                f"{self.heap_bytes} bytes of the heap, beside {self.kernel_tables} tables of the kernel's own and {self.heap_frames} frames of the heap")


def readings(output):
    """All of one output, in their order."""
    return [Use(line) for line in re.findall(r"^in use:(.*)$", output.replace("\r", ""), re.M)]


def settled(output):
    """The last but for what was still on its way: the least."""
    found = readings(output)
    if not found:
        raise Failure(f"no reading of memory in {output!r}")
    return min(found, key=lambda use: (use.frames, use.heap_bytes))


def difference(before, after):
    """None, or what `after` has more or less of."""
    if (after.frames, after.heap_bytes) == (before.frames, before.heap_bytes):
        return None
    return f"{after.frames - before.frames} frames and {after.heap_bytes - before.heap_bytes} bytes: {before}, then {after}"
