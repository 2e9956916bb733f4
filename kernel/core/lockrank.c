// SPDX-License-Identifier: CC0-1.0
/* Purpose: the names of the lock ranks, for messages. */
#include <core/lockrank.h>

const char *const lock_rank_name[LOCK_RANK_COUNT] = {
#define X(name) #name,
    LOCK_RANKS(X)
#undef X
};
