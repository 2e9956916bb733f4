// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the terminal emulator, of code page 437 and of drawing. */
#include <dev/video/cp437.h>
#include <dev/video/font.h>
#include <dev/video/paint.h>
#include <dev/video/vt.h>

#include <core/ktest.h>
#include <lib/string.h>

#define ROWS 5u
#define COLUMNS 10u

static uint64_t memory[1024];
static struct vt vt;
static unsigned drawn;

static void begin(void)
{
    memset(memory, 0, sizeof memory);
    vt_init(&vt, ROWS, COLUMNS, memory);
}

static void draw(void *arg, unsigned row, unsigned column, const struct vt_cell *cell)
{
    drawn++;
}

static unsigned flush(void)
{
    drawn = 0;
    vt_flush_begin(&vt);
    for (unsigned row = 0; row < ROWS; row++)
        vt_flush_row(&vt, row, draw, NULL);
    return drawn;
}

static void put(const char *s)
{
    vt_write(&vt, s, strlen(s));
}

/* The screen as text: rows without their last blanks, '|' between them, '#' for what is not ASCII. */
static const char *screen(void)
{
    static char text[ROWS * (COLUMNS + 1) + 1];
    size_t n = 0;

    for (unsigned row = 0; row < ROWS; row++) {
        size_t end = n;

        for (unsigned column = 0; column < COLUMNS; column++) {
            uint16_t ch = vt_cell(&vt, row, column)->ch;

            text[n++] = ch >= 0x7f ? '#' : (char)ch;
            if (ch != ' ')
                end = n;
        }
        n = end;
        text[n++] = '|';
    }
    text[n - 1] = '\0';
    return text;
}

static const char *after(const char *s)
{
    begin();
    put(s);
    return vt_check(&vt) ? screen() : "broken";
}

KTEST(vt, text_and_controls)
{
    KTEST_STR_EQ(after("ab\r\ncd"), "ab|cd|||");
    KTEST_STR_EQ(after("ab\ncd"), "ab|  cd|||");
    KTEST_STR_EQ(after("abc\b\bX"), "aXc||||");
    KTEST_STR_EQ(after("a\tb"), "a       b||||");
    KTEST_STR_EQ(after("0123456789"), "0123456789||||");
    KTEST_EQ(vt.pen.row, 0u);
    KTEST_STR_EQ(after("0123456789a"), "0123456789|a|||");
    KTEST_STR_EQ(after("0123456789\r\na"), "0123456789|a|||");
    KTEST_STR_EQ(after("\033[?7l0123456789ab"), "012345678b||||");
    KTEST_STR_EQ(after("1\r\n2\r\n3\r\n4\r\n5\r\n6"), "2|3|4|5|6");
    KTEST_STR_EQ(after("a\x7f\x01" "b"), "ab||||");
}

KTEST(vt, moves)
{
    KTEST_STR_EQ(after("\033[3;4HX"), "||   X||");
    KTEST_STR_EQ(after("\033[99;99HX\033[HY"), "Y||||         X");
    KTEST_STR_EQ(after("\033[3;5H\033[AX\033[2DY\033[BZ\033[CW"), "|   YX|    Z W||");
    KTEST_STR_EQ(after("\033[2;5H\033[EX\033[2FY"), "Y||X||");
    KTEST_STR_EQ(after("\033[3GX\033[2dY"), "  X|   Y|||");
    KTEST_STR_EQ(after("ab\0337\033[3;3Hc\0338d\033[sxy\033[uz"), "abdzy||  c||");
    KTEST_STR_EQ(after("\033[3g\033[5G\033H\r\tX"), "    X||||");
    KTEST_STR_EQ(after("\033[9G\033[ZX"), "X||||");
}

KTEST(vt, erases_and_shifts)
{
    KTEST_STR_EQ(after("abcdef\033[3G\033[K"), "ab||||");
    KTEST_STR_EQ(after("abcdef\033[3G\033[1K"), "   def||||");
    KTEST_STR_EQ(after("ab\r\ncd\r\nef\033[2;2H\033[J"), "ab|c|||");
    KTEST_STR_EQ(after("ab\r\ncd\r\nef\033[2;1H\033[1J"), "| d|ef||");
    KTEST_STR_EQ(after("ab\r\ncd\033[2J"), "||||");
    KTEST_STR_EQ(after("abcdef\033[2G\033[2@"), "a  bcdef||||");
    KTEST_STR_EQ(after("abcdef\033[2G\033[2P"), "adef||||");
    KTEST_STR_EQ(after("abcdef\033[2G\033[2X"), "a  def||||");
    KTEST_STR_EQ(after("abcd\033[4h\033[2Gxy\033[4l_"), "axy_cd||||");
    KTEST_STR_EQ(after("1\r\n2\r\n3\033[2H\033[L"), "1||2|3|");
    KTEST_STR_EQ(after("1\r\n2\r\n3\033[2H\033[M"), "1|3|||");
    KTEST_STR_EQ(after("1\r\n2\r\n3\033[S"), "2|3|||");
    KTEST_STR_EQ(after("1\r\n2\033[2T"), "||1|2|");
    KTEST_STR_EQ(after("\033#8\033[2;4r\033[2J\033[S"), "||||");
}

