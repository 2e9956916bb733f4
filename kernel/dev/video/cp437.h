// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the character set of the PC's text mode, code page 437: what its 256 codes show.
 */
#pragma once

#include <lib/types.h>

extern const uint16_t cp437[256];

/* The code that shows `ch`; '?' when there is none. */
uint8_t cp437_from_unicode(uint16_t ch);
