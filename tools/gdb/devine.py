# SPDX-License-Identifier: CC0-1.0
"""Purpose: gdb helpers for Devine; scripts/debug.sh loads them.

    devine threads          every thread: state, level, CPU, what it waits for, name
    devine runq             each CPU's run queue by level
    devine space [THREAD]   the regions of a thread's address space (default: the running thread)
    devine log [N]          the last N records of the kernel log (default 40)
    devine backtrace THREAD a sleeping thread's kernel stack
"""
import gdb

ARM64_SAVED_FP = 0  # arch/arm64/cpu/switch.S


def container(node, type_name, member):
    """The struct of `type_name` that holds `node` (a pointer) as `member`."""
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    address = int(node) - offset
    return gdb.Value(address).cast(kind.pointer())


def list_items(head, type_name, member):
    """The elements of a struct list."""
    end = head.address
    node = head["next"]
    while node != end and int(node):
        yield container(node, type_name, member)
        node = node["next"]


def tree_items(node, type_name, member):
    """The elements below a struct tree_node, in order."""
    if int(node):
        yield from tree_items(node["left"], type_name, member)
        yield container(node, type_name, member)
        yield from tree_items(node["right"], type_name, member)


def cpus():
    """The CPUs that run."""
    table = gdb.parse_and_eval("cpus")
    return [table[i] for i in range(int(gdb.parse_and_eval("cpu_count")))]


def current_thread():
    """The thread that runs on the CPU that gdb looks at."""
    number = gdb.selected_thread().num - 1
    records = cpus()
    if not records:
        raise gdb.GdbError("no CPU is set up yet")
    context = records[min(number, len(records) - 1)]["current"]
    return context.cast(gdb.lookup_type("struct thread").pointer())


def all_threads():
    """Every thread, from the list of all."""
    parts = gdb.parse_and_eval("'thread.c'::parts")
    first, last = parts.type.range()
    used = (parts[i]["threads"] for i in range(first, last + 1))
    return [t for head in used if int(head["next"]) for t in list_items(head, "struct thread", "all_link")]


def thread_named(argument):
    """A thread by process id, or by an expression that gives its address."""
    if argument.strip().isdecimal():
        for thread in all_threads():
            if int(thread["process"]) and int(thread["process"]["id"]) == int(argument):
                return thread
        raise gdb.GdbError(f"no process {argument}; see `devine threads`")
    return gdb.parse_and_eval(argument).cast(gdb.lookup_type("struct thread").pointer())


def short(value, prefix):
    """An enumerator without its prefix, in small letters."""
    return str(value).replace(prefix, "").lower()


def place(pointer):
    """An address as symbol+offset."""
    if not int(pointer):
        return "-"
    return gdb.execute(f"info symbol {int(pointer):#x}", to_string=True).split(" in section")[0].strip()


class Devine(gdb.Command):
    """Devine's own structures: threads, runq, space, log, backtrace."""

    def __init__(self):
        super().__init__("devine", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class Threads(gdb.Command):
    """devine threads: every thread, with its address for the other commands."""

    def __init__(self):
        super().__init__("devine threads", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print(f"{'thread':>18} {'pid':>6} {'state':14} {'level':9} cpu {'waits on':24} name")
        for thread in all_threads():
            process = thread["process"]
            pid = int(process["id"]) if int(process) else 0
            cpu = thread["ctx"]["cpu"]
            print(f"{int(thread):#18x} {pid:6} {short(thread['state'], 'THREAD_'):14} "
                  f"{short(thread['level'], 'LEVEL_'):9} {int(cpu['id']) if int(cpu) else '-':>3} "
                  f"{place(thread['wait_on'])[:24]:24} {thread['name'].string()}")


class RunQueues(gdb.Command):
    """devine runq: each CPU's run queue."""

    def __init__(self):
        super().__init__("devine runq", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for cpu in cpus():
            queue = cpu["rq"]
            if not int(queue):
                continue
            running = cpu["current"].cast(gdb.lookup_type("struct thread").pointer())
            print(f"cpu {int(cpu['id'])}: runs {running['name'].string()}, {int(queue['queued'])} queued, "
                  f"{int(queue['switches'])} switches")
            fifo = queue["mlfq"]["fifo"]
            for level in range(fifo.type.range()[1], -1, -1):
                names = [t["name"].string() for t in list_items(fifo[level], "struct thread", "run_link")]
                if names:
                    print(f"  {short(gdb.Value(level).cast(gdb.lookup_type('enum sched_level')), 'LEVEL_')}: "
                          f"{', '.join(names)}")


class Space(gdb.Command):
    """devine space [PID|THREAD]: the regions of an address space."""

    def __init__(self):
        super().__init__("devine space", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        thread = thread_named(argument) if argument else current_thread()
        space = thread["space"]
        if not int(space):
            print("a kernel thread: no address space of its own")
            return
        for region in tree_items(space["regions"]["root"], "struct region", "node"):
            flags = int(region["flags"])
            rights = "".join(c if flags & 1 << i else "-" for i, c in enumerate("rwx"))
            name = region["name"].string() if int(region["name"]) else ""
            source = f"object {int(region['object']):#x}+{int(region['offset']):#x}" if int(region["object"]) else "anonymous"
            print(f"{int(region['start']):#014x}-{int(region['end']):#014x} {rights}"
                  f"{'s' if flags & 8 else 'p'} {source} {name}")


class Backtrace(gdb.Command):
    """devine backtrace PID|THREAD: where a thread that does not run left the CPU, by frame pointers."""

    def __init__(self):
        super().__init__("devine backtrace", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("which thread? see `devine threads`")
        thread = thread_named(argument)
        word = gdb.lookup_type("unsigned long").pointer()
        frame = int(thread["ctx"]["sp"]) + saved_frame_offset()
        for number in range(64):
            if not frame or frame % 8:
                break
            try:
                below, back = (gdb.Value(frame + 8 * i).cast(word).dereference() for i in (0, 1))
                print(f"#{number} {int(back):#x} {place(back)}")
                if int(below) <= frame:
                    break
                frame = int(below)
            except gdb.MemoryError:
                break


def saved_frame_offset():
    """Where on a switched-out stack context_switch() left the frame pointer; the return address is next to it."""
    x86 = "x86" in gdb.selected_inferior().architecture().name()
    return 40 if x86 else ARM64_SAVED_FP


class Log(gdb.Command):
    """devine log [N]: the last records of the kernel log."""

    def __init__(self):
        super().__init__("devine log", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        wanted = int(argument) if argument else 40
        records = list(log_records())
        for record in records[-wanted:]:
            print(record)


def log_records():
    """The records of the ring in kernel/core/log.c, oldest first, as text."""
    ring, position, head = (gdb.parse_and_eval(f"'log.c'::{name}") for name in ("ring", "tail", "head"))
    base, size = int(ring.address), ring.type.sizeof
    kind = gdb.lookup_type("struct record").pointer()
    memory, position, head = gdb.selected_inferior(), int(position), int(head)
    while position < head:
        record = gdb.Value(base + position % size).cast(kind)
        if int(record["level"]) != 0xFF:  # a filler at the ring's end
            tag, text = int(record["tag_len"]), int(record["text_len"])
            data = bytes(memory.read_memory(int(record["text"].address), tag + text)) if tag + text else b""
            seconds = int(record["time"]) / 1e9
            yield f"[{seconds:12.6f}] {data[:tag].decode()}: {data[tag:].decode('utf-8', 'replace')}"
        position += int(record["size"])


for command in (Devine, Threads, RunQueues, Space, Backtrace, Log):
    command()
