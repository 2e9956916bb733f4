// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the terminal emulator that all screens share: bytes become cells.
 *
 * Model: UTF-8 and the control sequences of the Linux console (console_codes(4), ECMA-48, VT102) change a
 * matrix of cells in memory.  `line` says which stretch of `cells` a row is, so that scrolling moves
 * numbers, not cells.  `shown` is what the renderer has drawn: vt_flush_row() hands it the cells that
 * differ, the cursor's included, and nothing else, so that the screen itself is never read.
 * What the terminal says in return (reports) gathers in `reply` until the owner takes it.
 * Locking: the owner's.  No function sleeps or allocates.
 * Invariants (vt_check): (1) row < rows, column < columns; (2) top < bottom <= rows; (3) `line` is a
 * permutation of 0..rows-1; (4) a row's dirty stretch lies within it, and holds all cells that differ
 * from `shown`, the cursor's two places apart.
 */
#pragma once

#include <lib/types.h>

#define VT_COLUMNS_MAX 512u
#define VT_ROWS_MAX 256u
#define VT_PARAMS_MAX 16u
#define VT_REPLY_MAX 64u
#define VT_COLOUR_DEFAULT 7u

enum { VT_UNDERLINE = 1u << 0, VT_CURSOR = 1u << 1 };

struct vt_cell {
    uint32_t fg, bg; /* 0xRRGGBB */
    uint16_t ch; /* U+FFFD stands for all beyond U+FFFF */
    uint16_t flags; /* VT_* */
};

/* A colour of the pen: 0..15 of the palette, or VT_DIRECT | 0xRRGGBB. */
#define VT_DIRECT (1u << 24)

enum vt_charset { VT_LATIN, VT_GRAPHICS, VT_CP437 };

/* What ESC 7 saves. */
struct vt_pen {
    unsigned row, column;
    bool wrap; /* the last column was written: the next character begins a new row */
    uint32_t fg, bg;
    bool bold, dim, underline, reverse;
    uint8_t charset[2], shift; /* G0, G1, and which of them is in use */
    bool cp437; /* SGR 11: bytes are codes of the PC's character set */
};

enum vt_parse { VT_PLAIN, VT_ESCAPE, VT_SEQUENCE, VT_SKIP, VT_CHARSET, VT_HASH, VT_EAT, VT_STRING,
                VT_STRING_END, VT_COMMAND, VT_PALETTE };

struct vt {
    unsigned rows, columns; /* constant, as the pointers */
    struct vt_cell *cells, *shown;
    uint16_t *line;
    struct vt_dirty {
        uint16_t from, to;
    } *dirty;

    struct vt_pen pen, saved;
    unsigned top, bottom; /* the region that scrolls */
    bool auto_wrap, origin, insert, new_line, cursor_visible, reversed;
    bool cursor_keys, keypad; /* application modes, for the keyboard */
    uint8_t tabs[VT_COLUMNS_MAX / 8];

    enum vt_parse parse;
    unsigned params[VT_PARAMS_MAX], param_count;
    uint32_t palette[16]; /* ESC ] P sets them; what is written from then on has the new colour */
    uint32_t digits; /* of VT_PALETTE: those so far, and how many */
    unsigned digit_count;
    char marker; /* '?', '>' ... in front of the parameters; 0: none */
    uint8_t designated; /* G0 or G1: the next byte says what */
    uint32_t code; /* of a UTF-8 sequence that is not complete */
    uint8_t code_left;
    uint32_t code_least;

    unsigned drawn_row, drawn_column; /* where the cursor was drawn */
    bool drawn;

    char reply[VT_REPLY_MAX];
    unsigned reply_length;
    bool mute; /* nothing is answered: the log is being printed */
};

/* Bytes of memory that a screen of that size wants. */
size_t vt_memory(unsigned rows, unsigned columns);
/* rows, columns: 1..VT_ROWS_MAX, 1..VT_COLUMNS_MAX.  memory: zeroed, aligned to 8, stays.  All is dirty. */
void vt_init(struct vt *vt, unsigned rows, unsigned columns, void *memory);
void vt_write(struct vt *vt, const char *s, size_t n);
/* Calls draw for each cell of a row that does not show what it should. */
void vt_flush_row(struct vt *vt, unsigned row,
                  void (*draw)(void *arg, unsigned row, unsigned column, const struct vt_cell *cell),
                  void *arg);
/* Before a round of vt_flush_row: the cursor's old and new place become dirty. */
void vt_flush_begin(struct vt *vt);
/* What is to be sent, once.  Return: its length. */
unsigned vt_reply_take(struct vt *vt, char out[VT_REPLY_MAX]);
bool vt_check(const struct vt *vt);

static inline const struct vt_cell *vt_cell(const struct vt *vt, unsigned row, unsigned column)
{
    return &vt->cells[(size_t)vt->line[row] * vt->columns + column];
}

extern const uint32_t vt_palette[16];
/* The entry of the palette nearest to 0xRRGGBB. */
unsigned vt_palette_nearest(uint32_t rgb);
