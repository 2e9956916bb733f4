# SPDX-License-Identifier: CC0-1.0
"""Purpose: write initramfs archives (cpio, newc) of exactly the files that a test wants.

An Archive maps a path to (mode, contents); the standard root file system can be read in as a base.
"""
import os
import pathlib
import stat

from harness import BUILD, WORKER


class Archive:
    """The files of an initramfs."""

    def __init__(self):
        self.files = {}

    def directory(self, path, mode=0o755):
        """Adds a directory and those above it."""
        parts = pathlib.PurePosixPath(path.strip("/")).parts
        for depth in range(1, len(parts) + 1):
            self.files.setdefault("/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b""))
        if parts:
            self.files["/".join(parts)] = (stat.S_IFDIR | mode, b"")
        return self

    def file(self, path, contents, mode=0o755):
        """Adds a file of these bytes, or this text, and the directories above it."""
        path = path.strip("/")
        self.directory(os.path.dirname(path)) if "/" in path else None
        data = contents.encode() if isinstance(contents, str) else contents
        self.files[path] = (stat.S_IFREG | mode, data)
        return self

    def link(self, path, target):
        """Adds a symbolic link."""
        path = path.strip("/")
        if "/" in path and os.path.dirname(path) not in self.files:
            self.directory(os.path.dirname(path))
        self.files[path] = (stat.S_IFLNK | 0o777, target.encode())
        return self

    def tree(self, root):
        """Adds all that is below a directory of this machine."""
        root = pathlib.Path(root)
        for path in sorted(root.rglob("*")):
            name, info = str(path.relative_to(root)), path.lstat()
            if stat.S_ISLNK(info.st_mode):
                data = os.readlink(path).encode()
            elif stat.S_ISREG(info.st_mode):
                data = path.read_bytes()
            elif stat.S_ISDIR(info.st_mode):
                data = b""
            else:
                continue
            if name not in self.files or not stat.S_ISDIR(info.st_mode):
                self.files[name] = (info.st_mode, data)
        return self

    def tree_at(self, path, root):
        """Adds the files of one directory of this machine as `path`."""
        self.directory(path)
        for file in sorted(pathlib.Path(root).iterdir()):
            self.file(f"{path}/{file.name}", file.read_bytes(), 0o644)
        return self

    def busybox(self, arch):
        """Adds the static BusyBox as /bin/busybox, and /bin/sh."""
        self.file("bin/busybox", (BUILD / arch / "rootfs/bin/busybox").read_bytes())
        return self.link("bin/sh", "busybox")

    def dump(self):
        """The archive's bytes."""
        out, number = bytearray(), 0

        def add(name, mode, data):
            nonlocal number
            number += 1
            encoded = name.encode() + b"\0"
            fields = [number, mode, 0, 0, 1, 1, len(data), 0, 0, 0, 0, len(encoded), 0]
            out.extend(b"070701" + b"".join(b"%08X" % f for f in fields) + encoded)
            out.extend(b"\0" * (-len(out) % 4))
            out.extend(data)
            out.extend(b"\0" * (-len(out) % 4))

        for name in sorted(self.files):
            add(name, *self.files[name])
        add("TRAILER!!!", 0, b"")
        out.extend(b"\0" * (-len(out) % 512))
        return bytes(out)

    def write(self, name):
        """Writes the archive below build/tests; returns its path. Each worker has files of its own."""
        stem, dot, suffix = name.rpartition(".")
        path = BUILD / "tests" / f"{stem}{WORKER.name}{dot}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.dump())
        return path
