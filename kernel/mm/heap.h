// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the kernel's allocator.
 *
 * Model: below, free blocks with coalescing (boundary tags) over arenas of frames, kept in lists by
 * powers of two and taken first-fit; above, size classes with per-CPU free lists that are filled
 * from and drained to those a batch at a time.  Requests above HEAP_LARGE, and multiples of the
 * page size, take whole frames.
 * Every pointer is aligned to 16 bytes, one of a multiple of 4096 bytes to 4096.
 * Debug builds poison freed memory, keep red zones and report leaks by caller.
 * Context: never sleeps, interrupts allowed.
 */
#pragma once

#include <lib/types.h>

struct cpu;

/* Return: NULL when out of memory, for 0 bytes a unique pointer. */
void *__must_check kmalloc(size_t size);
void *__must_check kzalloc(size_t size);
void *__must_check kcalloc(size_t n, size_t size); /* NULL, too, when n * size overflows */
void *__must_check krealloc(void *p, size_t size);
void kfree(void *p); /* NULL is allowed */
char *__must_check kstrdup(const char *s);
size_t kmalloc_size(const void *p); /* usable bytes */
size_t kmalloc_cost(const void *p); /* what heap_bytes_used() counts for it */

void heap_init(void);
/* Gives a secondary CPU its lists; without them it takes the slow path. */
void heap_init_cpu(struct cpu *cpu);
uint64_t heap_bytes_used(void);
uint64_t heap_frames(void); /* that the heap holds */
uint64_t heap_node_frames(unsigned node); /* of those, the node's */
uint64_t heap_spare_bytes(void); /* of those, in blocks that are neither in use nor on a CPU's list */
bool heap_check(void); /* walks everything; for tests */
/* Gives all CPUs' lists and empty arenas back: before leak checks.  Context: no lock held. */
void heap_trim(void);
/*
 * Debug builds: blocks that were allocated between the last two calls of heap_mark() and are still
 * in use go to the log, with their callers.  Return: how many there are.
 */
void heap_mark(void);
unsigned heap_leak_report(int level);
