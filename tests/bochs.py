#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: run a CD image in Bochs, the PC with x2APIC, MWAIT and TSC deadlines, COM1 on stdin and stdout.

Usage: tests/bochs.py IMAGE CPUS FOLDER
Model: Bochs connects its COM1 to a socket of ours. It insists on a display: that is a terminal of our own, which
nobody reads but to keep it moving. FOLDER gets its configuration and log. Ends with Bochs.
"""
import os
import pathlib
import pty
import select
import socket
import subprocess
import sys

# 20 million instructions a second of each CPU's time: the BIOS waits by the clock, and is soon done waiting.
# This model has no CPUID leaf that claims another frequency of the TSC than it has.
CONFIGURATION = """config_interface: textconfig
display_library: term
megs: 256
cpu: model=corei7_haswell_4770, count={cpus}, ips=20000000, reset_on_triple_fault=0
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
vga: extension=none
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={image}, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {folder}/bochs.log
panic: action=fatal
error: action=report
speaker: enabled=0
clock: sync=none
"""


def shuttle(process, screen, serial):
    """Moves bytes between the serial line and stdin, stdout until the line is closed."""
    inputs = [serial, screen, 0]
    while process.poll() is None:
        for ready in select.select(inputs, [], [], 1)[0]:
            try:
                data = os.read(ready if isinstance(ready, int) else ready.fileno(), 65536)
            except OSError:  # a terminal whose other side is gone
                data = b""
            if ready is serial and data:
                os.write(1, data)
            elif ready == 0 and data:
                serial.sendall(data)
            elif not data:
                inputs.remove(ready)
                if ready is serial:
                    return


def main():
    image, cpus, folder = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", 0))
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / "bochsrc").write_text(CONFIGURATION.format(cpus=cpus, image=image, folder=folder,
                                                       port=listener.getsockname()[1]))
    (path / "commands").write_text("continue\n")  # Debian's Bochs starts in its debugger
    screen, terminal = pty.openpty()
    process = subprocess.Popen(["bochs", "-q", "-f", path / "bochsrc", "-rc", path / "commands"], stdin=terminal,
                               stdout=terminal, stderr=terminal, env=dict(os.environ, TERM="xterm"))
    os.close(terminal)
    try:
        listener.settimeout(60)
        serial, _ = listener.accept()
        shuttle(process, screen, serial)
        process.wait(timeout=10)
    finally:
        process.kill()
    sys.exit(0)


main()
