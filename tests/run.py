#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: run the tests that boot a kernel, and those of the host build.

Usage: tests/run.py [--arch x86_64|arm64|host] [--kernel devine|linux] [--list] [PATTERN...]
Tests run beside each other. A PATTERN is a part of a test's name (`arch: name`, `arch (machine): name`).
The last line is `N passed, N failed`.
"""
import argparse
import collections
import functools
import importlib
import itertools
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback

import harness

SUITES = [path.stem for path in sorted(pathlib.Path(__file__).parent.glob("suite_*.py"))]


class Report:
    """Counts and prints verdicts from several threads."""

    def __init__(self):
        self.lock, self.passed, self.failed = threading.Lock(), 0, []

    def add(self, name, seconds, failure=None):
        """Notes one verdict."""
        with self.lock:
            if failure is None:
                self.passed += 1
                print(f"ok {name} ({seconds:.1f} s)", flush=True)
            else:
                self.failed.append(name)
                text = "\n".join("    " + line for line in str(failure).split("\n"))
                print(f"FAILED {name} ({seconds:.1f} s)\n{text}", flush=True)


def once(function):
    """Runs a test; returns (cases or None, failure or None)."""
    try:
        cases = function()
    except harness.Failure as failure:
        return None, failure
    except Exception:  # a broken test is a failed test
        return None, traceback.format_exc()
    return (cases, None) if isinstance(cases, harness.Cases) else (None, None)


def attempt(report, name, function, clean_up=lambda: None):
    """Runs one test, and once more when it fails: a starved QEMU is no verdict. Returns whether it passed."""
    start = time.monotonic()
    cases, failure = once(function)
    if failure or (cases and any(cases.values())):
        clean_up()
        reason = failure or next(f for f in cases.values() if f)
        print(f"again {name} ({time.monotonic() - start:.1f} s)\n    " + str(reason).replace("\n", "\n    "), flush=True)
        start, harness.WORKER.attempt = time.monotonic(), "-again"
        cases, failure = once(function)
        harness.WORKER.attempt = ""
        if failure:
            clean_up()
    if cases:
        for case, reason in cases.items():
            report.add(f"{name}: {case}", 0, reason)
        return not any(cases.values())
    report.add(name, time.monotonic() - start, failure)
    return not failure


def run_shared(report, ctx, cases):
    """Runs the tests that share a shell; boots a new one after a failure."""
    shell = None

    def drop_shell():
        nonlocal shell
        if shell:
            history = shell.log_path.with_suffix(".failed.log")
            shell.close()
            shell.log_path.replace(history)
            shell = None

    for case in cases:
        def body():
            nonlocal shell
            if shell is None:
                shell = ctx.shell(name="shell")
            case.function(shell, ctx)
            shell.run("cd /; rm -rf /tmp/* /tmp/.[a-z]*")
        attempt(report, f"{ctx.title}: {case.name}", body, drop_shell)
    if shell:
        shell.close()


def units_of(report, chosen):
    """Cuts what was chosen into pieces that may run beside each other: functions without arguments. The tests that
    share a shell are one."""
    def alone(early):
        for ctx, cases in chosen:
            for case in cases:
                if not case.shared and case.early is early:
                    yield functools.partial(attempt, report, f"{ctx.title}: {case.name}",
                                            functools.partial(case.function, ctx))

    yield from alone(True)
    for ctx, cases in chosen:
        shared = [case for case in cases if case.shared]
        if shared:
            yield functools.partial(run_shared, report, ctx, shared)
    yield from alone(False)


def work(units, name):
    """A worker: takes the next piece until there is none."""
    harness.WORKER.name = name
    while True:
        try:
            unit = units.popleft()
        except IndexError:
            return
        unit()


def run_units(lists):
    """Runs the pieces of several architectures, taking turns. The tests wait more than they compute: more workers
    than CPUs."""
    units = collections.deque(unit for row in itertools.zip_longest(*lists) for unit in row if unit)
    workers = [threading.Thread(target=work, args=(units, f".{n}" if n else ""))
               for n in range(min(len(units), len(os.sched_getaffinity(0)) + 3))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def choose(arch, args):
    """The tests that were asked for, by machine: pairs of a context and its cases."""
    for board in harness.BOARDS[arch]:
        ctx = harness.Context(arch, args.kernel, board=board)
        cases = [c for c in harness.CASES if arch in c.archs and args.kernel in c.kernels
                 and (c.boards or board is harness.STANDARD)
                 and (not args.pattern or any(p in f"{ctx.title}: {c.name}" for p in args.pattern))]
        if cases:
            yield ctx, cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", action="append", choices=(*harness.ARCHS, "host"))
    parser.add_argument("--kernel", default="devine", choices=("devine", "linux"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("pattern", nargs="*")
    args = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    for suite in SUITES:
        importlib.import_module(suite)

    report, lists = Report(), []
    for arch in args.arch or ("host", *harness.ARCHS):
        chosen = list(choose(arch, args))
        if args.list:
            print("\n".join(f"{ctx.title}: {c.name}" for ctx, cases in chosen for c in cases))
            continue
        if not chosen:
            continue
        if args.kernel == "linux" and arch != "host":
            subprocess.run([harness.ROOT / "scripts/linux.sh", arch], check=True, stdout=subprocess.DEVNULL)
        if arch != "host":
            subprocess.run([harness.ROOT / "scripts/rootfs.sh", arch], check=True)
        lists.append(list(units_of(report, chosen)))
    if args.list:
        return
    run_units(lists)
    print(f"{report.passed} passed, {len(report.failed)} failed")
    sys.exit(1 if report.failed or not report.passed else 0)


sys.modules["run"] = sys.modules["__main__"]
main()
