#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: turn console fonts (PSF 1 with Unicode tables, 8 by 16) into the C table of dev/video/font.h.

Usage: font.py --out FILE.c FONT.psf.gz...
Model: the fonts are laid over each other: a character's glyph is that of the first font that has it. Equal
glyphs are kept once. The last character of the table is followed by none; U+FFFD must be there.
"""
import argparse
import gzip
import struct
import sys

HEIGHT = 16


def read_font(path):
    """{character: glyph of 16 bytes} of one file."""
    data = gzip.open(path).read()
    if data[:2] != b"\x36\x04" or data[3] != HEIGHT or not data[2] & 2:
        sys.exit(f"{path} is not a PSF 1 font of {HEIGHT} lines with a Unicode table")
    count = 512 if data[2] & 1 else 256
    table = data[4 + count * HEIGHT:]
    words = struct.unpack(f"<{len(table) // 2}H", table[:len(table) & ~1])
    glyphs, number, sequence = {}, 0, False
    for word in words:
        if word == 0xFFFF:
            number, sequence = number + 1, False
        elif word == 0xFFFE:
            sequence = True
        elif not sequence and number < count:
            at = 4 + number * HEIGHT
            glyphs.setdefault(word, data[at:at + HEIGHT])
    return glyphs


def blocks():
    """The block elements, U+2580 to U+259F but the shades: drawn here, for the fonts have few of them."""
    glyphs = {0x2580: (0xFF, 0, 8), 0x2594: (0xFF, 0, 2), 0x2590: (0x0F, 0, 16), 0x2595: (0x01, 0, 16)}
    glyphs.update({0x2580 + n: (0xFF, HEIGHT - 2 * n, HEIGHT) for n in range(1, 9)})
    glyphs.update({0x2588 + n: (0xFF << n & 0xFF, 0, HEIGHT) for n in range(1, 8)})
    drawn = {char: bytes(mask if first <= y < end else 0 for y in range(HEIGHT))
             for char, (mask, first, end) in glyphs.items()}
    # Quadrants: upper left 8, upper right 4, lower left 2, lower right 1.
    half = {0: 0, 1: 0x0F, 2: 0xF0, 3: 0xFF}
    for char, parts in enumerate((2, 1, 8, 11, 9, 14, 13, 4, 6, 7), 0x2596):
        drawn[char] = bytes([half[parts >> 2]] * 8 + [half[parts & 3]] * 8)
    return drawn


def merge(paths):
    """One dictionary out of all fonts."""
    glyphs = blocks()
    for path in paths:
        for char, glyph in read_font(path).items():
            glyphs.setdefault(char, glyph)
    return {char: glyph for char, glyph in glyphs.items() if char >= 0x20 and not 0x7F <= char < 0xA0}


def main():
    """Writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("fonts", nargs="+")
    args = parser.parse_args()
    glyphs = merge(args.fonts)
    for char in (0x20, 0x7E, 0xFFFD):
        if char not in glyphs:
            sys.exit(f"the fonts have no glyph of U+{char:04X}")
    index, bitmaps = {}, []
    for char in sorted(glyphs):
        if glyphs[char] not in index:
            index[glyphs[char]] = len(bitmaps)
            bitmaps.append(glyphs[char])
    with open(args.out, "w", encoding="ascii") as out:
        out.write("/* Made by tools/font.py. */\n#include <dev/video/font.h>\n\n"
                  f"const unsigned font_char_count = {len(glyphs)};\n"
                  "const struct font_char font_chars[] = {\n")
        for char in sorted(glyphs):
            out.write(f"    {{ 0x{char:04x}, {index[glyphs[char]]} }},\n")
        out.write("};\n\nconst uint8_t font_glyphs[][FONT_HEIGHT] = {\n")
        for glyph in bitmaps:
            out.write("    { " + ", ".join(f"0x{line:02x}" for line in glyph) + " },\n")
        out.write("};\n")


if __name__ == "__main__":
    main()
