// SPDX-License-Identifier: CC0-1.0
/* Purpose: the 8253/8254's second free counter, as a yardstick for others. */
#pragma once

#include <lib/types.h>

#define PIT_HZ 1193182ull

/* Starts channel 2 counting down from 65535; it wraps after 54.9 ms. */
void pit_reference_start(void);
/* Counts since the start, below 65536. */
uint32_t pit_reference_read(void);
