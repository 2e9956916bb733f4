// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: draws cells of text into a framebuffer of direct colours.
 *
 * Model: memory is only ever written, a cell at a time, line by line; each pixel value is made once a cell.
 * Locking: the caller's.
 */
#pragma once

#include <dev/video/vt.h>
#include <hal/boot.h>

/* Why it cannot be drawn on, in a few words; NULL: it can. */
const char *paint_unfit(const struct boot_framebuffer *fb);
/* base: where its first pixel is mapped.  The cell lies within the picture. */
void paint_cell(const struct boot_framebuffer *fb, void *base, unsigned row, unsigned column,
                const struct vt_cell *cell);
