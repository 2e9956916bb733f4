// SPDX-License-Identifier: CC0-1.0
/* Purpose: numbers as /proc and /sys write them.  Source: proc(5), Documentation/admin-guide/cputopology. */
#include <fs/proc_format.h>

#include <lib/bitmap.h>
#include <lib/string.h>

#define CENTISECOND_NS (NS_PER_SEC / 100)

void format_centiseconds(struct textbuf *out, ns_t ns)
{
    uint64_t hundredths = ns / CENTISECOND_NS;

    text_printf(out, "%llu.%02u", (unsigned long long)(hundredths / 100), (unsigned)(hundredths % 100));
}

void format_load(struct textbuf *out, uint32_t load)
{
    uint64_t hundredths = ((uint64_t)load * 100 + (1u << 15)) >> 16;

    text_printf(out, "%llu.%02u", (unsigned long long)(hundredths / 100), (unsigned)(hundredths % 100));
}

void format_kib(struct textbuf *out, const char *name, uint64_t pages)
{
    size_t n = strlen(name) + 1;

    text_printf(out, "%s:%*s%8llu kB\n", name, (int)(n < 16 ? 16 - n : 0), "",
                (unsigned long long)(pages * (PAGE_SIZE / KiB)));
}

void format_list(struct textbuf *out, const uint64_t *bits, unsigned count)
{
    const char *before = "";
    size_t first = bitmap_find_set(bits, count, 0);

    while (first != BITMAP_NONE) {
        size_t end = MIN(bitmap_find_clear(bits, count, first), (size_t)count);

        text_printf(out, end - first == 1 ? "%s%zu" : "%s%zu-%zu", before, first, end - 1);
        before = ",";
        first = bitmap_find_set(bits, count, end);
    }
    text_append(out, "\n", 1);
}

void format_mask(struct textbuf *out, const uint64_t *bits, unsigned count)
{
    unsigned words = DIV_ROUND_UP(count, 32);

    for (unsigned w = words; w-- > 0;) {
        unsigned width = w == words - 1 ? (count - 1) % 32 + 1 : 32;
        uint64_t value = bits[w / 2] >> w % 2 * 32 & (BIT(width) - 1);

        text_printf(out, "%0*llx%s", (int)DIV_ROUND_UP(width, 4), (unsigned long long)value,
                    w ? "," : "\n");
    }
}

void format_uuid(struct textbuf *out, const uint8_t bytes[16])
{
    for (unsigned i = 0; i < 16; i++) {
        uint8_t b = bytes[i];

        if (i == 6)
            b = (b & 0x0f) | 0x40; /* version */
        if (i == 8)
            b = (b & 0x3f) | 0x80; /* variant */
        text_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b);
    }
    text_append(out, "\n", 1);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

err_t parse_number(const char **s, int64_t *out)
{
    const char *at = *s;
    uint64_t v;

    while (is_blank(*at))
        at++;
    bool negative = *at == '-';
    at += negative;
    if (*at < '0' || *at > '9')
        return -EINVAL;
    err_t err = str_to_u64(&at, 0, &v);
    if (err != 0)
        return err;
    if (v > INT64_MAX)
        return -ERANGE;
    *out = negative ? -(int64_t)v : (int64_t)v;
    *s = at;
    return 0;
}

err_t parse_only_number(const char *s, int64_t low, int64_t high, int64_t *out)
{
    int64_t v;
    err_t err = parse_number(&s, &v);

    if (err != 0)
        return err == -ERANGE ? -EINVAL : err;
    while (is_blank(*s))
        s++;
    if (*s || v < low || v > high)
        return -EINVAL;
    *out = v;
    return 0;
}
