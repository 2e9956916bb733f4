// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: asid_bits=N, so that a test has the TLB's address-space identifiers used up soon.
 * Context: while parameters are parsed: before the first program, and before further CPUs.
 */
#define LOG_TAG "asid"
#include <arch/early.h>
#include <core/params.h>
#include <lib/string.h>

#define BITS_MIN 4
#define BITS_MAX 16

static err_t set_asid_bits(const char *value)
{
    uint64_t bits;
    err_t err;

    if (!value)
        return -EINVAL;
    err = str_to_u64(&value, 10, &bits);
    if (err || *value || bits < BITS_MIN || bits > BITS_MAX)
        return err ? err : -EINVAL;
    asid_width_limit((unsigned)bits);
    return 0;
}
PARAM(asid_bits, "use no more than this many bits (4..16) of the TLB's address-space identifiers",
      set_asid_bits);