KTEST(vt, scroll_region)
{
    KTEST_STR_EQ(after("1\r\n2\r\n3\r\n4\r\n5\033[2;4r\033[4H\nX"), "1|3|4|X|5");
    KTEST_STR_EQ(after("1\r\n2\r\n3\r\n4\r\n5\033[2;4r\033[2H\033MX"), "1|X|2|3|5");
    KTEST_STR_EQ(after("\033[2;4r\033[?6h\033[1;1HX\033[9;1HY"), "|X||Y|");
    KTEST_STR_EQ(after("\033[4;2rX\033[0;0rY"), "Y||||");
    KTEST_STR_EQ(after("\033[2;3r\033[5;1H\n\nX"), "||||X");
}

KTEST(vt, utf8)
{
    begin();
    put("\xc3\xa4\xe2\x94\x80\xf0\x9f\x98\x80.");
    KTEST_EQ(vt_cell(&vt, 0, 0)->ch, 0xe4);
    KTEST_EQ(vt_cell(&vt, 0, 1)->ch, 0x2500);
    KTEST_EQ(vt_cell(&vt, 0, 2)->ch, 0xfffd); /* wide: two places */
    KTEST_EQ(vt_cell(&vt, 0, 3)->ch, ' ');
    KTEST_EQ(vt_cell(&vt, 0, 4)->ch, '.');
    KTEST_STR_EQ(after("e\xcc\x81x"), "ex||||"); /* a combining accent */
    KTEST_STR_EQ(after("\xc3x\xff\xc0\x80y"), "#x###y||||");
    KTEST_STR_EQ(after("\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80!"), "###!||||");
    KTEST_STR_EQ(after("\xc2\x9b" "2CX"), "  X||||"); /* CSI as one character */
}

KTEST(vt, charsets)
{
    begin();
    put("\033(0lqk\033(Bq\016x\017x\033[11m\xc9\033[10mz");
    KTEST_EQ(vt_cell(&vt, 0, 0)->ch, 0x250c);
    KTEST_EQ(vt_cell(&vt, 0, 1)->ch, 0x2500);
    KTEST_EQ(vt_cell(&vt, 0, 2)->ch, 0x2510);
    KTEST_EQ(vt_cell(&vt, 0, 3)->ch, 'q');
    KTEST_EQ(vt_cell(&vt, 0, 4)->ch, 0x2502);
    KTEST_EQ(vt_cell(&vt, 0, 5)->ch, 'x');
    KTEST_EQ(vt_cell(&vt, 0, 6)->ch, 0x2554);
    KTEST_EQ(vt_cell(&vt, 0, 7)->ch, 'z');
    KTEST_EQ(cp437_from_unicode(0x2554), 0xc9);
    KTEST_EQ(cp437_from_unicode('A'), 'A');
    KTEST_EQ(cp437_from_unicode(0x4e00), '?');
}

static void expect_colours(struct ktest *t, const char *sequence, uint32_t fg, uint32_t bg)
{
    const struct vt_cell *c;

    begin();
    put(sequence);
    put("X");
    c = vt_cell(&vt, 0, 0);
    if (c->fg != fg || c->bg != bg)
        ktest_fail(t, __FILE__, __LINE__, "after \\033%s: %06x on %06x, expected %06x on %06x",
                   sequence + 1, c->fg, c->bg, fg, bg);
}

