// SPDX-License-Identifier: CC0-1.0
#include <dev/video/vt.h>

#include <dev/video/cp437.h>
#include <lib/fmt.h>
#include <lib/string.h>

#define TAB 8u
#define REPLACEMENT 0xfffdu
#define PARAM_LIMIT 9999u
#define ESC 0x1b
#define CSI 0x9b

/* Linux's colours. */
const uint32_t vt_palette[16] = {
    0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
    0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
};

unsigned vt_palette_nearest(uint32_t rgb)
{
    unsigned best = 0, best_distance = ~0u;

    for (unsigned i = 0; i < ARRAY_SIZE(vt_palette); i++) {
        unsigned distance = 0;

        for (unsigned shift = 0; shift < 24; shift += 8) {
            int d = (int)(rgb >> shift & 0xff) - (int)(vt_palette[i] >> shift & 0xff);
            distance += (unsigned)(d * d);
        }
        if (distance < best_distance) {
            best = i;
            best_distance = distance;
        }
    }
    return best;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static uint32_t colour_rgb(const struct vt *vt, uint32_t colour)
{
    return colour & VT_DIRECT ? colour & 0xffffff : vt->palette[colour & 15];
}

static struct vt_cell cell_make(const struct vt *vt, uint16_t ch)
{
    const struct vt_pen *p = &vt->pen;
    uint32_t fg = p->fg, bg = colour_rgb(vt, p->bg), rgb;

    if (p->bold && fg < 8)
        fg += 8;
    rgb = colour_rgb(vt, fg);
    if (p->dim && !p->bold)
        rgb = rgb >> 1 & 0x7f7f7f;
    return (struct vt_cell){ .fg = p->reverse ? bg : rgb, .bg = p->reverse ? rgb : bg, .ch = ch,
                             .flags = p->underline ? VT_UNDERLINE : 0 };
}

/* What erasing leaves: the pen's background. */
static struct vt_cell cell_blank(const struct vt *vt)
{
    return (struct vt_cell){ .fg = vt->palette[VT_COLOUR_DEFAULT], .bg = colour_rgb(vt, vt->pen.bg),
                             .ch = ' ' };
}

static void mark(struct vt *vt, unsigned row, unsigned from, unsigned to)
{
    struct vt_dirty *d = &vt->dirty[row];

    if (d->from >= d->to) {
        *d = (struct vt_dirty){ (uint16_t)from, (uint16_t)to };
        return;
    }
    d->from = (uint16_t)MIN(d->from, from);
    d->to = (uint16_t)MAX(d->to, to);
}

static void mark_rows(struct vt *vt, unsigned from, unsigned to)
{
    for (unsigned row = from; row < to; row++)
        mark(vt, row, 0, vt->columns);
}

static struct vt_cell *cells_of(struct vt *vt, unsigned row)
{
    return vt->cells + (size_t)vt->line[row] * vt->columns;
}

static void clear(struct vt *vt, unsigned row, unsigned from, unsigned to)
{
    struct vt_cell blank = cell_blank(vt), *c = cells_of(vt, row);

    for (unsigned i = from; i < to; i++)
        c[i] = blank;
    if (from < to)
        mark(vt, row, from, to);
}

static void clear_rows(struct vt *vt, unsigned from, unsigned to)
{
    for (unsigned row = from; row < to; row++)
        clear(vt, row, 0, vt->columns);
}

static void lines_reverse(uint16_t *line, unsigned from, unsigned to)
{
    for (; from + 1 < to; from++, to--) {
        uint16_t kept = line[from];

        line[from] = line[to - 1];
        line[to - 1] = kept;
    }
}

/* Rows [from, to) move up by n, or down; what comes in is blank. */
static void scroll(struct vt *vt, unsigned from, unsigned to, unsigned n, bool up)
{
    unsigned middle;

    n = MIN(n, to - from);
    middle = up ? from + n : to - n;
    lines_reverse(vt->line, from, middle);
    lines_reverse(vt->line, middle, to);
    lines_reverse(vt->line, from, to);
    mark_rows(vt, from, to);
    if (up)
        clear_rows(vt, to - n, to);
    else
        clear_rows(vt, from, from + n);
}

/* ---- the cursor ------------------------------------------------------------------------------ */

static void cursor_to(struct vt *vt, unsigned row, unsigned column)
{
    vt->pen.row = MIN(row, vt->rows - 1);
    vt->pen.column = MIN(column, vt->columns - 1);
    vt->pen.wrap = false;
}

/* As programs count: from the region's first row in origin mode. */
static void cursor_address(struct vt *vt, unsigned row, unsigned column)
{
    if (vt->origin)
        row = MIN(row + vt->top, vt->bottom - 1);
    cursor_to(vt, row, column);
}

/* Up and down stop at the region's edges unless they begin beyond them. */
static void cursor_up(struct vt *vt, unsigned n)
{
    unsigned edge = vt->pen.row >= vt->top ? vt->top : 0;

    cursor_to(vt, vt->pen.row - MIN(n, vt->pen.row - edge), vt->pen.column);
}

static void cursor_down(struct vt *vt, unsigned n)
{
    unsigned edge = vt->pen.row < vt->bottom ? vt->bottom - 1 : vt->rows - 1;

    cursor_to(vt, MIN(vt->pen.row + n, edge), vt->pen.column);
}

static void cursor_left(struct vt *vt, unsigned n)
{
    cursor_to(vt, vt->pen.row, vt->pen.column - MIN(n, vt->pen.column));
}

static void line_feed(struct vt *vt)
{
    vt->pen.wrap = false;
    if (vt->pen.row + 1 == vt->bottom)
        scroll(vt, vt->top, vt->bottom, 1, true);
    else if (vt->pen.row + 1 < vt->rows)
        vt->pen.row++;
}

static void reverse_line_feed(struct vt *vt)
{
    vt->pen.wrap = false;
    if (vt->pen.row == vt->top)
        scroll(vt, vt->top, vt->bottom, 1, false);
    else if (vt->pen.row > 0)
        vt->pen.row--;
}

static bool tab_at(const struct vt *vt, unsigned column)
{
    return vt->tabs[column / 8] >> column % 8 & 1;
}

static void tab_forward(struct vt *vt, unsigned n)
{
    unsigned column = vt->pen.column;

    while (n > 0 && column + 1 < vt->columns)
        n -= tab_at(vt, ++column);
    cursor_to(vt, vt->pen.row, column);
}

static void tab_back(struct vt *vt, unsigned n)
{
    unsigned column = vt->pen.column;

    while (n > 0 && column > 0)
        n -= tab_at(vt, --column);
    cursor_to(vt, vt->pen.row, column);
}

static void tab_clear(struct vt *vt, unsigned how)
{
    unsigned column = vt->pen.column;

    if (how == 0)
        vt->tabs[column / 8] &= (uint8_t)~(1u << column % 8);
    else if (how == 3)
        memset(vt->tabs, 0, sizeof vt->tabs);
}

/* ---- characters ------------------------------------------------------------------------------ */

static void cells_insert(struct vt *vt, unsigned n)
{
    struct vt_cell *c = cells_of(vt, vt->pen.row);
    unsigned at = vt->pen.column, left = vt->columns - at;

    n = MIN(n, left);
    memmove(c + at + n, c + at, (left - n) * sizeof *c);
    mark(vt, vt->pen.row, at, vt->columns);
    clear(vt, vt->pen.row, at, at + n);
}

static void cells_delete(struct vt *vt, unsigned n)
{
    struct vt_cell *c = cells_of(vt, vt->pen.row);
    unsigned at = vt->pen.column, left = vt->columns - at;

    n = MIN(n, left);
    memmove(c + at, c + at + n, (left - n) * sizeof *c);
    mark(vt, vt->pen.row, at, vt->columns);
    clear(vt, vt->pen.row, vt->columns - n, vt->columns);
}

static void glyph_put(struct vt *vt, uint16_t ch)
{
    struct vt_pen *p = &vt->pen;

    if (p->wrap && vt->auto_wrap) {
        p->column = 0;
        line_feed(vt);
    }
    if (vt->insert)
        cells_insert(vt, 1);
    cells_of(vt, p->row)[p->column] = cell_make(vt, ch);
    mark(vt, p->row, p->column, p->column + 1);
    p->wrap = p->column + 1 == vt->columns;
    if (!p->wrap)
        p->column++;
}

struct span {
    uint32_t from, to;
};

static bool in_spans(const struct span *s, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= s[i].from && c <= s[i].to)
            return true;
    return false;
}

