// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where the drivers of keyboards meet the screen's terminal.
 * Model: all keyboards are one: modifiers and locks are common.  keymap= names the layout.
 */
#pragma once

#include <dev/input/keymap.h>

/* A key of <linux/input-event-codes.h> went down or up.  Any context; no lock of LOCK_DEVICE's rank or
 * below is held.  Return: KEY_LED_* that should shine now. */
unsigned keyboard_key(unsigned code, bool down);
