// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the page that the vDSO reads: time without entering the kernel.
 *
 * Model: one page in the kernel image, mapped read-only into each process right before the vDSO's
 * first page (that is at AT_SYSINFO_EHDR - PAGE_SIZE).  The clock code writes it under a sequence
 * counter: odd while it changes.
 *
 *     ns since base = (cycles - base_cycles) * mult >> shift     (64-bit product: the clock code
 *                                                                 moves the base often enough)
 *     CLOCK_MONOTONIC = mono_ns + that,  CLOCK_REALTIME = CLOCK_MONOTONIC + real_offset_ns,
 *     CLOCK_BOOTTIME = CLOCK_MONOTONIC + boot_offset_ns
 *
 * Locking: the writer is serialised by the clock code.
 */
#pragma once

#include <lib/types.h>

struct vdso_data {
    uint32_t seq; /* odd: being written */
    uint32_t mode; /* 0: no counter that user mode may read, make the system call */
    uint64_t base_cycles;
    uint32_t mult, shift;
    uint64_t mono_ns; /* CLOCK_MONOTONIC at base_cycles */
    uint64_t real_offset_ns; /* wraps: a realtime before 1970 + uptime still adds up */
    uint64_t boot_offset_ns;
    uint64_t coarse_ns; /* CLOCK_MONOTONIC of the last update, for the *_COARSE clocks */
};

/* What lies in the data page; the arch provides it.  Page-aligned, one page. */
void *vdso_data_page(void);
/* Publishes `d` (its seq is ignored). */
void vdso_update(const struct vdso_data *d);
