// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the parsers call of the kernel, for a fuzzer of its own: the C library's heap (which the
 * sanitizer watches), a silent log, a panic that is a finding.
 */
#include <core/log.h>
#include <core/panic.h>
#include <mm/heap.h>

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void free(void *p);
__noreturn void abort(void);

void *kmalloc(size_t n)
{
    return malloc(n ? n : 1);
}

void *kzalloc(size_t n)
{
    return calloc(1, n ? n : 1);
}

void kfree(void *p)
{
    free(p);
}

void log_write(enum log_level level, const char *tag, const char *format, ...)
{
}

void panic(const char *format, ...)
{
    abort();
}

unsigned host_point_odds; /* no interleavings here */
