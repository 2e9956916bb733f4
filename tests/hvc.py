# SPDX-License-Identifier: CC0-1.0
"""Purpose: the other end of a virtual machine's consoles and ports: QEMU's sockets, and what is tested through them."""
import hashlib
import re
import select
import socket
import tempfile
import time

from harness import SLOW, Failure, expect_equal, expect_match

PROMPT = rb"/ # (\x1b\[6n)?"


class Ends:
    """Sockets of a machine with one virtio-serial device: a console and the port org.devine.test. kind: pci or device."""

    def __init__(self, kind, ports=True):
        self.folder = tempfile.TemporaryDirectory(prefix="hvc")
        self.names = ["console", "port"] if ports else ["console"]
        self.arguments = ["-device", f"virtio-serial-{kind}" + ("" if ports else ",max_ports=1")]
        for name in self.names:
            device = "virtconsole" if name == "console" else "virtserialport,name=org.devine.test"
            self.arguments += ["-chardev", f"socket,id={name},path={self.folder.name}/{name},server=on,wait=off",
                               "-device", f"{device},chardev={name}"]
        self.sockets, self.text = {}, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in self.sockets.values():
            end.close()
        self.folder.cleanup()

    def open(self, name="console"):
        """Connects; QEMU listens as soon as it runs."""
        limit = time.monotonic() + 20 * SLOW
        while name not in self.sockets:
            end = socket.socket(socket.AF_UNIX)
            try:
                end.connect(f"{self.folder.name}/{name}")
                self.sockets[name] = end
            except OSError as error:
                end.close()
                if time.monotonic() > limit:
                    raise Failure(f"QEMU's socket {name}: {error}") from error
                time.sleep(0.02)
        return self.sockets[name]

    def send(self, text, name="console"):
        """Sends to the machine."""
        self.open(name).sendall(text.encode())

    def expect(self, pattern, timeout=30):
        """Waits for it on the console; consumes up to its end, and returns the text up to there."""
        limit, end = time.monotonic() + timeout * SLOW, self.open()
        while not (match := re.search(pattern, self.text)):
            if not select.select([end], [], [], max(limit - time.monotonic(), 0))[0]:
                raise Failure(f"waited for {pattern!r} on the virtio console; it has\n{self.text[-2000:].decode(errors='replace')}")
            data = end.recv(65536)
            if not data:
                raise Failure(f"QEMU ended before {pattern!r} came on the virtio console; it has\n{self.text[-2000:].decode(errors='replace')}")
            self.text += data
        before, self.text = self.text[:match.end()], self.text[match.end():]
        return before.decode(errors="replace").replace("\r\n", "\n")

    def receive(self, name, size):
        """So many bytes of a port."""
        end, data = self.open(name), b""
        end.settimeout(20 * SLOW)
        while len(data) < size:
            data += end.recv(size - len(data))
        return data


def check_shell(sh, ends):
    """The shell that init starts there, as on each console: job control, signals, editing."""
    ends.open()
    expect_match(r"^crw--w---- .* 229, +0 .* /dev/hvc0$", sh.output("ls -l /dev/hvc0"))
    expect_match(r"^hvc +/dev/hvc +229 0-7 system$", sh.output("cat /proc/tty/drivers"))
    ends.send("\n")  # what came before the connection is lost
    ends.expect(PROMPT)
    ends.send("tty; echo 4x\x7f2\n")
    expect_match(r"\n/dev/hvc0\n42\n", ends.expect(rb"\n42\r\n"))
    ends.send("sleep 100; echo st''opped\n")
    sh.output("until pidof sleep; do usleep 20000; done")
    ends.send("\x03")
    ends.expect(rb"\^C")
    ends.send("echo on''ward; stty rows 33 columns 90; stty size\n")
    ends.expect(rb"onward\r\n33 90\r\n")
    ends.send("seq 1 2000 | cat; echo e''nd\n")  # in few pieces: QEMU drops what its socket does not take
    numbers = re.findall(r"^(\d+)$", ends.expect(rb"end\r\n", 60), re.M)
    expect_equal(numbers, [str(n) for n in range(1, 2001)], "lines")


