// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what a user without privileges holds of the kernel's memory, so that it can be limited.
 * Model: one count per user id, made when it is first needed, with references; users with
 * CAP_SYS_RESOURCE or CAP_SYS_ADMIN are not counted.
 * Locking: see usage.c; the numbers are atomic.
 * Source: pipe(7), unix(7) (ETOOMANYREFS).
 */
#pragma once

#include <lib/types.h>

struct usage {
    struct usage *next; /* usage_lock */
    uid_t uid; /* constant */
    unsigned refs; /* usage_lock */
    uint64_t pipe_pages; /* that its pipes may hold; atomic */
    uint64_t in_flight; /* files in queues of sockets; atomic */
};

/* Of the running actor, with a reference; NULL: it is not limited. ERR_PTR: -ENOMEM. */
struct usage *__must_check usage_get(void);
void usage_put(struct usage *u); /* NULL is allowed */

/* Settings of /proc/sys/fs; atomic. 0: no limit. */
extern uint64_t pipe_pages_soft, pipe_pages_hard, pipe_bytes_max;
