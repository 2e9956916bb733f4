# SPDX-License-Identifier: CC0-1.0
"""Purpose: ask QEMU what machine it made, over its monitor protocol (QMP).

Model: QEMU listens on a Unix socket, which connect() waits for; one command at a time, events are dropped.
"""
import json
import os
import socket
import tempfile
import time

from harness import Failure


class Monitor:
    """The monitor of one QEMU: give its args() to it, then connect()."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="qmp-")
        self.path = os.path.join(self.folder.name, "socket")
        self.stream = None

    def args(self):
        """QEMU's arguments that make it listen."""
        return ("-qmp", f"unix:{self.path},server=on,wait=off")

    def connect(self, timeout=60):
        """Waits for QEMU."""
        limit = time.monotonic() + timeout
        while True:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(self.path)
                break
            except OSError as error:
                line.close()
                if time.monotonic() > limit:
                    raise Failure(f"QEMU's monitor does not answer: {error}") from error
                time.sleep(0.1)
        line.settimeout(timeout)
        self.stream = line.makefile("rw", encoding="utf-8", newline="\n")
        line.close()
        self.stream.readline()
        self.ask("qmp_capabilities")
        return self

    def ask(self, command, **arguments):
        """One command's answer."""
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            text = self.stream.readline()
            if not text:
                raise Failure(f"QEMU's monitor ended at {command}")
            answer = json.loads(text)
            if "error" in answer:
                raise Failure(f"QEMU's {command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        """Lets go of the socket."""
        if self.stream:
            self.stream.close()
        self.folder.cleanup()
