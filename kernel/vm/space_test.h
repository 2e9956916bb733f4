// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the tests of vm/ share. */
#pragma once

#include <vm/space.h>

/* A fresh space, loaded by the running thread; NULL: out of memory. */
struct space *test_space_begin(void);
void test_space_end(struct space *s);
/* mmap: address or a negative errno. */
vaddr_t test_map(struct space *s, vaddr_t addr, size_t pages, unsigned rights, int flags);
uint64_t test_random(uint64_t *state);
