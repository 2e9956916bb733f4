# SPDX-License-Identifier: CC0-1.0
"""Purpose: pictures of a screen: QEMU's PPM in, PNG out, and text read off by comparing with the font.

Usage: picture.py IN.ppm OUT.png
"""
import pathlib
import re
import struct
import sys
import zlib

WIDTH, HEIGHT = 8, 16  # of a character
CURSOR = 13            # the cursor's first line
UNKNOWN = "\u25a1"


class Picture:
    """A picture of `width` by `height` pixels, three bytes each."""

    def __init__(self, ppm):
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
        if not head:
            raise ValueError("not a PPM picture")
        self.width, self.height = int(head[1]), int(head[2])
        self.data = ppm[head.end():]
        if len(self.data) != self.width * self.height * 3:
            raise ValueError("a PPM picture that is cut off")

    def png(self):
        """The picture as a PNG file; up to 256 colours with a palette, else direct ones."""
        pixels = [self.data[at:at + 3] for at in range(0, len(self.data), 3)]
        colours = sorted(set(pixels))
        if len(colours) <= 16:
            number = {colour: n for n, colour in enumerate(colours)}
            packed = bytes(number[a] << 4 | number[b] for a, b in zip(pixels[::2], pixels[1::2]))
            bits, kind, step = 4, 3, self.width // 2
        elif len(colours) <= 256:
            number = {colour: n for n, colour in enumerate(colours)}
            packed = bytes(number[pixel] for pixel in pixels)
            bits, kind, step = 8, 3, self.width
        else:
            packed, bits, kind, step = self.data, 8, 2, self.width * 3

        def chunk(name, data):
            body = name + data
            return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

        lines = b"".join(b"\0" + packed[at:at + step] for at in range(0, len(packed), step))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, bits, kind, 0, 0, 0))
                + (chunk(b"PLTE", b"".join(colours)) if kind == 3 else b"")
                + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))

    def cell(self, row, column):
        """The 16 lines of one character's place, each of 8 colours as 0xRRGGBB."""
        lines = []
        for y in range(HEIGHT):
            at = ((row * HEIGHT + y) * self.width + column * WIDTH) * 3
            line = self.data[at:at + WIDTH * 3]
            lines.append([int.from_bytes(line[x:x + 3], "big") for x in range(0, WIDTH * 3, 3)])
        return lines


class Screen:
    """What stands on a picture: characters and colours by place."""

    def __init__(self, picture, font):
        self.picture, self.font = picture, font
        self.rows, self.columns = picture.height // HEIGHT, picture.width // WIDTH
        self.known = {}

    def read(self, row, column):
        """(character, foreground, background) of a place; the character is None when the font has no such glyph.
        Of two possible readings (a glyph and its negative) the one with fewer set pixels is right, but for
        block elements, which this cannot tell apart from spaces in other colours."""
        cell = self.picture.cell(row, column)
        key = repr(cell)
        if key not in self.known:
            self.known[key] = self._read(cell)
        return self.known[key]

    def _read(self, cell):
        colours = sorted({pixel for line in cell for pixel in line})
        if len(colours) == 1:
            return " ", None, colours[0]
        if len(colours) != 2:
            return None, None, None
        found = []
        for fg, bg in (colours, colours[::-1]):
            bits = tuple(sum(0x80 >> x for x in range(WIDTH) if line[x] == fg) for line in cell)
            if bits in self.font:
                found.append((sum(bin(line).count("1") for line in bits), self.font[bits], fg, bg))
        return min(found)[1:] if found else (None, None, None)

    def text(self, row):
        """A row as text without its last blanks; UNKNOWN where no glyph fits, as where the cursor stands."""
        return "".join(self.read(row, column)[0] or UNKNOWN for column in range(self.columns)).rstrip()

    def lines(self):
        """All rows."""
        return [self.text(row) for row in range(self.rows)]

    def cursor(self):
        """(row, column) of each place whose last lines are full, as a cursor's or a block element's are."""
        return [(row, column) for row in range(self.rows) for column in range(self.columns)
                if self._has_cursor(self.picture.cell(row, column))]

    @staticmethod
    def _has_cursor(cell):
        last = {pixel for line in cell[CURSOR:] for pixel in line}
        return len(last) == 1 and all(pixel not in last for line in cell[:CURSOR] for pixel in line)


def font_of(build):
    """{glyph: character} from the C table that the kernel was built with. Of characters that look the same ASCII
    comes first, then the replacement character and box drawing."""
    text = (pathlib.Path(build) / "gen/font.c").read_text(encoding="ascii")
    glyphs = [tuple(int(n, 16) for n in re.findall(r"0x[0-9a-f]+", line))
              for line in re.findall(r"^    \{ ((?:0x[0-9a-f]{2}(?:, )?){16}) \},$", text, re.M)]
    font = {}
    chars = [(int(char, 16), int(number)) for char, number in re.findall(r"^    \{ 0x([0-9a-f]{4}), (\d+) \},$", text, re.M)]
    for char, number in sorted(chars, key=lambda c: (c[0] > 0x7F, c[0] != 0xFFFD and not 0x2500 <= c[0] < 0x25A0, c[0])):
        font.setdefault(glyphs[number], chr(char))
    return font


if __name__ == "__main__":
    source, target = sys.argv[1:]
    pathlib.Path(target).write_bytes(Picture(pathlib.Path(source).read_bytes()).png())
