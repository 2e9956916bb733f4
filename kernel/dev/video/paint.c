// SPDX-License-Identifier: CC0-1.0
#include <dev/video/paint.h>

#include <dev/video/font.h>

#define UNDERLINE_FIRST 14
#define CURSOR_FIRST 13
#define PIXELS_MAX 32768u /* of width and height */
#define PITCH_MAX (4 * PIXELS_MAX * 4)

static bool channel_fits(const struct boot_framebuffer *fb, unsigned shift, unsigned bits)
{
    return bits >= 1 && bits <= 8 && shift + bits <= fb->bpp;
}

const char *paint_unfit(const struct boot_framebuffer *fb)
{
    if (fb->bpp != 16 && fb->bpp != 24 && fb->bpp != 32)
        return "pixels are not of 16, 24 or 32 bits";
    if (!channel_fits(fb, fb->red_shift, fb->red_bits) ||
        !channel_fits(fb, fb->green_shift, fb->green_bits) ||
        !channel_fits(fb, fb->blue_shift, fb->blue_bits))
        return "no direct colours of at most 8 bits each";
    if (fb->width < FONT_WIDTH || fb->height < FONT_HEIGHT || fb->width > PIXELS_MAX ||
        fb->height > PIXELS_MAX)
        return "of an absurd size";
    if (fb->pitch < fb->width * (fb->bpp / 8) || fb->pitch > PITCH_MAX)
        return "lines are shorter than their pixels, or too long";
    if (fb->addr == 0 || fb->addr % (fb->bpp == 24 ? 1 : fb->bpp / 8) != 0 ||
        fb->pitch % (fb->bpp == 24 ? 1 : fb->bpp / 8) != 0)
        return "pixels are not aligned";
    return NULL;
}

static uint32_t pixel_of(const struct boot_framebuffer *fb, uint32_t rgb)
{
    uint32_t red = rgb >> 16 & 0xff, green = rgb >> 8 & 0xff, blue = rgb & 0xff;

    return red >> (8 - fb->red_bits) << fb->red_shift |
           green >> (8 - fb->green_bits) << fb->green_shift |
           blue >> (8 - fb->blue_bits) << fb->blue_shift;
}

static void line_put32(volatile uint32_t *to, uint8_t bits, uint32_t fg, uint32_t bg)
{
    for (unsigned x = 0; x < FONT_WIDTH; x++, bits <<= 1)
        to[x] = bits & 0x80 ? fg : bg;
}

static void line_put16(volatile uint16_t *to, uint8_t bits, uint32_t fg, uint32_t bg)
{
    for (unsigned x = 0; x < FONT_WIDTH; x++, bits <<= 1)
        to[x] = (uint16_t)(bits & 0x80 ? fg : bg);
}

static void line_put24(volatile uint8_t *to, uint8_t bits, uint32_t fg, uint32_t bg)
{
    for (unsigned x = 0; x < FONT_WIDTH; x++, bits <<= 1, to += 3) {
        uint32_t pixel = bits & 0x80 ? fg : bg;

        to[0] = (uint8_t)pixel;
        to[1] = (uint8_t)(pixel >> 8);
        to[2] = (uint8_t)(pixel >> 16);
    }
}

static uint8_t line_bits(const uint8_t *glyph, unsigned y, unsigned flags)
{
    if ((flags & VT_UNDERLINE && y == UNDERLINE_FIRST) || (flags & VT_CURSOR && y >= CURSOR_FIRST))
        return 0xff;
    return glyph[y];
}

void paint_cell(const struct boot_framebuffer *fb, void *base, unsigned row, unsigned column,
                const struct vt_cell *cell)
{
    const uint8_t *glyph = font_glyph(cell->ch);
    uint32_t fg = pixel_of(fb, cell->fg), bg = pixel_of(fb, cell->bg);
    uint8_t *to = (uint8_t *)base + (size_t)row * FONT_HEIGHT * fb->pitch +
                  (size_t)column * FONT_WIDTH * (fb->bpp / 8);

    for (unsigned y = 0; y < FONT_HEIGHT; y++, to += fb->pitch) {
        uint8_t bits = line_bits(glyph, y, cell->flags);

        if (fb->bpp == 32)
            line_put32((volatile uint32_t *)to, bits, fg, bg);
        else if (fb->bpp == 16)
            line_put16((volatile uint16_t *)to, bits, fg, bg);
        else
            line_put24(to, bits, fg, bg);
    }
}
