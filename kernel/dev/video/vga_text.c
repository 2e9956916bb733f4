// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the VGA text screen, 80 by 25, as a terminal: tty0.
 *
 * Model: cells of character and attribute at 0xb8000, which the direct map always covers.  A small
 * state machine understands control characters and the ECMA-48 sequences that the Linux console
 * documents (console_codes(4)): moving, erasing, colours, saving the cursor.
 * Locking: LOCK_CONSOLE around each run of output.
 * Invariants: (1) row < ROWS; (2) column <= COLUMNS: COLUMNS means that the next character wraps.
 */
#define LOG_TAG "vga_text"
#include <core/panic.h>
#include <core/spinlock.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <svc/console.h>
#include <svc/subsystem.h>

#define VGA_MEMORY 0xb8000
#define CRTC_INDEX 0x3d4
#define CRTC_DATA 0x3d5
#define CRTC_CURSOR_START 0x0a
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW 0x0f
#define CURSOR_OFF 0x20
#define CURSOR_FIRST_LINE 0x0d

#define COLUMNS 80u
#define ROWS 25u
#define TAB 8u
#define ATTRIBUTE_DEFAULT 0x07
#define ATTRIBUTE_BRIGHT 0x08
#define PARAMS_MAX 8

enum parse_state { PLAIN, ESCAPE, SEQUENCE };

static struct {
    volatile uint16_t *cells;
    unsigned row, column, saved_row, saved_column;
    uint8_t attribute;
    bool reversed;
    enum parse_state state;
    unsigned params[PARAMS_MAX], param_count;
    bool private; /* a '?' came first */
} vga; /* vga_lock */

static struct spinlock vga_lock = SPINLOCK_INIT(LOCK_CONSOLE);

static uint16_t cell(uint8_t c)
{
    uint8_t a = vga.attribute;

    if (vga.reversed)
        a = (uint8_t)(a >> 4 | a << 4);
    return (uint16_t)(a << 8 | c);
}

static void cells_clear(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        vga.cells[i] = (uint16_t)(vga.attribute << 8 | ' ');
}

static void crtc_write(uint8_t index, uint8_t value)
{
    port_write8(CRTC_INDEX, index);
    port_write8(CRTC_DATA, value);
}

static void cursor_show(void)
{
    unsigned at = vga.row * COLUMNS + MIN(vga.column, COLUMNS - 1);

    crtc_write(CRTC_CURSOR_HIGH, (uint8_t)(at >> 8));
    crtc_write(CRTC_CURSOR_LOW, (uint8_t)at);
}

static void scroll_up(void)
{
    for (unsigned i = 0; i < (ROWS - 1) * COLUMNS; i++)
        vga.cells[i] = vga.cells[i + COLUMNS];
    cells_clear((ROWS - 1) * COLUMNS, ROWS * COLUMNS);
}

static void line_feed(void)
{
    if (vga.row + 1 < ROWS)
        vga.row++;
    else
        scroll_up();
}

static void glyph_put(uint8_t c)
{
    if (vga.column >= COLUMNS) {
        vga.column = 0;
        line_feed();
    }
    vga.cells[vga.row * COLUMNS + vga.column++] = cell(c);
}

static void control(uint8_t c)
{
    switch (c) {
    case '\n':
        line_feed();
        break;
    case '\r':
        vga.column = 0;
        break;
    case '\b':
        if (vga.column > 0)
            vga.column = MIN(vga.column, COLUMNS) - 1;
        break;
    case '\t':
        vga.column = MIN(ALIGN_UP(vga.column + 1, TAB), COLUMNS - 1);
        break;
    case 0x1b:
        vga.state = ESCAPE;
        break;
    default:
        break;
    }
}

/* Parameter i of the sequence; missing and 0 mean `missing`. */
static unsigned param(unsigned i, unsigned missing)
{
    return i < vga.param_count && vga.params[i] ? vga.params[i] : missing;
}

static void cursor_to(unsigned row, unsigned column)
{
    vga.row = MIN(row, ROWS - 1);
    vga.column = MIN(column, COLUMNS - 1);
}

static void cursor_up(unsigned n)
{
    vga.row -= MIN(n, vga.row);
}

static void cursor_left(unsigned n)
{
    vga.column -= MIN(n, vga.column);
}

/* ED and EL: 0 from the cursor on, 1 up to it, 2 all of [first, end). */
static void erase(unsigned how, unsigned first, unsigned end)
{
    unsigned at = vga.row * COLUMNS + MIN(vga.column, COLUMNS - 1);

    if (how == 0)
        cells_clear(at, end);
    else if (how == 1)
        cells_clear(first, at + 1);
    else
        cells_clear(first, end);
}

