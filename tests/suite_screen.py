# SPDX-License-Identifier: CC0-1.0
"""Purpose: the console on a framebuffer and the keyboard, as a person sees and types: the picture that QEMU has of
the screen is read character by character with the font the kernel was built with."""
from harness import expect_equal, expect_match, test
from picture import UNKNOWN
from screen import ScreenShell

SIZES = {"x86_64": "640x400", "arm64": "640x400-24"}
GREY, BLACK = 0xAAAAAA, 0


def show(shell, text):
    """Writes to the screen by printf, from a cleared one; returns what it shows then."""
    shell.output(rf"printf '\033c{text}' >/dev/tty1")
    return shell.screen()


def text_and_colours(shell):
    screen = show(shell, r"plain \033[1;33;44mbold\033[0m \033[38;2;18;52;86mexact\033[m\r\nGr\303\266\303\237e \342\224\214\342\224\200\342\224\220\r\n"
                         r"\033(0lqk\033(B \033[7mX\033[27m \344\270\226|")
    expect_equal((screen.rows, screen.columns), (25, 80))
    expect_equal(screen.lines()[:3], ["plain bold exact", "Größe ┌─┐", "┌─┐ X \ufffd |" + UNKNOWN])
    expect_equal(screen.read(0, 0), ("p", GREY, BLACK))
    expect_equal(screen.read(0, 6), ("b", 0xFFFF55, 0x0000AA))
    expect_equal(screen.read(0, 11), ("e", 0x123456, BLACK))
    expect_equal(screen.picture.cell(2, 4)[0], [GREY] * 8, "the first line of a reversed X")


def scrolling_and_cursor(shell):
    shell.output(r"printf '\033c' >/dev/tty1; seq 1 300 >/dev/tty1")
    screen = shell.screen()
    expect_equal(screen.lines(), [str(n) for n in range(277, 301)] + [UNKNOWN])
    expect_equal(screen.cursor(), [(24, 0)])
    screen = show(shell, r"1\r\n2\r\n3\r\n4\033[2;3r\033[3;1H\nX\033[r\033[5;9H")
    expect_equal(screen.lines()[:4], ["1", "3", "X", "4"])
    expect_equal(screen.cursor(), [(4, 8)])
    expect_equal(show(shell, r"hidden\033[?25l").cursor(), [])
    report = shell.output(r"(stty raw -echo; printf '\033[3;7H\033[6n' >/dev/tty1; dd bs=1 count=6 2>/dev/null; stty sane) </dev/tty1"
                          " | tail -c 5; echo")
    expect_equal(report, "[3;7R\n", "the cursor's report")
    shell.check("stty size </dev/tty1; stty size </dev/tty0", "25 80\n25 80\n")


def typing(shell):
    """The layout is the German one: what is typed are places on a US keyboard."""
    shell.output(r"printf '\033c' >/dev/tty1")
    shell.screen_shell()
    shell.type("echo y")
    shell.press("shift-z", "semicolon", "alt_r-q", "minus", "caps_lock", "a", "caps_lock", "b")
    shell.type("x")
    shell.press("backspace", "shift-0", "backspace", "ret")
    screen = shell.wait_for("zYö@ßAb")
    expect_match(r"^/ # echo zYö@ßAb$", "\n".join(screen.lines()))
    shell.type("cat \n")
    shell.type("gone")
    shell.press("ctrl-c")
    shell.type("ttz")
    shell.press("backspace", "left", "right", "y", "ret")  # "z" is where "y" was
    lines = shell.wait_for("/ # ttz").lines()
    expect_match(r"^gone\^C$", "\n".join(lines))


@test("the screen shows text, colours and the cursor; keys reach a shell on tty1", kernels=("devine",))
def screen_and_keyboard(ctx):
    with ScreenShell(ctx, SIZES[ctx.arch], "keymap=de") as shell:
        text_and_colours(shell)
        scrolling_and_cursor(shell)
        typing(shell)


@test("several consoles: the log is on all, the last one is /dev/console", kernels=("devine",))
def several_consoles(ctx):
    last = ctx.console()
    with ScreenShell(ctx, SIZES[ctx.arch], f"console=tty0 console={last} loglevel=8", name="consoles") as shell:
        shell.output("echo a line for both >/dev/kmsg")
        lines = "\n".join(shell.screen().lines())
        expect_match(r"a line for both$", lines, "the screen")
        expect_match(r"a line for both\r?$", shell.history, "the serial line")
        expect_match(rf"^{last} +-W- \(EC p a\)", shell.output("cat /proc/consoles"))
        expect_match(r"^tty1 +-W- \(E  p a\) +4:1$", shell.output("cat /proc/consoles"))
        shell.press("ctrl-alt-delete")
        shell.expect("power: ", 30)
