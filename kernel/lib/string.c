// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the string functions that no architecture does better.
 *
 * Model: strlen and memchr look at aligned words; an aligned word never crosses a page, so reading
 * beyond the end inside it is harmless to the machine.  The sanitizers would object, so those
 * functions are exempt from them.
 * `(x - 0x01..01) & ~x & 0x80..80` is non-zero exactly when a byte of x is zero, and its lowest set
 * bit lies in the first such byte (Mycroft 1987).
 */
#include <lib/string.h>

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

typedef uint64_t __attribute__((may_alias)) word_t;

static inline uint64_t zero_bytes(uint64_t x)
{
    return (x - ONES) & ~x & HIGHS;
}

__attribute__((no_sanitize("address"))) size_t strlen(const char *s)
{
    const char *p = s;
    const word_t *w;
    uint64_t z;

    for (; !IS_ALIGNED((uintptr_t)p, sizeof(word_t)); p++)
        if (*p == '\0')
            return (size_t)(p - s);
    for (w = (const word_t *)p; (z = zero_bytes(*w)) == 0; w++)
        continue;
    return (size_t)((const char *)w - s) + (size_t)__builtin_ctzll(z) / 8;
}

__attribute__((no_sanitize("address"))) void *memchr(const void *s, int c, size_t n)
{
    const uint8_t *p = s, *end = p + n;
    const uint8_t byte = (uint8_t)c;

    for (; p < end && !IS_ALIGNED((uintptr_t)p, sizeof(word_t)); p++)
        if (*p == byte)
            return (void *)p;
    for (; p + sizeof(word_t) <= end; p += sizeof(word_t)) {
        uint64_t z = zero_bytes(*(const word_t *)p ^ ONES * byte);

        if (z != 0)
            return (void *)(p + __builtin_ctzll(z) / 8);
    }
    for (; p < end; p++)
        if (*p == byte)
            return (void *)p;
    return NULL;
}

size_t strnlen(const char *s, size_t max)
{
    const char *end = memchr(s, 0, max);

    return end != NULL ? (size_t)(end - s) : max;
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; a++, b++, n--) {
        if (*a != *b)
            return (uint8_t)*a - (uint8_t)*b;
        if (*a == '\0')
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (*s == '\0')
            return NULL;
    return (char *)s;
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    for (;; s++) {
        if (*s == (char)c)
            found = s;
        if (*s == '\0')
            return (char *)found;
    }
}

char *strstr(const char *haystack, const char *needle)
{
    size_t n = strlen(needle);

    if (n == 0)
        return (char *)haystack;
    for (; (haystack = strchr(haystack, needle[0])) != NULL; haystack++)
        if (strncmp(haystack, needle, n) == 0)
            return (char *)haystack;
    return NULL;
}

size_t str_copy(char *dst, const char *src, size_t size)
{
    size_t n = strlen(src), copied = MIN(n, size - 1);

    memcpy(dst, src, copied);
    dst[copied] = '\0';
    return n;
}

/* Greedy matching that returns to the last * alone: linear but for pathological patterns. */
bool str_match(const char *pattern, const char *s)
{
    const char *star = NULL, *retry = NULL;

    while (*s != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = s;
        } else if (*pattern == '?' || *pattern == *s) {
            pattern++;
            s++;
        } else if (star != NULL) {
            pattern = star;
            s = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    return INT_MAX;
}

err_t str_to_u64(const char **s, int base, uint64_t *out)
{
    const char *p = *s;
    uint64_t v = 0;

    if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 0x20) == 'x' && digit_value(p[2]) < 16) {
        p += 2;
        base = 16;
    } else if (base == 0) {
        base = p[0] == '0' ? 8 : 10;
    }
    if (digit_value(*p) >= base)
        return -EINVAL;
    for (; digit_value(*p) < base; p++)
        if (__builtin_mul_overflow(v, (unsigned)base, &v) ||
            __builtin_add_overflow(v, (unsigned)digit_value(*p), &v))
            return -ERANGE;
    *s = p;
    *out = v;
    return 0;
}

err_t str_to_size(const char *s, uint64_t *out)
{
    uint64_t v;
    unsigned shift = 0;
    err_t err = str_to_u64(&s, 0, &v);

    if (err != 0)
        return err;
    switch (*s) {
    case 'K': case 'k': shift = 10; break;
    case 'M': case 'm': shift = 20; break;
    case 'G': case 'g': shift = 30; break;
    }
    if (shift != 0)
        s++;
    if (*s != '\0')
        return -EINVAL;
    if (v > UINT64_MAX >> shift)
        return -ERANGE;
    *out = v << shift;
    return 0;
}
