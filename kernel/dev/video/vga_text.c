// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the VGA text screen, 80 by 25, where there is no framebuffer.
 *
 * Model: cells of character and attribute at 0xb8000, which the direct map always covers.  Characters are
 * those of code page 437, colours the nearest of the sixteen.
 * Locking: the screen's (screen.c).
 */
#define LOG_TAG "vga_text"
#include <dev/video/cp437.h>
#include <dev/video/screen.h>
#include <hal/io.h>
#include <hal/mmu.h>
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
#define RATING 50

static volatile uint16_t *cells; /* constant from vga_start() on */

/* VGA orders red and blue the other way round; its eighth background bit may be made to blink. */
static uint8_t attribute(const struct vt_cell *c)
{
    static const uint8_t colours[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };
    static uint32_t last_fg, last_bg; /* a screen is mostly of one colour */
    static uint8_t last;

    if (c->fg != last_fg || c->bg != last_bg) {
        unsigned fg = vt_palette_nearest(c->fg), bg = vt_palette_nearest(c->bg);

        last_fg = c->fg;
        last_bg = c->bg;
        last = (uint8_t)(colours[bg & 7] << 4 | (fg & 8) | colours[fg & 7]);
    }
    return last;
}

static void vga_draw(void *arg, unsigned row, unsigned column, const struct vt_cell *c)
{
    (void)arg;
    cells[row * COLUMNS + column] = (uint16_t)(attribute(c) << 8 | cp437_from_unicode(c->ch));
}

static void crtc_write(uint8_t index, uint8_t value)
{
    port_write8(CRTC_INDEX, index);
    port_write8(CRTC_DATA, value);
}

static void vga_cursor(unsigned row, unsigned column, bool visible)
{
    unsigned at = row * COLUMNS + column;

    crtc_write(CRTC_CURSOR_START, visible ? CURSOR_FIRST_LINE : CURSOR_OFF);
    crtc_write(CRTC_CURSOR_HIGH, (uint8_t)(at >> 8));
    crtc_write(CRTC_CURSOR_LOW, (uint8_t)at);
}

static const struct screen_ops vga_ops = { .draw = vga_draw, .cursor = vga_cursor };

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
    if (screen_is_there())
        return -ENODEV;
    cells = phys_to_virt(VGA_MEMORY);
    if (!memory_is_there(cells))
        return -ENODEV;
    return screen_start(&vga_ops, ROWS, COLUMNS, RATING);
}

static err_t vga_stop(struct subsystem *self)
{
    (void)self;
    screen_stop();
    return 0;
}

static const char *const needs[] = { "?fbcon", NULL };
static struct subsystem vga_subsystem = {
    .name = "vga_text",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = vga_start,
    .stop = vga_stop,
};
REGISTER_SUBSYSTEM(vga_subsystem);
