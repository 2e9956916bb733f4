# SPDX-License-Identifier: CC0-1.0
"""Purpose: tests that need no machine: unit tests under the sanitizers, the layer check, the tools."""
import os
import subprocess
import tempfile

from harness import BUILD, ROOT, Cases, Failure, expect_match, parse_ktap, test

HOST = ("host",)


def run(command, timeout=300, **how):
    """Runs a command; returns (status, output)."""
    done = subprocess.run(command, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", cwd=ROOT, **how)
    return done.returncode, done.stdout


@test("unit tests on the host, under ASan and UBSan", archs=HOST)
def unit(ctx):
    status, output = run([BUILD / "host/devine-host"])
    (BUILD / "tests").mkdir(exist_ok=True)
    (BUILD / "tests/host.log").write_text(output)
    cases = parse_ktap(output)
    cases["devine-host's status"] = None if status == 0 else f"{status}:\n{output[-3000:]}"
    return cases


@test("unit tests on the host with several CPUs, whose turns differ by a seed", archs=HOST)
def unit_smp(ctx):
    for seed in range(1, 6):
        cpus = 2 + seed % 3
        status, output = run([BUILD / "host/devine-host"],
                             env=dict(os.environ, DEVINE_CPUS=str(cpus), DEVINE_SEED=str(seed)))
        if status:
            raise Failure(f"DEVINE_CPUS={cpus} DEVINE_SEED={seed}: status {status}\n{output[-3000:]}")
        expect_match(r"[1-9]\d* passed, 0 failed", output)


def layer_check(arch):
    """Runs the layer check on the objects of one build."""
    status, output = run([ROOT / "build.sh", arch, "layer-check"])
    if status:
        raise Failure(output[-2000:])
    expect_match(r"layer check: \d+ objects, [1-9]\d* references between layers, 0 wrong", output)


@test("layer check: x86_64", archs=HOST)
def layers_x86_64(ctx):
    layer_check("x86_64")


@test("layer check: arm64", archs=HOST)
def layers_arm64(ctx):
    layer_check("arm64")


@test("layer check: host", archs=HOST)
def layers_host(ctx):
    layer_check("host")


@test("layer check finds a private extern, and fails when it has nothing to check", archs=HOST)
def layers_negative(ctx):
    with tempfile.TemporaryDirectory() as folder:
        status, output = run([ROOT / "tools/layer_check.py", "--build", folder])
        expect_match("nothing was checked", output)
        if status == 0:
            raise Failure("an empty build passed")
        for layer, code in (("mm", "int fs_secret(void); int mm_user(void) { return fs_secret(); }"),
                            ("fs", "int fs_secret(void) { return 1; }")):
            source = ROOT / f"build/tests/layer/{layer}.c"
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(code)
            out = f"{folder}/CMakeFiles/layer_{layer}.dir/build/tests/layer"
            run(["mkdir", "-p", out])
            run(["gcc", "-c", source, "-o", f"{out}/{layer}.c.o"])
        status, output = run([ROOT / "tools/layer_check.py", "--build", folder])
        expect_match(r"mm\.c\.o \(mm\) uses fs_secret of fs", output)
        if status == 0:
            raise Failure("a private extern passed")


@test("a header of a layer that is not allowed is not found", archs=HOST)
def includes_negative(ctx):
    with tempfile.TemporaryDirectory() as folder:
        source = f"{folder}/upward.c"
        with open(source, "w", encoding="ascii") as file:
            file.write("#include <proc/process.h>\n")
        _, commands = run(["ninja", "-C", "build/x86_64", "-t", "commands", "objects"])
        line = next(c for c in commands.split("\n") if "kernel/mm/" in c and " -c " in c)
        words = [w for w in line.split() if w.startswith(("-I", "-isystem", "-nostdinc"))]
        status, output = run(["gcc", "-fsyntax-only", *words, source])
        expect_match("process.h: No such file", output)
        if status == 0:
            raise Failure("mm could include proc's header")


@test("docs/system-calls.md says what the table says", archs=HOST)
def coverage_page(ctx):
    """The page is made from the table; after a change of the table it has to be made again."""
    fresh = ROOT / "build" / "tests" / "system-calls.md"
    fresh.parent.mkdir(parents=True, exist_ok=True)
    status, output = run(["python3", ROOT / "tools" / "syscalls.py", "--table",
                          ROOT / "kernel" / "abi" / "syscalls.tbl", "--markdown", fresh])
    if status != 0:
        raise Failure(output)
    if fresh.read_text() != (ROOT / "docs" / "system-calls.md").read_text():
        raise Failure("run: tools/syscalls.py --table kernel/abi/syscalls.tbl "
                      "--markdown docs/system-calls.md")


FUZZERS = sorted(path.stem.removeprefix("fuzz_") for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))


