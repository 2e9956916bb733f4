#!/usr/bin/env python3
# SPDX-License-Identifier: CC0-1.0
"""Purpose: one boot as a picture: a row for each subsystem, a bar for each pass of its start; see scripts/boot-chart.sh.

The kernel says when each pass began and how long it took. The axis is linear from the first subsystem's begin on; a bar is
at least as wide as can be seen, its duration stands beside it. Colours are readable on light and dark.
"""
import pathlib
import re
import sys
from xml.sax.saxutils import escape

import harness

LEFT, WIDTH, RIGHT = 130, 600, 110
TOP, ROW, BAR, FOOT = 58, 17, 11, 36
SEEN = 2  # the least width of a bar
STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #6b7480 }
    .title { font-size: 15px; font-weight: 600 }
    .time { font-size: 11px }
    .early { fill: #3b82c4 } .late { fill: #d9822b } .failed { fill: #c9453c }
    .grid { stroke: #8a929c; stroke-opacity: .3 }
    @media (prefers-color-scheme: dark) { text { fill: #a9b3be } }
"""


def read_record(sh):
    """[(name, state, [(pass, begin in ns, duration in ns)])] in the order of the starts, from a booted shell."""
    names = re.findall(r"^(\S+) +(\S+)", sh.output("cat /proc/subsystems"), re.M)[1:]
    times = sh.output("grep . /proc/subsystems/*/times")
    rows = []
    for name, state in names:
        found = re.findall(rf"^/proc/subsystems/{re.escape(name)}/times:(early|late) +(\d+) +(\d+)$", times, re.M)
        rows.append((name, state, [(which, int(begin), int(took)) for which, begin, took in found]))
    return sorted(rows, key=lambda row: row[2][0][1] if row[2] else 1 << 62)


def human(ns):
    """A duration with its unit."""
    return f"{ns / 1e6:.1f} ms" if ns >= 1e6 else f"{ns / 1e3:.0f} µs" if ns >= 1e3 else f"{ns} ns"


def grid_step(total):
    """A round step, in ns, that divides the axis into at most 8 parts."""
    return next(digit * 10 ** power for power in range(3, 15) for digit in (1, 2, 5)
                if total <= 8 * digit * 10 ** power)


def draw(title, rows):
    """The SVG of these rows."""
    total = max((begin + took for _, _, passes in rows for _, begin, took in passes), default=1) or 1
    height = TOP + ROW * len(rows) + FOOT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" '
           f'width="{LEFT + WIDTH + RIGHT}" height="{height}" role="img">',
           f"  <title>{escape(title)}</title>", f"  <style>{STYLE}  </style>",
           f'  <text class="title" x="10" y="22">{escape(title)}</text>']
    x = LEFT
    for which, text in (("early", "early_init: interrupts off"), ("late", "late_init: in a thread")):
        out.append(f'  <rect class="{which}" x="{x}" y="32" width="{BAR}" height="{BAR}"/>')
        out.append(f'  <text x="{x + BAR + 5}" y="42">{text}</text>')
        x += 200
    bottom = TOP + ROW * len(rows)
    step, at = grid_step(total), 0
    while at <= total:
        x = LEFT + WIDTH * at / total
        out.append(f'  <line class="grid" x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom}"/>')
        out.append(f'  <text class="time" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{human(at) if at else 0}</text>')
        at += step
    for number, (name, state, passes) in enumerate(rows):
        y = TOP + ROW * number
        out.append(f'  <g id="subsystem-{escape(name)}">')
        out.append(f'    <text x="{LEFT - 8}" y="{y + BAR - 1}" text-anchor="end">{escape(name)}</text>')
        end = LEFT
        for which, begin, took in passes:
            left, wide = LEFT + WIDTH * begin / total, max(WIDTH * took / total, SEEN)
            end = max(end, left + wide)
            css = "failed" if state == "failed" else which
            out.append(f'    <rect class="{css}" x="{left:.1f}" y="{y}" width="{wide:.1f}" height="{BAR}"/>')
        text = " + ".join(human(took) for _, _, took in passes) or state
        out.append(f'    <text class="time" x="{end + 5:.1f}" y="{y + BAR - 1}">{text}</text>')
        out.append("  </g>")
    out.append("</svg>")
    return "\n".join(out) + "\n"


def chart(ctx, path):
    """Boots, draws, writes; returns the rows."""
    with ctx.shell(name="boot chart") as sh:
        rows = read_record(sh)
    total = max(begin + took for _, _, passes in rows for _, begin, took in passes)
    title = f"Devine on {ctx.arch}: {len(rows)} subsystems in {human(total)}"
    pathlib.Path(path).write_text(draw(title, rows))
    return rows


def main():
    """boot_chart.py ARCH FILE"""
    rows = chart(harness.Context(sys.argv[1], "devine"), sys.argv[2])
    print(f"{len(rows)} subsystems: {sys.argv[2]}")


if __name__ == "__main__":
    main()