def check_port(sh, ends):
    """What a guest agent does; opened once at a time, ends with the partner's connection."""
    expect_equal(sh.output("cat /sys/class/virtio-ports/*/name"), "org.devine.test\n", "the port's name")
    node = "/dev/" + sh.output("basename $(dirname $(ls /sys/class/virtio-ports/*/name))").strip()
    ends.open("port")
    sh.run(f"(read line; echo \"to you: $line\" >&0; head -c 168890 | md5sum >/tmp/sum; cat; touch /tmp/over) <>{node} &")
    ends.send("hello\n", "port")
    expect_equal(ends.receive("port", 14), b"to you: hello\n", "the answer")
    output, status = sh.run(f"cat {node}")
    expect_equal((status, "busy" in output), (1, True), f"a second opening: {output}")
    text = "".join(f"{n} " for n in range(30000))
    expect_equal(len(text), 168890)
    ends.send(text, "port")
    sh.output("until [ -s /tmp/sum ]; do usleep 20000; done", 60)
    ends.sockets.pop("port").close()
    sh.output("until [ -e /tmp/over ]; do usleep 20000; done", 30)
    expect_equal(sh.output("cat /tmp/sum").split()[0], hashlib.md5(text.encode()).hexdigest(), "the sum of what came")


def check_stalled(sh, ends):
    """A partner that does not read makes the writer wait, who loses nothing, and can be killed."""
    node = "/dev/" + sh.output("basename $(dirname $(ls /sys/class/virtio-ports/*/name))").strip()
    ends.open("port")
    numbers = "".join(f"{n}\n" for n in range(1, 150001)).encode()
    sh.run(f"(seq 1 150000 >{node}; touch /tmp/written) &")
    sh.output("sleep 1; test ! -e /tmp/written")
    expect_equal(ends.receive("port", len(numbers)) == numbers, True, "what was written is what comes")
    sh.run(f"(yes >{node}; echo $? >/tmp/killed) &")
    sh.output("sleep 1; kill $(pidof yes); until [ -s /tmp/killed ]; do usleep 20000; done", 30)


def check_removal(sh, ends):
    """The device goes while a shell runs on it, who hangs up; it comes back, init finds it; it goes for good."""
    device = sh.output("basename $(readlink -f /sys/bus/virtio/drivers/virtio_console/virtio*)").strip()
    drivers = "/sys/bus/virtio/drivers/virtio_console"
    ends.send("exec sh -c \"trap 'echo hung up >/tmp/trap; exit' HUP; echo p''id \\$\\$; while :; do sleep 1; done\"\n")
    pid = re.search(r"pid (\d+)\n", ends.expect(rb"pid \d+\r\n"))[1]
    sh.output(f"echo {device} >{drivers}/unbind", 30)
    sh.output(f"while [ -d /proc/{pid} ]; do usleep 20000; done", 30)
    sh.check("cat /tmp/trap; ls /dev/hvc* /dev/vport* 2>/dev/null | wc -l", "hung up\n0\n")
    ends.text = b""
    sh.output(f"echo {device} >{drivers}/bind; ls -l /dev/hvc0", 30)
    ends.expect(PROMPT)
    ends.send("echo ag''ain\n")
    ends.expect(rb"again\r\n")
    sh.output(f"echo 1 >/sys/bus/virtio/devices/{device}/remove", 30)
    expect_equal(sh.run("ls /dev/hvc0 /sys/class/virtio-ports/* 2>&1 | grep -v 'No such file'")[1], 1, "it is gone")


def check_all(sh, ends):
    """All of it on one machine with a serial line beside."""
    check_shell(sh, ends)
    check_port(sh, ends)
    check_stalled(sh, ends)
    check_removal(sh, ends)
