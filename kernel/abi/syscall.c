// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: calls that are not there: -ENOSYS, said once by name.
 */
#define LOG_TAG "abi"
#include <abi/syscall.h>

#include <core/log.h>
#include <lib/atomic.h>
#include <lib/bitmap.h>
#include <sched/thread.h>

#define ABSENT_MAX 1024
static uint64_t said[BITMAP_WORDS(ABSENT_MAX)]; /* atomic bits */

static bool first_time(unsigned long nr)
{
    uint64_t bit = 1ull << nr % 64;

    return nr < ABSENT_MAX && !(atomic_fetch_or(&said[nr / 64], bit) & bit);
}

long syscall_absent(struct hal_regs *r)
{
    unsigned long nr = (unsigned long)regs_nr(r);
    const char *name = nr < syscall_count ? syscall_names[nr] : NULL;

    if (first_time(nr))
        log_info("%s calls %s (%lu), which is not there", thread_current()->name,
                 name ? name : "an unknown number", nr);
    return -ENOSYS;
}
