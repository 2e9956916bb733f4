# SPDX-License-Identifier: CC0-1.0
"""Purpose: run a kernel in QEMU and talk to it over the serial line.

Model: Machine is one QEMU process with its serial line on pipes; it is driven as a person would do it:
send text, wait until a pattern appears. Shell adds the prompt of the standard root file system, and run(),
which brackets a command with two marks to get its exact output and status. Tests register themselves with
@shell_test (all of one architecture share a booted machine, replaced after a failure) or @test (boots what
it needs itself). A test fails by raising; it takes the kernel to run from its Context, so the same tests
can be run against Linux, which is how they are proven.
"""
import os
import pathlib
import re
import select
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "tests"
SLOW = float(os.environ.get("TEST_SLOW", "1"))  # factor on all time limits
ARCHS = ("x86_64", "arm64")  # those that boot; "host" is for tests that run here
PROMPT = r"/ # (\x1b\[6n)?$"
# foreground NAME COUNT STATE: whether COUNT processes NAME are the terminal's foreground job and all in STATE.
# The asker's own job does not count: it may still have the terminal, and its awk and cat are processes, too.
FOREGROUND = """read -r _ _ _ _ own _ </proc/$$/stat
cat /proc/[0-9]*/stat 2>/dev/null |
awk -v name="($1)" -v count=$2 -v state=$3 -v own=$own '
$2 == name && $3 == state && $5 == $8 && $5 != own { n++ } END { exit n != count }'
"""


class Failure(Exception):
    """A test's verdict, with what was expected and what was there."""


def expect_equal(actual, expected, what="output"):
    """Fails unless the two are the same."""
    if actual != expected:
        raise Failure(f"{what} is\n{_clip(actual)!r}\nexpected\n{_clip(expected)!r}")


def expect_match(pattern, text, what="output"):
    """Fails unless `pattern` is found in `text`; returns the match."""
    match = re.search(pattern, text, re.M)
    if not match:
        raise Failure(f"{what} does not match {pattern!r}:\n{_clip(text)}")
    return match


def _clip(text, limit=1500):
    return text if not isinstance(text, str) or len(text) <= limit else text[:limit] + " ..."


class _Worker(threading.local):
    """Of each thread: what its files' names end with, so that tests beside each other have their own."""
    name = ""     # the worker, "" for the first
    attempt = ""  # "-again" while a test that failed is repeated: the log of the failure stays


WORKER = _Worker()