/* Select graphic rendition; VGA orders red and blue the other way round. */
static void rendition(unsigned p)
{
    static const uint8_t colours[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };
    uint8_t a = vga.attribute;

    if (p == 0) {
        a = ATTRIBUTE_DEFAULT;
        vga.reversed = false;
    } else if (p == 1) {
        a |= ATTRIBUTE_BRIGHT;
    } else if (p == 2 || p == 22) {
        a &= (uint8_t)~ATTRIBUTE_BRIGHT;
    } else if (p == 7 || p == 27) {
        vga.reversed = p == 7;
    } else if (p >= 30 && p <= 37) {
        a = (uint8_t)((a & 0xf8) | colours[p - 30]);
    } else if (p == 39) {
        a = (uint8_t)((a & 0xf8) | 7);
    } else if (p >= 40 && p <= 47) {
        a = (uint8_t)((a & 0x8f) | colours[p - 40] << 4);
    } else if (p == 49) {
        a &= 0x8f;
    } else if (p >= 90 && p <= 97) {
        a = (uint8_t)((a & 0xf0) | ATTRIBUTE_BRIGHT | colours[p - 90]);
    }
    vga.attribute = a;
}

static void mode_set(bool on)
{
    if (vga.private && param(0, 0) == 25)
        crtc_write(CRTC_CURSOR_START, on ? CURSOR_FIRST_LINE : CURSOR_OFF);
}

static void sequence_end(uint8_t c)
{
    unsigned line = vga.row * COLUMNS;

    switch (c) {
    case 'A':
        return cursor_up(param(0, 1));
    case 'B':
        return cursor_to(vga.row + param(0, 1), vga.column);
    case 'C':
        return cursor_to(vga.row, vga.column + param(0, 1));
    case 'D':
        return cursor_left(param(0, 1));
    case 'G':
        return cursor_to(vga.row, param(0, 1) - 1);
    case 'd':
        return cursor_to(param(0, 1) - 1, vga.column);
    case 'H':
    case 'f':
        return cursor_to(param(0, 1) - 1, param(1, 1) - 1);
    case 'J':
        return erase(param(0, 0), 0, ROWS * COLUMNS);
    case 'K':
        return erase(param(0, 0), line, line + COLUMNS);
    case 'm':
        for (unsigned i = 0; i < MAX(vga.param_count, 1u); i++)
            rendition(param(i, 0));
        return;
    case 's':
        vga.saved_row = vga.row;
        vga.saved_column = vga.column;
        return;
    case 'u':
        return cursor_to(vga.saved_row, vga.saved_column);
    case 'h':
    case 'l':
        return mode_set(c == 'h');
    default:
        return;
    }
}

static void sequence_byte(uint8_t c)
{
    if (c == '?') {
        vga.private = true;
    } else if (c >= '0' && c <= '9') {
        unsigned *p = &vga.params[vga.param_count ? vga.param_count - 1 : 0];

        vga.param_count = MAX(vga.param_count, 1u);
        *p = MIN(*p * 10 + (c - '0'), 9999u);
    } else if (c == ';') {
        vga.param_count = MIN(MAX(vga.param_count, 1u) + 1, (unsigned)PARAMS_MAX);
    } else if (c >= 0x40 && c <= 0x7e) {
        vga.state = PLAIN;
        sequence_end(c);
    }
}

static void escape_byte(uint8_t c)
{
    vga.state = PLAIN;
    if (c != '[')
        return;
    vga.state = SEQUENCE;
    vga.param_count = 0;
    vga.private = false;
    memset(vga.params, 0, sizeof(vga.params));
}

static void byte_put(uint8_t c)
{
    if (vga.state == ESCAPE)
        escape_byte(c);
    else if (c < 0x20 || c == 0x7f)
        control(c);
    else if (vga.state == SEQUENCE)
        sequence_byte(c);
    else
        glyph_put(c);
}

static void bytes_put(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        byte_put((uint8_t)s[i]);
    cursor_show();
}

static void vga_write(const char *s, size_t n)
{
    unsigned long flags;

    if (atomic_load_relaxed(&panicking)) { /* the lock's holder may be the one that panics */
        bytes_put(s, n);
        return;
    }
    flags = spin_lock_irqsave(&vga_lock);
    bytes_put(s, n);
    spin_unlock_irqrestore(&vga_lock, flags);
}

/* No keyboard driver yet: nothing is ever received. */
static void vga_set_input(void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg)
{
    (void)fn;
    (void)arg;
}

static void vga_size(unsigned *columns, unsigned *rows)
{
    *columns = COLUMNS;
    *rows = ROWS;
}

static const struct console_service console = {
    .tty_name = "tty0",
    .major = 4,
    .minor = 0,
    .write = vga_write,
    .set_input = vga_set_input,
    .size = vga_size,
};

static bool memory_is_there(volatile uint16_t *at)
{
    uint16_t old = *at;
    bool there;

    *at = 0xa55a;
    there = *at == 0xa55a;
    *at = old;
    return there;
}

static err_t vga_start(struct subsystem *self)
{
    (void)self;
    vga.cells = phys_to_virt(VGA_MEMORY);
    if (!memory_is_there(vga.cells))
        return -ENODEV;
    vga.attribute = ATTRIBUTE_DEFAULT;
    cells_clear(0, ROWS * COLUMNS);
    cursor_show();
    return service_publish_console("tty0", &console, 50, PRIV_DRIVER);
}

static struct subsystem vga_subsystem = {
    .name = "vga_text",
    .privilege = PRIV_DRIVER,
    .early_init = vga_start,
};
REGISTER_SUBSYSTEM(vga_subsystem);
