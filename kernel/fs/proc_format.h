// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the ways of writing numbers that /proc and /sys share.
 */
#pragma once

#include <fs/procfs.h>

#define USER_HZ 100 /* of all tick counts that programs see */

/* Seconds with two decimals, cut off: "12.34". */
void format_centiseconds(struct textbuf *out, ns_t ns);
/* A load average with 16 fraction bits, rounded to two decimals: "0.07". */
void format_load(struct textbuf *out, uint32_t load);
/* One line of meminfo: name padded, kibibytes of `pages`. */
void format_kib(struct textbuf *out, const char *name, uint64_t pages);
/* /sys/devices/system/node/nodeN/meminfo and vmstat. */
void format_node_meminfo(struct textbuf *out, unsigned node);
void format_node_vmstat(struct textbuf *out, unsigned node);
/* The set bits of the first `count` as a list of ranges, "0-3,8", with its newline. */
void format_list(struct textbuf *out, const uint64_t *bits, unsigned count);
/* The same as hexadecimal words of 32 bits with commas, the highest first. */
void format_mask(struct textbuf *out, const uint64_t *bits, unsigned count);
/* Sixteen bytes as a version 4 UUID (RFC 4122, 4.4), with its newline. */
void format_uuid(struct textbuf *out, const uint8_t bytes[16]);
/* Reads one signed decimal number at *s, blanks before it skipped.  0, -EINVAL, -ERANGE. */
err_t __must_check parse_number(const char **s, int64_t *out);
/* The same, and only blanks may follow. */
err_t __must_check parse_only_number(const char *s, int64_t low, int64_t high, int64_t *out);

/* A file of /proc for one atomic unsigned variable: its number, which may be set within [low, high]. */
#define SYSCTL_NUMBER(id, path_, variable, low, high)                                              \
    static void show_##id(struct textbuf *out, void *arg)                                          \
    {                                                                                              \
        text_printf(out, "%llu\n", (unsigned long long)atomic_load_relaxed(&(variable)));          \
    }                                                                                              \
    static err_t store_##id(const char *text, size_t n, void *arg)                                 \
    {                                                                                              \
        int64_t v;                                                                                 \
        err_t err = parse_only_number(text, low, high, &v);                                        \
                                                                                                   \
        if (err == 0)                                                                              \
            atomic_store_relaxed(&(variable), (typeof(variable))v);                                \
        return err;                                                                                \
    }                                                                                              \
    PSEUDO_FILE(id, "proc", path_, 0644, show_##id, store_##id)
