#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: run the tests that boot a kernel, and those of the host build.

Usage: tests/run.py [--arch x86_64|arm64|host] [--kernel devine|linux] [--list] [PATTERN...]
Architectures run beside each other. A PATTERN is a part of a test's name (`arch: name`, `arch (machine): name`).
The last line is `N passed, N failed`.
"""
import argparse
import importlib
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
        start, harness.REPEATED.attempt = time.monotonic(), "-again"
        cases, failure = once(function)
        harness.REPEATED.attempt = ""
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


def run_arch(report, chosen):
    """Runs the tests of one architecture: pairs of a context and its cases."""
    for ctx, cases in chosen:
        run_shared(report, ctx, [c for c in cases if c.shared])
        for case in cases:
            if not case.shared:
                attempt(report, f"{ctx.title}: {case.name}", lambda: case.function(ctx))


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

    report, threads = Report(), []
    for arch in args.arch or (*harness.ARCHS, "host"):
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
        # The tests wait more than they compute: the further machines go beside the first.
        for part in (chosen[:1], chosen[1:]):
            threads.append(threading.Thread(target=run_arch, args=(report, part)))
    if args.list:
        return
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{report.passed} passed, {len(report.failed)} failed")
    sys.exit(1 if report.failed or not report.passed else 0)


sys.modules["run"] = sys.modules["__main__"]
main()
