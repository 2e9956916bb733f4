# SPDX-License-Identifier: CC0-1.0
"""Purpose: a machine with a framebuffer and a keyboard: pictures of its screen, keys typed on it.

Usage: screen.py ARCH OUT.png [COMMAND]: the picture after COMMAND (else a demonstration) ran in a shell on the screen.
"""
import os
import pathlib
import socket
import sys
import tempfile
import time

from harness import BUILD, SLOW, Context, Failure, Shell
from picture import UNKNOWN, Picture, Screen, font_of

# On a PC the standard VGA gets its mode by video=; `virt` has no display but what is added.
DEVICES = {"x86_64": [], "arm64": ["-device", "ramfb", "-device", "virtio-keyboard-device"]}
KEYS = {" ": "spc", "\n": "ret", "/": "slash", "-": "minus", ".": "dot", ",": "comma", "\t": "tab", ";": "semicolon",
        "'": "apostrophe", "=": "equal"}

DEMONSTRATION = r"""
e=$(printf '\033')
clear
cat <<@END
$e[1;36m╔══════════════════════════════════════╤═══════════════════════════════════╗
║$e[37m Devine on a framebuffer              $e[36m│$e[37m $(uname -srm)$e[36m
╠══════════════════════════════════════╪═══════════════════════════════════╣
║$e[0m Größe, naïve, Łódź, Dvořák, Ελλάδα   $e[1;36m│$e[0m ┌─┬─┐ ╔═╦═╗ ▁▂▃▄▅▆▇█ ← ↑ → ↓      $e[1;36m║
║$e[0m Привет, мир · ¡Olé! · £ € ¥ § ¶ ©    $e[1;36m│$e[0m ├─┼─┤ ╠═╬═╣ ░▒▓██▓▒░ α β π Σ √ ∞  $e[1;36m║
║$e[33m bold $e[0;4munderline$e[0m $e[7mreverse$e[0m $e[2mdim$e[0m           $e[1;36m│$e[0m └─┴─┘ ╚═╩═╝ ▖▗▘▙▚▛▜▝ ≤ ≥ ÷ × ± ²  $e[1;36m║
╚══════════════════════════════════════╧═══════════════════════════════════╝$e[0m
@END
printf "$e[2;76H$e[1;36m║$e[8;1H$e[0m\n"
for n in 0 1 2 3 4 5 6 7; do printf "$e[4${n}m     "; done
for n in 0 1 2 3 4 5 6; do printf "$e[10${n}m     "; done
echo "$e[0m"
for row in 0 1 2 3 4 5; do
    for column in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35; do
        printf "$e[48;5;$((16 + column / 6 * 36 + row * 6 + column % 6))m  "
    done
    echo "$e[0m"
done
echo
grep -E 'MemTotal|MemFree' /proc/meminfo
ls --color=always /
"""


class ScreenShell(Shell):
    """A shell on the serial line of a machine that has a screen (tty1) of `size` pixels and a keyboard. `command`
    is how to start another machine, which has a screen and a keyboard, too."""

    def __init__(self, ctx, size="640x400", append="", name="screen", command=None, **how):
        self.folder = tempfile.TemporaryDirectory()
        self.monitor = None
        path = os.path.join(self.folder.name, "monitor")
        monitor = ["-monitor", f"unix:{path},server=on,wait=off"]
        super().__init__(ctx, append=ctx.quiet(f"video={size} {append}"), name=name, args=[*DEVICES[ctx.arch], *monitor],
                         command=command and [*command, *monitor], **how)
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.settimeout(60 * SLOW)
        self.monitor.connect(path)
        self.font = font_of(BUILD / (ctx.arch + ctx.variant))
        self._answer()

    def close(self):
        super().close()
        if self.monitor:
            self.monitor.close()
        self.folder.cleanup()

    def _answer(self):
        text = b""
        while not text.endswith(b"(qemu) "):
            data = self.monitor.recv(65536)
            if not data:
                raise Failure("QEMU's monitor has gone")
            text += data

    def ask(self, command):
        """Gives the monitor a command and waits until it is done."""
        self.monitor.sendall(command.encode() + b"\n")
        self._answer()

    def picture(self):
        """What stands on the screen now."""
        path = pathlib.Path(self.folder.name, "screen.ppm")
        self.ask(f"screendump {path}")
        return Picture(path.read_bytes())

    def screen(self):
        """The same, to be read."""
        return Screen(self.picture(), self.font)

    def press(self, *keys):
        """Presses keys by QEMU's names, `shift-a` together."""
        for key in keys:
            self.ask(f"sendkey {key} 20")
            time.sleep(0.05)  # QEMU holds each key that long before the next

    def type(self, text):
        """Types small letters, digits and the signs of KEYS, by their places on a US keyboard."""
        self.press(*(KEYS.get(char, char) for char in text))

    def wait_for(self, what, timeout=30):
        """Waits until a row of the screen is `what`; returns the screen."""
        limit = time.monotonic() + timeout * SLOW
        while True:
            screen = self.screen()
            if what in screen.lines():
                return screen
            if time.monotonic() > limit:
                text = "\n".join(screen.lines()).rstrip()
                raise Failure(f"waited {timeout * SLOW:.0f} s for {what!r} on the screen, which shows\n{text}")
            time.sleep(0.2)

    def screen_shell(self):
        """Starts a shell on the screen and waits for its prompt."""
        self.output("setsid sh -c 'exec sh -i </dev/tty1 >/dev/tty1 2>&1' &")
        self.wait_for("/ # " + UNKNOWN)


def main():
    """The picture for scripts/screenshot.sh."""
    arch, target = sys.argv[1:3]
    ctx = Context(arch, "devine")
    with ScreenShell(ctx, "640x480", name="screenshot") as shell:
        shell.put("/tmp/demo", (sys.argv[3] if len(sys.argv) > 3 else DEMONSTRATION) + "\n>/tmp/done\n")
        shell.screen_shell()
        shell.type("sh /tmp/demo\n")
        shell.output("until [ -e /tmp/done ]; do usleep 100000; done; usleep 500000", 60)
        picture = shell.picture()
    pathlib.Path(target).write_bytes(picture.png())
    print(f"{target}: {picture.width}x{picture.height}, {os.path.getsize(target)} bytes")


if __name__ == "__main__":
    main()