KTEST(vt, colours)
{
    expect_colours(t, "", 0xaaaaaa, 0);
    expect_colours(t, "\033[31m", 0xaa0000, 0);
    expect_colours(t, "\033[1;33;44m", 0xffff55, 0x0000aa);
    expect_colours(t, "\033[1m\033[32m\033[22m", 0x00aa00, 0);
    expect_colours(t, "\033[94;103m", 0x5555ff, 0xffff55);
    expect_colours(t, "\033[7m", 0, 0xaaaaaa);
    expect_colours(t, "\033[7;31;27m", 0xaa0000, 0);
    expect_colours(t, "\033[31;42;39;49m", 0xaaaaaa, 0);
    expect_colours(t, "\033[31m\033[m", 0xaaaaaa, 0);
    expect_colours(t, "\033[38;5;196;48;5;244m", 0xff0000, 0x808080);
    expect_colours(t, "\033[38;5;9m", 0xff5555, 0);
    expect_colours(t, "\033[38;2;1;2;3;48;2;4;5;6m", 0x010203, 0x040506);
    expect_colours(t, "\033[2m", 0x555555, 0);
    expect_colours(t, "\033[38;5;300m", 0xaaaaaa, 0);
    expect_colours(t, "\033[38;2;1m", 0xaaaaaa, 0);
    begin();
    put("\033[41m\033[K"); /* erasing takes the background along */
    KTEST_EQ(vt_cell(&vt, 0, 9)->bg, 0xaa0000u);
    put("\033[4mX");
    KTEST_EQ(vt_cell(&vt, 0, 0)->flags, VT_UNDERLINE);
    /* Linux's palette: no terminator, and all there is of terminfo's oc, initc and rs1. */
    begin();
    put("\033]P1123456\033[31mX\033]Rx\033[31mY");
    KTEST_STR_EQ(screen(), "XxY||||");
    KTEST_EQ(vt_cell(&vt, 0, 0)->fg, 0x123456u);
    KTEST_EQ(vt_cell(&vt, 0, 2)->fg, 0xaa0000u);
    put("\033]Pfabcdef\033[1;37mZ");
    KTEST_EQ(vt_cell(&vt, 0, 3)->fg, 0xabcdefu);
    KTEST_STR_EQ(after("\033c\033]Rshown"), "shown||||");
    KTEST_STR_EQ(after("a\033]P12gb\033]zc"), "abc||||");
    KTEST_EQ(vt_palette_nearest(0xff0000), 1u);
    KTEST_EQ(vt_palette_nearest(0xfefefe), 15u);
}

static const char *answer(const char *s)
{
    static char text[VT_REPLY_MAX + 1];

    begin();
    put(s);
    text[vt_reply_take(&vt, text)] = '\0';
    return text;
}

KTEST(vt, reports)
{
    KTEST_STR_EQ(answer("\033[3;4H\033[6n"), "\033[3;4R");
    KTEST_STR_EQ(answer("\033[2;4r\033[?6h\033[2;2H\033[6n"), "\033[2;2R");
    KTEST_STR_EQ(answer("\033[5n\033[c"), "\033[0n\033[?6c");
    KTEST_STR_EQ(answer("\033Z"), "\033[?6c");
    KTEST_STR_EQ(answer("\033[>c\033[?6n\033[1c"), "");
    begin();
    for (unsigned i = 0; i < 100; i++)
        put("\033[6n");
    KTEST_TRUE(vt.reply_length <= VT_REPLY_MAX && vt.reply_length % 6 == 0);
    begin();
    vt.mute = true;
    put("\033[6n");
    KTEST_EQ(vt.reply_length, 0u);
}

KTEST(vt, strange_sequences)
{
    KTEST_STR_EQ(after("a\033]0;title\007b\033]2;x\033\\c\033Pq#0\033\\d"), "abcd||||");
    KTEST_STR_EQ(after("a\033[1;2:3mb\033[1 qc\033[?9999hd\033[=1;2zf"), "abcdf||||");
    KTEST_STR_EQ(after("a\033[12\030b\033\032c"), "abc||||");
    KTEST_STR_EQ(after("a\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18mb"), "ab||||");
    KTEST_STR_EQ(after("a\033[99999999999999999999Cb"), "a        b||||");
    KTEST_STR_EQ(after("a\033[2\nCb"), "a|   b|||"); /* controls work inside of sequences */
    KTEST_STR_EQ(after("a\033[999999@\033[999999P\033[999999L\033[999999M\033[999999S"), "||||");
    KTEST_STR_EQ(after("xyz\033cq"), "q||||");
    KTEST_STR_EQ(after("a\033]0;no end\033[3Cb\033_x\033\033[mc"), "a   bc||||"); /* ESC ends it */
    KTEST_STR_EQ(after("a\033[[Ab"), "ab||||"); /* F1, echoed */
}

