// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the C library's memory and string functions, with its names and meanings.
 * memcpy, memmove, memset, memcmp and the page functions come from the architecture.
 */
#pragma once

#include <lib/types.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *haystack, const char *needle);

/* Copies at most size-1 bytes and always ends with NUL (size > 0).  Returns strlen(src). */
size_t str_copy(char *dst, const char *src, size_t size);
/* Does `s` match the pattern with * and ? ? */
bool str_match(const char *pattern, const char *s);
bool str_starts_with(const char *s, const char *prefix);

/*
 * Reads an unsigned number at *s (0x, 0 and decimal as in C when base is 0) and moves *s behind it.
 * Return: 0; -EINVAL when there is no digit; -ERANGE when it does not fit.
 */
err_t __must_check str_to_u64(const char **s, int base, uint64_t *out);
/* As above with K, M, G suffixes, and the whole string must be used up. */
err_t __must_check str_to_size(const char *s, uint64_t *out);