class Machine:
    """One QEMU. Use as a context manager: it is ended on the way out."""

    def __init__(self, ctx, append="", initrd=None, mem=None, args=(), name="machine", command=None):
        env = dict(os.environ, KERNEL=str(ctx.kernel_path()), APPEND=append)
        env.pop("INITRD", None)
        env["SMP"] = str(ctx.board.cpus)
        if initrd is not None:
            env["INITRD"] = str(initrd)
        if mem is not None:
            env["MEM"] = str(mem)
        LOGS.mkdir(parents=True, exist_ok=True)
        args = [*ctx.board.args(int(mem or 256)), *args]
        name = f"{ctx.board.name} {name}".strip()
        name = re.sub(r"[^a-z0-9]+", "-", name.lower())
        self.log_path = LOGS / f"{ctx.arch}-{ctx.kernel}-{name}{WORKER.name}{WORKER.attempt}.log"
        self.log = open(self.log_path, "wb")
        command = command or [str(ROOT / f"scripts/qemu-{ctx.arch}.sh"), *args]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self.text = ""      # what came and was not consumed by expect()
        self.history = ""   # all that came
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends QEMU if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def send(self, text):
        """Types `text`."""
        self.process.stdin.write(text.encode())

    def _read(self, timeout):
        """Takes in what came within `timeout` seconds; returns whether the line is still open."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(timeout, 0))
        if ready:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                self.ended = True
                return False
            self.log.write(data)
            self.log.flush()
            text = data.decode("utf-8", "replace")
            self.text += text
            self.history += text
        return True

    def expect(self, pattern, timeout=60):
        """Waits until `pattern` appears; returns the match and consumes the text up to its end."""
        limit = time.monotonic() + timeout * SLOW
        regex = re.compile(pattern, re.M)
        while True:
            match = regex.search(self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            left = limit - time.monotonic()
            if left <= 0:
                raise Failure(f"waited {timeout * SLOW:.0f} s for {pattern!r}; the last lines are\n{self.tail()}")
            if not self._read(min(left, 5)):
                raise Failure(f"QEMU ended while waiting for {pattern!r}; the last lines are\n{self.tail()}")

    def expect_exit(self, timeout=60):
        """Waits until QEMU ends by itself; returns its status."""
        limit = time.monotonic() + timeout * SLOW
        while not self.ended:
            if time.monotonic() > limit:
                raise Failure(f"QEMU did not end in {timeout * SLOW:.0f} s; the last lines are\n{self.tail()}")
            self._read(1)
        return self.process.wait(timeout=30)

    def tail(self, lines=15):
        """The last lines that came, for messages."""
        return "\n".join(self.history.replace("\r", "").split("\n")[-lines:])


class Shell(Machine):
    """A machine that boots the standard root file system to its prompt."""

    def __init__(self, ctx, boot_timeout=120, **how):
        super().__init__(ctx, **how)
        self.count = 0
        self.watches = False
        try:
            self.expect(PROMPT, boot_timeout)
        except Failure:
            self.close()
            raise

    def run(self, command, timeout=60):
        """Runs `command` (one line or several); returns (its output, its status)."""
        self.count += 1
        joint = "\n" if "\n" in command or command.rstrip().endswith("&") else "; "
        self.send(f"echo @''B{self.count}; {command}{joint}echo @''E{self.count}:$?\n")
        self.expect(rf"@B{self.count}\r?\n", timeout)
        match = self.expect(rf"(?s)\A(.*?)@E{self.count}:(\d+)\r?\n", timeout)
        self.expect(PROMPT, timeout)
        output = match[1].replace("\r\n", "\n")
        if joint == "\n":  # the shell prompts, and echoes what is typed, between the two
            output = re.sub(r"(/ # |> )?(\x1b\[6n)?echo @''E\d+:\$\?\n", "", output)
        return output, int(match[2])

    def output(self, command, timeout=60):
        """Runs `command`, which must succeed; returns its output."""
        output, status = self.run(command, timeout)
        if status != 0:
            raise Failure(f"{command!r} returned {status}:\n{_clip(output)}")
        return output

    def check(self, command, expected, timeout=60):
        """Runs `command`, which must succeed with just this output."""
        expect_equal(self.output(command, timeout), expected, f"output of {command!r}")

    def script(self, text, timeout=60):
        """Runs several lines as a script, through a file; returns its output. It must succeed."""
        self.put("/tmp/script", text)
        return self.output("sh /tmp/script", timeout)

    def when(self, condition):
        """Has the machine print a mark as soon as the shell command `condition` succeeds, also while a program
        has the terminal; returns the mark, for expect(). No job of the shell's: those keep their numbers."""
        self.count += 1
        self.send(f"((until {condition}; do usleep 20000; done; echo @''W{self.count}) 2>/dev/null &)\n")
        before = self.expect(rf"(?s)\A(.*?)/ # (\x1b\[6n)?($|(?=@W{self.count}))")[1]
        if f"@W{self.count}\r\n" in before:  # the mark was faster than the prompt
            self.text = f"@W{self.count}\n" + self.text
        return rf"@W{self.count}\r?\n"

    def start(self, command, name=None, count=1, state="S"):
        """Types `command` and waits until `count` processes called `name` have the terminal, each in `state`
        (as /proc/PID/stat has it): S waits for input or a signal, R computes. Between fork and exec the shell's
        child is called as the shell is, and ignores what is typed: `name` is to be another."""
        if not self.watches:
            self.put("/run/foreground", FOREGROUND)
            self.watches = True
        running = self.when(f"sh /run/foreground {name or command.split()[0]} {count} {state}")
        self.send(command + "\n")
        self.expect(running)

    def put(self, path, text):
        """Writes a small text file by typing it."""
        self.count += 1
        self.send(f"stty -echo; cat >{path} <<'@EOF'\n")
        for line in text.rstrip("\n").split("\n"):
            self.send(line + "\n")
        self.send(f"@EOF\nstty echo; echo @''P{self.count}\n")
        self.expect(rf"@P{self.count}\r?\n")
        self.expect(PROMPT)


class Cases(dict):
    """What a test may return when it stands for many: {name: None or what failed}."""


