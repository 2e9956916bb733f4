// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the command line of an EFI application: UTF-16 that need not end, to UTF-8.
 */
#include "stub.h"

#include <lib/string.h>

#define OPTIONS_MAX 16384 /* units; the kernel takes fewer */
#define UTF8_PER_UNIT 3 /* a pair of units makes four bytes */
#define REPLACEMENT 0xfffdu

static bool is_high(uint32_t c)
{
    return c >= 0xd800 && c < 0xdc00;
}

static bool is_low(uint32_t c)
{
    return c >= 0xdc00 && c < 0xe000;
}

/* The character at *at, which moves behind it. */
static uint32_t char_next(const struct stub *s, uint32_t *at)
{
    uint32_t c = s->options[(*at)++];

    if (is_high(c) && *at < s->options_count && is_low(s->options[*at]))
        return 0x10000 + ((c - 0xd800) << 10) + (s->options[(*at)++] - 0xdc00u);
    return is_high(c) || is_low(c) ? REPLACEMENT : c;
}

static uint32_t utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

efi_status options_read(struct stub *s)
{
    uint32_t room = s->loaded->options_size / sizeof(efi_char), bytes = 0;
    efi_status status;
    void *buffer;

    s->options = s->loaded->options;
    while (s->options && s->options_count < MIN(room, (uint32_t)OPTIONS_MAX) &&
           s->options[s->options_count] != 0)
        s->options_count++;
    status = s->boot->allocate_pool(EFI_LOADER_DATA, s->options_count * UTF8_PER_UNIT + 1, &buffer);
    if (status != EFI_SUCCESS)
        return status;
    s->cmdline = buffer;
    for (uint32_t at = 0; at < s->options_count;)
        bytes += utf8_put(s->cmdline + bytes, char_next(s, &at));
    s->hand.cmdline_size = bytes;
    return EFI_SUCCESS;
}

static bool is_space(efi_char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Does a word at `at` begin with `name`=?  Return: where the value is, or 0. */
static uint32_t value_at(const struct stub *s, const char *name, uint32_t at)
{
    if (at > 0 && !is_space(s->options[at - 1]))
        return 0;
    while (*name && at < s->options_count && s->options[at] == (efi_char)*name)
        name++, at++;
    return *name == '\0' && at < s->options_count && s->options[at] == '=' ? at + 1 : 0;
}

bool options_path_next(const struct stub *s, const char *name, uint32_t *at, efi_char *path, uint32_t max)
{
    for (; *at < s->options_count; ++*at) {
        uint32_t value = value_at(s, name, *at), n = 0;

        if (value == 0)
            continue;
        while (value < s->options_count && !is_space(s->options[value]) && n + 1 < max) {
            efi_char c = s->options[value++];

            path[n++] = c == '/' ? '\\' : c;
        }
        path[n] = 0;
        *at = value;
        return n > 0;
    }
    return false;
}
