// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what keys type: layouts, modifiers, locks, and the sequences of the Linux console.
 *
 * Model: keys are Linux's codes (<linux/input-event-codes.h>).  A layout has three levels: plain, Shift and,
 * if it has any, AltGr; characters come out as UTF-8.  Accents stand for themselves (no dead keys).
 * Alt puts ESC in front; Ctrl makes control characters.  Locking: the caller's.
 */
#pragma once

#include <lib/types.h>

#define KEY_BYTES_MAX 8u /* that one key can type */

enum { KEY_LED_NUM = 1u << 0, KEY_LED_CAPS = 1u << 1 };

struct key_layout {
    const char *name;
    const uint16_t *plain, *shift, *altgr; /* 48 keys: see keymap.c; altgr: ' ' none; NULL: no such level */
};

struct key_state {
    const struct key_layout *layout;
    uint32_t held; /* modifiers that are down, each side a bit */
    bool caps, num;
    /* Modes that the screen's program asked for. */
    bool cursor_keys, keypad, new_line;
    bool attention; /* set by Ctrl-Alt-Del; the caller clears it */
};

/* NULL: there is none of that name. */
const struct key_layout *key_layout_find(const char *name);
const char *key_layout_name(unsigned n); /* the nth, NULL: no more */

/* A key went down (again) or up.  Codes that mean nothing type nothing.  Return: how many bytes. */
unsigned key_type(struct key_state *s, unsigned code, bool down, uint8_t out[KEY_BYTES_MAX]);
/* KEY_LED_* that should shine. */
unsigned key_leds(const struct key_state *s);

/* Scan codes of set 1, as the PC's controller gives them.  *prefix: 0 at first, the decoder's own.
 * Return: a key's code, with *down; 0: none (yet). */
unsigned scancode_key(uint8_t byte, uint8_t *prefix, bool *down);