def parse_ktap(text):
    """The cases of a KTAP log, as Cases; fails when the plan and the results disagree."""
    plan = re.search(r"^1\.\.(\d+)", text, re.M)
    results = re.findall(r"^(not ok|ok) \d+ ?-? *(\S+)", text, re.M)
    if not results:
        raise Failure(f"no result in\n{_clip(text)}")
    if not plan or int(plan[1]) != len(results):
        raise Failure(f"the plan is {plan[0] if plan else None} and {len(results)} results came:\n{text[-1500:]}")
    lines = text.split("\n")
    notes = {}
    for number, line in enumerate(lines):
        match = re.match(r"not ok \d+ ?-? *(\S+)", line)
        if match:
            notes[match[1]] = "\n".join(lines[max(0, number - 6):number + 1])
    return Cases({name: notes.get(name, "failed") if verdict == "not ok" else None for verdict, name in results})


class Board:
    """A machine to test on: QEMU's arguments and kernel parameters beside the standard ones."""

    def __init__(self, name="", cpus=1, nodes=1, args=(), append=""):
        self.name, self.cpus, self.nodes, self.extra, self.append = name, cpus, nodes, args, append

    def args(self, mem):
        """QEMU's arguments for `mem` MiB: memory and CPUs are shared out evenly among the nodes."""
        args = list(self.extra)
        for node in range(self.nodes if self.nodes > 1 else 0):
            share, first = mem // self.nodes, node * self.cpus // self.nodes
            last = (node + 1) * self.cpus // self.nodes - 1
            args += ["-object", f"memory-backend-ram,id=ram{node},size={share}M",
                     "-numa", f"node,memdev=ram{node},cpus={first}-{last}"]
        return args


STANDARD = Board()
BOARDS = {
    # QEMU's emulator has no x2APIC before 9.0.
    "x86_64": (STANDARD, Board("4 CPUs, 2 nodes", 4, 2), Board("4 CPUs, noapic", 4, append="noapic")),
    "arm64": (STANDARD, Board("4 CPUs, 2 nodes, GICv3", 4, 2, args=("-machine", "gic-version=3"))),
    "host": (STANDARD,),
}


class Context:
    """What a test is told: the architecture, the kernel and the machine that it is for."""

    def __init__(self, arch, kernel, variant="", board=STANDARD):
        self.arch, self.kernel, self.variant, self.board = arch, kernel, variant, board
        self.is_linux = kernel == "linux"
        self.title = f"{arch} ({board.name})" if board.name else arch

    def kernel_path(self):
        """The kernel image that QEMU is given."""
        if self.is_linux:
            return BUILD / "deps/linux" / self.arch / "vmlinuz"
        return BUILD / (self.arch + self.variant) / ("kernel.elf" if self.arch == "x86_64" else "Image")

    def console(self):
        """The name of the serial line."""
        return "ttyS0" if self.arch == "x86_64" else "ttyAMA0"

    def shell(self, **how):
        """Boots to the shell."""
        return Shell(self, append=self.quiet(how.pop("append", "")), **how)

    def machine(self, **how):
        """Boots something else."""
        return Machine(self, append=self.quiet(how.pop("append", "")), **how)

    def quiet(self, append):
        """The board's parameters too; Linux's log is not what is tested."""
        return " ".join(filter(None, ("quiet" if self.is_linux else "", self.board.append, append)))


class Case:
    """One registered test."""

    def __init__(self, name, function, shared, archs, kernels, boards, early=False):
        self.name, self.function, self.shared = name, function, shared
        self.archs, self.kernels, self.boards, self.early = archs, kernels, boards, early


CASES = []


def shell_test(name, archs=ARCHS, kernels=("devine", "linux"), boards=True):
    """Registers a test that gets (shell, context); the shell is shared. It runs on all BOARDS, or on the first."""
    def register(function):
        CASES.append(Case(name, function, True, archs, kernels, boards))
        return function
    return register


def test(name, archs=ARCHS, kernels=("devine", "linux"), boards=False, early=False):
    """Registers a test that gets (context) and boots for itself, on the first of BOARDS or on all. One that takes
    long is to begin early."""
    def register(function):
        CASES.append(Case(name, function, False, archs, kernels, boards, early))
        return function
    return register
