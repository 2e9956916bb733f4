// SPDX-License-Identifier: CC0-1.0
/* Purpose: see <boot/aml.h>. */
#include <boot/aml.h>

bool aml_integer(struct aml *a, uint64_t *out)
{
    unsigned bytes;

    if (a->at >= a->end)
        return false;
    *out = 0;
    switch (a->bytes[a->at++]) {
    case AML_ZERO: return true;
    case AML_ONE: *out = 1; return true;
    case AML_ONES: *out = UINT64_MAX; return true;
    case AML_BYTE: bytes = 1; break;
    case AML_WORD: bytes = 2; break;
    case AML_DWORD: bytes = 4; break;
    case AML_QWORD: bytes = 8; break;
    default: return false;
    }
    if (a->end - a->at < bytes)
        return false;
    memcpy(out, a->bytes + a->at, bytes);
    a->at += bytes;
    return true;
}

/* 1 to 4 bytes, the first with the number of the others in its top bits. */
bool aml_package(struct aml *a)
{
    uint32_t start = a->at, length, more;
    uint8_t lead;

    if (a->at >= a->end)
        return false;
    lead = a->bytes[a->at++];
    more = lead >> 6;
    length = more ? lead & 0xf : lead & 0x3f;
    if (a->end - a->at < more)
        return false;
    for (uint32_t i = 0; i < more; i++)
        length |= (uint32_t)a->bytes[a->at++] << (4 + 8 * i);
    if (length < 1 + more || length > a->end - start)
        return false;
    a->end = start + length;
    return true;
}

static bool skip(struct aml *a, uint64_t n)
{
    if (n > a->end - a->at)
        return false;
    a->at += (uint32_t)n;
    return true;
}

/* Prefixes, and then nothing, one segment, two, or a number of them (20.2.2). */
bool aml_name(struct aml *a)
{
    while (a->at < a->end && (a->bytes[a->at] == AML_ROOT || a->bytes[a->at] == AML_PARENT))
        a->at++;
    if (a->at >= a->end)
        return false;
    switch (a->bytes[a->at]) {
    case AML_ZERO: return skip(a, 1);
    case AML_DUAL_NAME: return skip(a, 1 + 2 * AML_SEGMENT_BYTES);
    case AML_MULTI_NAME:
        return a->end - a->at >= 2 && skip(a, 2 + AML_SEGMENT_BYTES * (uint64_t)a->bytes[a->at + 1]);
    default: return skip(a, AML_SEGMENT_BYTES);
    }
}

bool aml_data(struct aml *a)
{
    struct aml inner = *a;
    const uint8_t *nul;
    uint64_t ignored;

    if (a->at >= a->end)
        return false;
    switch (a->bytes[a->at]) {
    case AML_STRING:
        nul = memchr(a->bytes + a->at, 0, a->end - a->at);
        a->at = nul ? (uint32_t)(nul - a->bytes) + 1 : a->end;
        return nul;
    case AML_BUFFER:
    case AML_PACKAGE:
        inner.at++;
        if (!aml_package(&inner))
            return false;
        a->at = inner.end;
        return true;
    default: return aml_integer(a, &ignored);
    }
}
