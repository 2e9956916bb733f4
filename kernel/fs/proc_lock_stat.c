// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /proc/lock_stat: how often the spinlocks of each rank were taken, were contended, and how
 * long they were waited for.  Debug builds count; elsewhere the file says so.
 */
#include <fs/procfs.h>

#include <core/lockrank.h>

static void show_lock_stat(struct textbuf *out, void *arg)
{
    struct lock_stat s;

    if (!lock_stat_get(LOCK_THREADS, &s)) {
        text_printf(out, "not counted: this is no debug build\n");
        return;
    }
    text_printf(out, "%-16s %14s %14s %14s\n", "rank", "taken", "contended", "spins");
    for (enum lock_rank rank = 0; rank < LOCK_RANK_COUNT; rank++) {
        (void)lock_stat_get(rank, &s);
        text_printf(out, "%-16s %14llu %14llu %14llu\n", lock_rank_name[rank],
                    (unsigned long long)s.taken, (unsigned long long)s.contended,
                    (unsigned long long)s.spins);
    }
}
PROC_FILE(lock_stat, "lock_stat", 0400, show_lock_stat);
