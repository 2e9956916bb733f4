// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: printf's formats without floating point: %d %i %u %x %X %o %c %s %p %% with flags
 * (- 0 + space #), width, precision, hh h l ll z t j.
 */
#pragma once

#include <lib/types.h>

/* As C99: writes at most size-1 bytes and a NUL; returns the length the whole text would have. */
int fmt_vsnprintf(char *buf, size_t size, const char *format, va_list ap);
__printf(3, 4) int fmt_snprintf(char *buf, size_t size, const char *format, ...);
/* As above but returns the bytes that stand in buf (at most size-1). */
__printf(3, 4) int fmt_scnprintf(char *buf, size_t size, const char *format, ...);

/* Output in pieces: `put` gets each run of bytes.  Returns the number of bytes. */
typedef void (*fmt_put_fn)(void *ctx, const char *s, size_t n);
int fmt_vprint(fmt_put_fn put, void *ctx, const char *format, va_list ap);