/* Characters that take no place: combining marks, joiners, variation selectors, direction marks. */
static bool is_zero_width(uint32_t c)
{
    static const struct span spans[] = { { 0x300, 0x36f },   { 0x483, 0x489 },   { 0x591, 0x5bd },
                                         { 0x610, 0x61a },   { 0x64b, 0x65f },   { 0x200b, 0x200f },
                                         { 0x202a, 0x202e }, { 0x2060, 0x2064 }, { 0x20d0, 0x20f0 },
                                         { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff },
                                         { 0xe0100, 0xe01ef } };

    return c >= 0x300 && in_spans(spans, ARRAY_SIZE(spans), c);
}

/* Characters that take two places (Unicode's East Asian width W and F, by blocks). */
static bool is_wide(uint32_t c)
{
    static const struct span spans[] = { { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf },
                                         { 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
                                         { 0xfe30, 0xfe6f }, { 0xff01, 0xff60 }, { 0xffe0, 0xffe6 },
                                         { 0x1f300, 0x1f64f }, { 0x1f900, 0x1f9ff },
                                         { 0x20000, 0x3fffd } };

    return c >= 0x1100 && in_spans(spans, ARRAY_SIZE(spans), c);
}

/* DEC's line drawing set, from '_' to '~'. */
static uint16_t graphics(uint32_t c)
{
    static const uint16_t set[] = { 0x00a0, 0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0,
                                    0x00b1, 0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c,
                                    0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524, 0x2534,
                                    0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7 };

    return set[c - '_'];
}

static void char_put(struct vt *vt, uint32_t c)
{
    enum vt_charset set = vt->pen.charset[vt->pen.shift];

    if (is_zero_width(c))
        return;
    if (set == VT_GRAPHICS && c >= '_' && c <= '~')
        return glyph_put(vt, graphics(c));
    if (set == VT_CP437 && c < 0x100)
        return glyph_put(vt, cp437[c]);
    if (is_wide(c)) { /* the font has none: its two places stay two */
        glyph_put(vt, REPLACEMENT);
        return glyph_put(vt, ' ');
    }
    glyph_put(vt, (uint16_t)(c > 0xffff ? REPLACEMENT : c));
}

/* ---- reports --------------------------------------------------------------------------------- */

static void reply(struct vt *vt, const char *text)
{
    size_t n = strlen(text);

    if (vt->mute || n > sizeof vt->reply - vt->reply_length)
        return;
    memcpy(vt->reply + vt->reply_length, text, n);
    vt->reply_length += (unsigned)n;
}

static void reply_status(struct vt *vt, unsigned what)
{
    char text[24];
    unsigned row = vt->pen.row - (vt->origin ? MIN(vt->top, vt->pen.row) : 0);

    if (what == 5)
        return reply(vt, "\x1b[0n");
    if (what != 6)
        return;
    fmt_snprintf(text, sizeof text, "\x1b[%u;%uR", row + 1, vt->pen.column + 1);
    reply(vt, text);
}

unsigned vt_reply_take(struct vt *vt, char out[VT_REPLY_MAX])
{
    unsigned n = vt->reply_length;

    memcpy(out, vt->reply, n);
    vt->reply_length = 0;
    return n;
}

/* ---- modes ----------------------------------------------------------------------------------- */

static void pen_reset(struct vt_pen *p)
{
    p->fg = VT_COLOUR_DEFAULT;
    p->bg = 0;
    p->bold = p->dim = p->underline = p->reverse = p->cp437 = false;
}

static void reset(struct vt *vt)
{
    vt->pen = (struct vt_pen){ .charset = { VT_LATIN, VT_GRAPHICS } };
    pen_reset(&vt->pen);
    vt->saved = vt->pen;
    vt->top = 0;
    vt->bottom = vt->rows;
    vt->auto_wrap = vt->cursor_visible = true;
    vt->origin = vt->insert = vt->new_line = vt->cursor_keys = vt->keypad = false;
    if (vt->reversed)
        mark_rows(vt, 0, vt->rows);
    vt->reversed = false;
    memset(vt->tabs, 0, sizeof vt->tabs);
    for (unsigned column = TAB; column < vt->columns; column += TAB)
        vt->tabs[column / 8] |= (uint8_t)(1u << column % 8);
    vt->parse = VT_PLAIN;
    vt->code_left = 0;
    clear_rows(vt, 0, vt->rows);
}

static void private_mode(struct vt *vt, unsigned mode, bool on)
{
    switch (mode) {
    case 1:
        vt->cursor_keys = on;
        return;
    case 5:
        if (vt->reversed != on)
            mark_rows(vt, 0, vt->rows);
        vt->reversed = on;
        return;
    case 6:
        vt->origin = on;
        return cursor_address(vt, 0, 0);
    case 7:
        vt->auto_wrap = on;
        return;
    case 25:
        vt->cursor_visible = on;
        return;
    default:
        return;
    }
}

static void modes_set(struct vt *vt, bool on)
{
    for (unsigned i = 0; i < vt->param_count; i++) {
        if (vt->marker == '?')
            private_mode(vt, vt->params[i], on);
        else if (vt->params[i] == 4)
            vt->insert = on;
        else if (vt->params[i] == 20)
            vt->new_line = on;
    }
}

/* Bounds in `saved` stay within the screen, whose size never changes. */
static void cursor_restore(struct vt *vt)
{
    vt->pen = vt->saved;
}

/* ---- rendition ------------------------------------------------------------------------------- */

/* The 256 colours: Linux's 16, a cube of 6 x 6 x 6, 24 greys. */
static uint32_t colour_of_256(unsigned n)
{
    static const uint8_t step[6] = { 0, 95, 135, 175, 215, 255 };
    uint32_t grey;

    if (n < 16)
        return n;
    if (n < 232) {
        n -= 16;
        return VT_DIRECT | (uint32_t)step[n / 36] << 16 | (uint32_t)step[n / 6 % 6] << 8 | step[n % 6];
    }
    grey = 8 + 10 * (n - 232);
    return VT_DIRECT | grey << 16 | grey << 8 | grey;
}

/* 38 and 48: 5;N or 2;R;G;B follow.  Return: how many parameters that took. */
static unsigned colour_extended(const struct vt *vt, unsigned at, uint32_t *colour)
{
    const unsigned *p = vt->params + at;
    unsigned left = vt->param_count - at;

    if (left >= 3 && p[1] == 5) {
        if (p[2] < 256)
            *colour = colour_of_256(p[2]);
        return 3;
    }
    if (left >= 5 && p[1] == 2) {
        *colour = VT_DIRECT | (p[2] & 0xff) << 16 | (p[3] & 0xff) << 8 | (p[4] & 0xff);
        return 5;
    }
    return left;
}

static void rendition_colour(struct vt_pen *p, unsigned n)
{
    if (n >= 30 && n <= 37)
        p->fg = n - 30;
    else if (n == 39)
        p->fg = VT_COLOUR_DEFAULT;
    else if (n >= 40 && n <= 47)
        p->bg = n - 40;
    else if (n == 49)
        p->bg = 0;
    else if (n >= 90 && n <= 97)
        p->fg = n - 90 + 8;
    else if (n >= 100 && n <= 107)
        p->bg = n - 100 + 8;
}

static void rendition_one(struct vt_pen *p, unsigned n)
{
    switch (n) {
    case 0:
        return pen_reset(p);
    case 1:
        p->bold = true;
        p->dim = false;
        return;
    case 2:
        p->dim = true;
        p->bold = false;
        return;
    case 22:
        p->bold = p->dim = false;
        return;
    case 4:
    case 21:
    case 24:
        p->underline = n != 24;
        return;
    case 7:
    case 27:
        p->reverse = n == 7;
        return;
    case 10:
    case 11:
    case 12:
        p->cp437 = n != 10;
        return;
    default:
        return rendition_colour(p, n);
    }
}

static void rendition(struct vt *vt)
{
    for (unsigned i = 0; i < vt->param_count;) {
        unsigned n = vt->params[i];

        if (n == 38 || n == 48) {
            i += colour_extended(vt, i, n == 38 ? &vt->pen.fg : &vt->pen.bg);
            continue;
        }
        rendition_one(&vt->pen, n);
        i++;
    }
}

/* ---- sequences ------------------------------------------------------------------------------- */

/* Parameter i; missing and 0 mean `missing`. */
static unsigned param(const struct vt *vt, unsigned i, unsigned missing)
{
    return i < vt->param_count && vt->params[i] ? vt->params[i] : missing;
}

static void erase_line(struct vt *vt, unsigned how)
{
    unsigned at = vt->pen.column;

    if (how == 0)
        clear(vt, vt->pen.row, at, vt->columns);
    else if (how == 1)
        clear(vt, vt->pen.row, 0, at + 1);
    else if (how == 2)
        clear(vt, vt->pen.row, 0, vt->columns);
    vt->pen.wrap = false;
}

static void erase_display(struct vt *vt, unsigned how)
{
    if (how == 0) {
        erase_line(vt, 0);
        clear_rows(vt, vt->pen.row + 1, vt->rows);
    } else if (how == 1) {
        clear_rows(vt, 0, vt->pen.row);
        erase_line(vt, 1);
    } else if (how == 2 || how == 3) {
        clear_rows(vt, 0, vt->rows);
    }
}

/* IL and DL: the rows from the cursor's to the region's end. */
static void rows_shift(struct vt *vt, unsigned n, bool up)
{
    if (vt->pen.row >= vt->bottom)
        return;
    scroll(vt, vt->pen.row, vt->bottom, n, up);
    vt->pen.wrap = false;
}

static void region_set(struct vt *vt)
{
    unsigned top = param(vt, 0, 1), bottom = MIN(param(vt, 1, vt->rows), vt->rows);

    if (top >= bottom)
        return;
    vt->top = top - 1;
    vt->bottom = bottom;
    cursor_address(vt, 0, 0);
}

static bool sequence_move(struct vt *vt, uint8_t c, unsigned n)
{
    struct vt_pen *p = &vt->pen;

    switch (c) {
    case 'A':
        return cursor_up(vt, n), true;
    case 'B':
    case 'e':
        return cursor_down(vt, n), true;
    case 'C':
    case 'a':
        return cursor_to(vt, p->row, p->column + n), true;
    case 'D':
        return cursor_left(vt, n), true;
    case 'E':
        return cursor_down(vt, n), cursor_to(vt, p->row, 0), true;
    case 'F':
        return cursor_up(vt, n), cursor_to(vt, p->row, 0), true;
    case 'G':
    case '`':
        return cursor_to(vt, p->row, n - 1), true;
    case 'd':
        return cursor_address(vt, n - 1, p->column), true;
    case 'H':
    case 'f':
        return cursor_address(vt, n - 1, param(vt, 1, 1) - 1), true;
    case 'I':
        return tab_forward(vt, n), true;
    case 'Z':
        return tab_back(vt, n), true;
    default:
        return false;
    }
}

static void sequence_change(struct vt *vt, uint8_t c, unsigned n)
{
    switch (c) {
    case 'J':
        return erase_display(vt, param(vt, 0, 0));
    case 'K':
        return erase_line(vt, param(vt, 0, 0));
    case 'L':
        return rows_shift(vt, n, false);
    case 'M':
        return rows_shift(vt, n, true);
    case '@':
        return cells_insert(vt, n);
    case 'P':
        return cells_delete(vt, n);
    case 'X':
        return clear(vt, vt->pen.row, vt->pen.column, MIN(vt->pen.column + n, vt->columns));
    case 'S':
        return scroll(vt, vt->top, vt->bottom, n, true);
    case 'T':
        return scroll(vt, vt->top, vt->bottom, n, false);
    case 'm':
        return rendition(vt);
    case 'r':
        return region_set(vt);
    case 's':
        vt->saved = vt->pen;
        return;
    case 'u':
        return cursor_restore(vt);
    case 'g':
        return tab_clear(vt, param(vt, 0, 0));
    case 'n':
        return reply_status(vt, param(vt, 0, 0));
    case 'c':
        return param(vt, 0, 0) == 0 ? reply(vt, "\x1b[?6c") : (void)0;
    default:
        return;
    }
}

static void sequence_end(struct vt *vt, uint8_t c)
{
    unsigned n;

    vt->parse = VT_PLAIN;
    if (vt->param_count == 0)
        vt->params[vt->param_count++] = 0;
    n = param(vt, 0, 1);
    if ((c == 'h' || c == 'l') && (!vt->marker || vt->marker == '?'))
        return modes_set(vt, c == 'h');
    if (vt->marker || sequence_move(vt, c, n))
        return;
    sequence_change(vt, c, n);
}

static void sequence_byte(struct vt *vt, uint32_t c)
{
    unsigned *p;

    if (c >= '0' && c <= '9') {
        vt->param_count = MAX(vt->param_count, 1u);
        p = &vt->params[vt->param_count - 1];
        *p = MIN(*p * 10 + (c - '0'), PARAM_LIMIT);
    } else if (c == ';') {
        vt->param_count = MAX(vt->param_count, 1u);
        if (vt->param_count == VT_PARAMS_MAX)
            vt->parse = VT_SKIP;
        else
            vt->params[vt->param_count++] = 0;
    } else if (c >= '<' && c <= '?' && vt->param_count == 0 && !vt->marker) {
        vt->marker = (char)c;
    } else if (c == '[' && vt->param_count == 0 && !vt->marker) {
        vt->parse = VT_EAT; /* a function key that is echoed: ESC [ [ A */
    } else if (c >= 0x40 && c <= 0x7e) {
        sequence_end(vt, (uint8_t)c);
    } else {
        vt->parse = VT_SKIP; /* intermediate bytes, ':': none that we know */
    }
}

static void sequence_begin(struct vt *vt)
{
    vt->parse = VT_SEQUENCE;
    vt->param_count = 0;
    vt->marker = 0;
    vt->params[0] = 0;
}

static void escape_byte(struct vt *vt, uint32_t c)
{
    vt->parse = VT_PLAIN;
    switch (c) {
    case '[':
        return sequence_begin(vt);
    case ']':
        vt->parse = VT_COMMAND;
        return;
    case 'P':
    case 'X':
    case '^':
    case '_':
        vt->parse = VT_STRING;
        return;
    case '(':
    case ')':
        vt->parse = VT_CHARSET;
        vt->designated = c == ')';
        return;
    case '#':
        vt->parse = VT_HASH;
        return;
    case '%': /* it is UTF-8 always */
        vt->parse = VT_EAT;
        return;
    case '7':
        vt->saved = vt->pen;
        return;
    case '8':
        return cursor_restore(vt);
    case 'c':
        return reset(vt);
    case 'D':
        return line_feed(vt);
    case 'E':
        vt->pen.column = 0;
        return line_feed(vt);
    case 'M':
        return reverse_line_feed(vt);
    case 'H':
        vt->tabs[vt->pen.column / 8] |= (uint8_t)(1u << vt->pen.column % 8);
        return;
    case 'Z':
        return reply(vt, "\x1b[?6c");
    case '=':
    case '>':
        vt->keypad = c == '=';
        return;
    default:
        return;
    }
}

/* ---- ESC ] ----------------------------------------------------------------------------------- */

static void palette_reset(struct vt *vt)
{
    memcpy(vt->palette, vt_palette, sizeof vt->palette);
}

/* Linux's own, which no terminator ends: R, and P with seven digits. A number begins a string. */
static void command_byte(struct vt *vt, uint32_t c)
{
    vt->parse = VT_PLAIN;
    if (c == 'P') {
        vt->parse = VT_PALETTE;
        vt->digits = vt->digit_count = 0;
    } else if (c == 'R') {
        palette_reset(vt);
    } else if (c >= '0' && c <= '9') {
        vt->parse = VT_STRING;
    }
}

/* The entry's digit and then two for each colour; what is none ends it. */
static void palette_byte(struct vt *vt, uint32_t c)
{
    uint32_t letter = c | 0x20, digit = c >= '0' && c <= '9' ? c - '0' : letter - 'a' + 10;

    vt->parse = VT_PLAIN;
    if (!(c >= '0' && c <= '9') && !(letter >= 'a' && letter <= 'f'))
        return;
    vt->digits = vt->digits << 4 | digit;
    if (++vt->digit_count == 7)
        vt->palette[vt->digits >> 24 & 15] = vt->digits & 0xffffff;
    else
        vt->parse = VT_PALETTE;
}

static void charset_byte(struct vt *vt, uint32_t c)
{
    vt->parse = VT_PLAIN;
    vt->pen.charset[vt->designated] = c == '0' ? VT_GRAPHICS : c == 'U' ? VT_CP437 : VT_LATIN;
}

/* DECALN. */
static void screen_align(struct vt *vt)
{
    struct vt_cell e = cell_make(vt, 'E');

    for (size_t i = 0; i < (size_t)vt->rows * vt->columns; i++)
        vt->cells[i] = e;
    mark_rows(vt, 0, vt->rows);
    cursor_to(vt, 0, 0);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Return: whether it was one. */
static bool control(struct vt *vt, uint32_t c)
{
    switch (c) {
    case '\b':
        cursor_left(vt, 1);
        return true;
    case '\t':
        tab_forward(vt, 1);
        return true;
    case '\n':
    case '\v':
    case '\f':
        line_feed(vt);
        if (vt->new_line)
            vt->pen.column = 0;
        return true;
    case '\r':
        cursor_to(vt, vt->pen.row, 0);
        return true;
    case 0x0e:
    case 0x0f:
        vt->pen.shift = c == 0x0e;
        return true;
    case 0x18:
    case 0x1a:
        vt->parse = VT_PLAIN;
        return true;
    case ESC:
        vt->parse = VT_ESCAPE;
        return true;
    case CSI:
        sequence_begin(vt);
        return true;
    default:
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
    }
}

/* ESC ends a string, whatever follows: the backslash that should is no more than that. */
static void string_byte(struct vt *vt, uint32_t c)
{
    if (vt->parse == VT_STRING_END && c != ESC)
        escape_byte(vt, c);
    else if (c == 0x07 || c == 0x18 || c == 0x1a)
        vt->parse = VT_PLAIN;
    else if (c == ESC)
        vt->parse = VT_STRING_END;
}

static void code_put(struct vt *vt, uint32_t c)
{
    if (vt->parse == VT_STRING || vt->parse == VT_STRING_END)
        return string_byte(vt, c);
    if (control(vt, c))
        return;
    switch (vt->parse) {
    case VT_ESCAPE:
        return escape_byte(vt, c);
    case VT_SEQUENCE:
        return sequence_byte(vt, c);
    case VT_SKIP:
        vt->parse = c >= 0x40 && c <= 0x7e ? VT_PLAIN : VT_SKIP;
        return;
    case VT_CHARSET:
        return charset_byte(vt, c);
    case VT_HASH:
        vt->parse = VT_PLAIN;
        return c == '8' ? screen_align(vt) : (void)0;
    case VT_EAT:
        vt->parse = VT_PLAIN;
        return;
    case VT_COMMAND:
        return command_byte(vt, c);
    case VT_PALETTE:
        return palette_byte(vt, c);
    default:
        return char_put(vt, c);
    }
}

/* The first byte of a character. */
static void utf8_begin(struct vt *vt, uint8_t c)
{
    if (c < 0x80)
        return code_put(vt, c);
    if (c >= 0xc2 && c < 0xe0) {
        vt->code_left = 1;
        vt->code = c & 0x1f;
        vt->code_least = 0x80;
    } else if (c >= 0xe0 && c < 0xf0) {
        vt->code_left = 2;
        vt->code = c & 0x0f;
        vt->code_least = 0x800;
    } else if (c >= 0xf0 && c < 0xf5) {
        vt->code_left = 3;
        vt->code = c & 0x07;
        vt->code_least = 0x10000;
    } else {
        code_put(vt, REPLACEMENT);
    }
}

static void utf8_byte(struct vt *vt, uint8_t c)
{
    bool sound;

    if (vt->code_left == 0)
        return utf8_begin(vt, c);
    if ((c & 0xc0) != 0x80) { /* cut off: it counts as one, and this byte begins anew */
        vt->code_left = 0;
        code_put(vt, REPLACEMENT);
        return utf8_begin(vt, c);
    }
    vt->code = vt->code << 6 | (c & 0x3f);
    if (--vt->code_left > 0)
        return;
    sound = vt->code >= vt->code_least && vt->code <= 0x10ffff && vt->code >> 11 != 0xd800 >> 11;
    code_put(vt, sound ? vt->code : REPLACEMENT);
}

/* SGR 11: all bytes but those that every screen needs are codes of the PC's set (Linux's CTRL_ALWAYS). */
static bool is_cp437_code(const struct vt *vt, uint8_t c)
{
    const uint32_t always = 0x0800f501;

    return vt->pen.cp437 && vt->parse == VT_PLAIN && vt->code_left == 0 &&
           !(c < 0x20 && always >> c & 1);
}

void vt_write(struct vt *vt, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)s[i];

        if (is_cp437_code(vt, c))
            glyph_put(vt, cp437[c]);
        else
            utf8_byte(vt, c);
    }
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* As of the last vt_flush_begin(), which marked the place. */
static bool cursor_is_at(const struct vt *vt, unsigned row, unsigned column)
{
    return vt->drawn && row == vt->drawn_row && column == vt->drawn_column;
}

static struct vt_cell cell_wanted(const struct vt *vt, unsigned row, unsigned column)
{
    struct vt_cell c = *vt_cell(vt, row, column);

    if (vt->reversed) {
        uint32_t fg = c.fg;

        c.fg = c.bg;
        c.bg = fg;
    }
    if (cursor_is_at(vt, row, column))
        c.flags |= VT_CURSOR;
    return c;
}

static bool cell_equal(const struct vt_cell *a, const struct vt_cell *b)
{
    return a->ch == b->ch && a->fg == b->fg && a->bg == b->bg && a->flags == b->flags;
}

void vt_flush_begin(struct vt *vt)
{
    if (vt->drawn)
        mark(vt, vt->drawn_row, vt->drawn_column, vt->drawn_column + 1);
    vt->drawn = vt->cursor_visible;
    vt->drawn_row = vt->pen.row;
    vt->drawn_column = vt->pen.column;
    if (vt->drawn)
        mark(vt, vt->drawn_row, vt->drawn_column, vt->drawn_column + 1);
}

void vt_flush_row(struct vt *vt, unsigned row,
                  void (*draw)(void *arg, unsigned row, unsigned column, const struct vt_cell *cell),
                  void *arg)
{
    struct vt_dirty *d = &vt->dirty[row];
    struct vt_cell *shown = vt->shown + (size_t)row * vt->columns;

    for (unsigned column = d->from; column < d->to; column++) {
        struct vt_cell c = cell_wanted(vt, row, column);

        if (cell_equal(&c, &shown[column]))
            continue;
        shown[column] = c;
        draw(arg, row, column, &c);
    }
    *d = (struct vt_dirty){ 0, 0 };
}

/* ---- life ------------------------------------------------------------------------------------ */

size_t vt_memory(unsigned rows, unsigned columns)
{
    return 2 * (size_t)rows * columns * sizeof(struct vt_cell) + rows * sizeof(struct vt_dirty) +
           rows * sizeof(uint16_t);
}

/* shown is all zero, which no cell ever is: each is drawn once. */
void vt_init(struct vt *vt, unsigned rows, unsigned columns, void *memory)
{
    size_t cells = (size_t)rows * columns;

    *vt = (struct vt){ .rows = rows, .columns = columns, .cells = memory };
    vt->shown = vt->cells + cells;
    vt->dirty = (struct vt_dirty *)(vt->shown + cells);
    vt->line = (uint16_t *)(vt->dirty + rows);
    for (unsigned row = 0; row < rows; row++)
        vt->line[row] = (uint16_t)row;
    palette_reset(vt);
    reset(vt);
}

static bool row_check(const struct vt *vt, unsigned row)
{
    const struct vt_dirty *d = &vt->dirty[row];

    if (d->to > vt->columns)
        return false;
    for (unsigned column = 0; column < vt->columns; column++) {
        struct vt_cell c = cell_wanted(vt, row, column), shown = vt->shown[row * vt->columns + column];

        if (column >= d->from && column < d->to)
            continue;
        c.flags &= (uint16_t)~VT_CURSOR;
        shown.flags &= (uint16_t)~VT_CURSOR;
        if (!cell_equal(&c, &shown))
            return false;
    }
    return true;
}

bool vt_check(const struct vt *vt)
{
    uint8_t seen[VT_ROWS_MAX / 8] = { 0 };

    if (vt->pen.row >= vt->rows || vt->pen.column >= vt->columns || vt->saved.row >= vt->rows ||
        vt->saved.column >= vt->columns || vt->top >= vt->bottom || vt->bottom > vt->rows)
        return false;
    for (unsigned row = 0; row < vt->rows; row++) {
        unsigned line = vt->line[row];

        if (line >= vt->rows || seen[line / 8] >> line % 8 & 1 || !row_check(vt, row))
            return false;
        seen[line / 8] |= (uint8_t)(1u << line % 8);
    }
    return true;
}
