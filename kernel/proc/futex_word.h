// SPDX-License-Identifier: CC0-1.0
/* Purpose: what both kinds of futexes do with their word. */
#pragma once

#include <proc/futex.h>
#include <vm/space.h>

/* 0; -EINVAL (not aligned), -EFAULT. */
err_t futex_word_key(struct futex_word w, struct futex_key *key);
/* Makes the page of a word present and writable, where sleeping is allowed. 0, -EFAULT. */
err_t futex_word_prepare_write(vaddr_t addr);
