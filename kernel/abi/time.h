// SPDX-License-Identifier: CC0-1.0
/* Purpose: clocks by Linux's numbers, for those who keep time by them (POSIX timers, timerfd). */
#pragma once

#include <lib/types.h>

/* The time of a clock of clock_gettime(2) in ns.  Return: 0, -EINVAL. */
err_t __must_check abi_clock_read(int clock, int64_t *ns);

/* What CLOCK_TAI is ahead of CLOCK_REALTIME, in ns; adjtimex sets it. */
int64_t abi_tai_offset(void);