def fuzz(name, seconds, runs):
    """Runs one target of libFuzzer."""
    status, output = run([ROOT / "scripts/fuzz.sh", name, str(seconds), f"-runs={runs}"], timeout=600 + 4 * seconds)
    if status:
        raise Failure(f"scripts/fuzz.sh {name}: status {status}\n{output[-4000:]}")
    expect_match(r"^stat::number_of_executed_units: [1-9]\d+", output)


@test("libFuzzer finds nothing in what devices say, by night in any parser", archs=HOST)
def fuzzers(ctx):
    night = os.environ.get("TEST_NIGHTLY")
    cases = {}
    for name in FUZZERS if night else ("console", "virtio", "virtio_drivers", "virtio_registers"):
        if not any((ROOT / "tests/fuzz/corpus" / name).iterdir()):
            raise Failure(f"{name} has no corpus")
        cases[name] = None
        try:
            fuzz(name, 60 if night else 20, -1 if night else 500)
        except Failure as failure:
            cases[name] = str(failure)
    return Cases(cases)


def explore(*args):
    """Runs the explorer of interleavings; returns (status, output)."""
    return run([BUILD / "host/devine-host", "--explore", *args], timeout=3600)


@test("100,000 interleavings of the locking protocols by seed: no finding, and each broken one is found", archs=HOST, early=True)
def interleavings(ctx):
    """The seeds go on from 1; TEST_NIGHTLY explores twenty times as many."""
    count = 3000 * (20 if os.environ.get("TEST_NIGHTLY") else 1)
    status, output = explore("*", "--seeds", "1", str(count))
    (BUILD / "tests").mkdir(exist_ok=True)
    (BUILD / "tests/explore.log").write_text(output)
    if status:
        raise Failure(output[-6000:])
    total = int(expect_match(r"^(\d+) interleavings of \d+ scenarios, 0 wrong", output).group(1))
    if total < 100000:
        raise Failure(f"only {total} interleavings")
    for protocol in ("lock", "waitq", "runq", "futex", "tlb", "call"):
        expect_match(rf"^{protocol}\.[a-z_]+: {count} interleavings, no finding", output)
        expect_match(rf"^{protocol}\.[a-z_]+![a-z_]+: seed \d+: ", output)


@test("an interleaving is replayed by its seed, whatever ran before", archs=HOST)
def interleavings_replay(ctx):
    name = "futex.lock!value_not_looked_at"
    _, output = explore(name, "--seeds", "1", "4000")
    seed = expect_match(rf"^{name}: seed (\d+): ", output).group(1)
    traces = [explore(name, "--seeds", seed, "1", "--trace") for _ in range(2)]
    expect_match(r"^ +\d+ CPU \d -> CPU \d  in \w+ \S+:\d+", traces[0][1])
    if traces[0] != traces[1] or traces[0][0] != 0:
        raise Failure(f"seed {seed} gave two traces, or no finding:\n{traces[0][1][-2000:]}\n{traces[1][1][-2000:]}")
    _, batch = explore("runq.wake_moving", "--seeds", "1", "9", "--trace")
    _, alone = explore("runq.wake_moving", "--seeds", "9", "1", "--trace")
    hashes = [expect_match(r"^# runq.wake_moving seed 9: .*, hash (\w+)", text).group(1) for text in (batch, alone)]
    if hashes[0] != hashes[1]:
        raise Failure(f"seed 9 is another interleaving after others: {hashes}")


@test("10,000 threads on 64 CPUs of the host: all there at once, in pairs, and no frame lost", archs=HOST)
def many_threads(ctx):
    for cpus, ram, want in ((64, 2048, 10000), (7, 128, 200)):
        status, output = run([BUILD / "host/devine-host", "many.*"], timeout=900,
                             env=dict(os.environ, DEVINE_CPUS=str(cpus), DEVINE_RAM_MIB=str(ram), DEVINE_APPEND="debug"))
        if status:
            raise Failure(output[-3000:])
        expect_match("1 passed, 0 failed", output)
        found = int(expect_match(rf"many: (\d+) threads on {cpus} CPUs", output).group(1))
        if found < want:
            raise Failure(f"only {found} threads on {cpus} CPUs")
