// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the machine's screen as a console service, tty1 (and tty0): what the drivers of screens share.
 *
 * Model: a driver says how large its matrix of characters is and how a cell is drawn; the emulator (vt.h)
 * decides what is drawn.  There is one screen: the first driver that starts has it.  Keyboards send to it.
 * Locking: see screen.c.
 */
#pragma once

#include <dev/video/vt.h>
#include <svc/console.h>

struct screen_ops {
    void (*draw)(void *arg, unsigned row, unsigned column, const struct vt_cell *cell);
    /* After a round of drawing, for hardware that draws the cursor itself; may be NULL. */
    void (*cursor)(unsigned row, unsigned column, bool visible);
};

/* Clears the screen and publishes it.  rows, columns: cut to what the emulator can do.
 * Return: 0; -EBUSY: there is a screen already; -ENOMEM; what console_add() says. */
err_t __must_check screen_start(const struct screen_ops *ops, unsigned rows, unsigned columns,
                                unsigned rating);
bool screen_is_there(void);
/* Takes it away: its terminal hangs up, and nothing is drawn any more.  Context: thread. */
void screen_stop(void);

/* What was typed.  Any context; no lock of LOCK_DEVICE's rank or below is held. */
void screen_input(const uint8_t *data, size_t n);
/* What the program asked of the keyboard. */
struct screen_modes {
    bool cursor_keys, keypad, new_line;
};
struct screen_modes screen_modes(void);
