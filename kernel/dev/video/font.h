// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the font of the framebuffer console, 8 by 16, made at build time by tools/font.py.
 */
#pragma once

#include <lib/types.h>

#define FONT_WIDTH 8
#define FONT_HEIGHT 16
#define FONT_REPLACEMENT 0xfffd

struct font_char {
    uint16_t ch, glyph;
};

extern const struct font_char font_chars[]; /* ascending by ch */
extern const unsigned font_char_count;
extern const uint8_t font_glyphs[][FONT_HEIGHT]; /* a byte a line, the leftmost pixel highest */

/* The glyph of a character, that of U+FFFD when there is none. */
static inline const uint8_t *font_glyph(uint16_t ch)
{
    unsigned low = 0, high = font_char_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (font_chars[middle].ch == ch)
            return font_glyphs[font_chars[middle].glyph];
        if (font_chars[middle].ch < ch)
            low = middle + 1;
        else
            high = middle;
    }
    return ch == FONT_REPLACEMENT ? font_glyphs[0] : font_glyph(FONT_REPLACEMENT);
}
