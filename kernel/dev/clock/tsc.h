// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the files about the time-stamp counter share. */
#pragma once

#include <sched/clock.h>

/* What CPU or hypervisor say; 0: nothing. */
uint64_t tsc_rate_told(void);
/* Measured against `ref` within a ms or so; 0: one of them does not count. */
uint64_t tsc_rate_measure(const struct clock_source *ref);
/* The same against the seconds of the CMOS clock, which takes up to two. */
uint64_t tsc_rate_by_rtc(void);
/* Starts a longer measurement, and ends it: 0 when it does not agree with `about`. */
void tsc_rate_begin(const struct clock_source *ref);
uint64_t tsc_rate_end(uint64_t about);

/* Compares all other CPUs' counters with the caller's.  Return: how many cycles one was seen to be
 * wrong by, 0: none that a call between CPUs could not hide.  Context: thread. */
uint64_t tsc_sync_check(void);
