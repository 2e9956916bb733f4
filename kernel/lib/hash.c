// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: Fowler/Noll/Vo hash FNV-1a, 32 and 64 bits.  draft-eastlake-fnv.
 */
#include <lib/hash.h>

uint64_t fnv1a_64_more(uint64_t h, const void *data, size_t n)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * FNV1A_64_PRIME;
    return h;
}

uint64_t fnv1a_64(const void *data, size_t n)
{
    return fnv1a_64_more(FNV1A_64_INIT, data, n);
}

uint64_t fnv1a_64_str(const char *s)
{
    uint64_t h = FNV1A_64_INIT;

    for (; *s != '\0'; s++)
        h = (h ^ (uint8_t)*s) * FNV1A_64_PRIME;
    return h;
}

uint32_t fnv1a_32(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t h = FNV1A_32_INIT;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * FNV1A_32_PRIME;
    return h;
}