KTEST(vt, draws_only_what_changed)
{
    begin();
    KTEST_EQ(flush(), ROWS * COLUMNS);
    KTEST_EQ(flush(), 0u);
    put("a");
    KTEST_EQ(flush(), 2u); /* the letter, and the cursor's new place */
    put("\ra");
    KTEST_EQ(flush(), 0u);
    put("\033[?25l");
    KTEST_EQ(flush(), 1u);
    put("\r\n\n\n\n\n"); /* scrolls: the letter goes, all else is blank */
    KTEST_EQ(flush(), 1u);
    put("\033[?5h");
    KTEST_EQ(flush(), ROWS * COLUMNS);
    KTEST_TRUE(vt_check(&vt));
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static const struct boot_framebuffer sound = {
    .addr = 0x1000, .width = 16, .height = 32, .pitch = 64, .bpp = 32, .red_shift = 16, .red_bits = 8,
    .green_shift = 8, .green_bits = 8, .blue_bits = 8,
};

KTEST(vt, unfit_framebuffers_are_refused)
{
    struct boot_framebuffer fb = sound;

    KTEST_TRUE(paint_unfit(&fb) == NULL);
    fb.pitch = 63;
    KTEST_TRUE(paint_unfit(&fb) != NULL);
    fb = sound;
    fb.bpp = 8;
    KTEST_TRUE(paint_unfit(&fb) != NULL);
    fb = sound;
    fb.width = fb.height = 0xffffffff;
    KTEST_TRUE(paint_unfit(&fb) != NULL);
    fb = sound;
    fb.red_shift = 30;
    KTEST_TRUE(paint_unfit(&fb) != NULL);
    fb = sound;
    fb.red_bits = 0;
    KTEST_TRUE(paint_unfit(&fb) != NULL);
    fb = sound;
    fb.height = 0;
    KTEST_TRUE(paint_unfit(&fb) != NULL);
}

static void expect_pixels(struct ktest *t, const struct boot_framebuffer *fb, uint32_t fg, uint32_t bg)
{
    static uint8_t picture[32 * 64 + 64];
    const struct vt_cell c = { .fg = 0xff8000, .bg = 0x000080, .ch = 0x2588 + 4 }; /* left half */
    unsigned bytes = fb->bpp / 8;

    memset(picture, 0xee, sizeof picture);
    paint_cell(fb, picture, 1, 1, &c);
    for (unsigned at = 0; at < sizeof picture; at++) {
        unsigned y = at / fb->pitch, x = at % fb->pitch / bytes, part = at % fb->pitch % bytes * 8;
        uint8_t want = (uint8_t)((x < 12 ? fg : bg) >> part);

        if (y < 16 || y >= 32 || x < 8 || x >= 16)
            want = 0xee;
        if (picture[at] != want)
            return ktest_fail(t, __FILE__, __LINE__, "%u bits: byte %u is %#x, expected %#x", fb->bpp, at,
                              picture[at], want);
    }
}

KTEST(vt, pixels_of_all_formats)
{
    struct boot_framebuffer fb = sound;

    expect_pixels(t, &fb, 0xff8000, 0x000080);
    fb.bpp = 24;
    fb.pitch = 51;
    expect_pixels(t, &fb, 0xff8000, 0x000080);
    fb = (struct boot_framebuffer){ .addr = 0x1000, .width = 16, .height = 32, .pitch = 34, .bpp = 16,
                                    .red_shift = 11, .red_bits = 5, .green_shift = 5, .green_bits = 6,
                                    .blue_bits = 5 };
    expect_pixels(t, &fb, 0xfc00, 0x0010);
    fb.red_shift = 0; /* the other way round */
    fb.blue_shift = 11;
    expect_pixels(t, &fb, 0x041f, 0x8000);
}

KTEST(vt, font_has_what_screens_need)
{
    const uint8_t *none = font_glyph(FONT_REPLACEMENT);

    for (uint16_t c = 0x21; c < 0x7f; c++)
        KTEST_TRUE(font_glyph(c) != none);
    for (uint16_t c = 0xa1; c < 0x114; c++)
        KTEST_TRUE(font_glyph(c) != none);
    for (uint16_t c = 0x2500; c < 0x25a0; c++)
        KTEST_TRUE(font_glyph(c) != none);
    for (uint16_t c = 0x2190; c < 0x2196; c++)
        KTEST_TRUE(font_glyph(c) != none);
    KTEST_TRUE(font_glyph(0xffff) == none && font_glyph(0x4e00) == none);
    for (unsigned i = 1; i < font_char_count; i++)
        KTEST_TRUE(font_chars[i - 1].ch < font_chars[i].ch);
}
