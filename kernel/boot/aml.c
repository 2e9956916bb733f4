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
    case AML_VAR_PACKAGE:
        inner.at++;
        if (!aml_package(&inner))
            return false;
        a->at = inner.end;
        return true;
    default: return aml_integer(a, &ignored);
    }
}

bool aml_elements(struct aml *a, uint64_t *count)
{
    uint8_t op;

    if (a->at >= a->end)
        return false;
    op = a->bytes[a->at++];
    if ((op != AML_PACKAGE && op != AML_VAR_PACKAGE) || !aml_package(a))
        return false;
    if (op == AML_VAR_PACKAGE)
        return aml_integer(a, count);
    if (a->at >= a->end)
        return false;
    *count = a->bytes[a->at++];
    return true;
}

static bool is_segment(const uint8_t *p)
{
    for (unsigned i = 0; i < AML_SEGMENT_BYTES; i++)
        if (!(p[i] == '_' || (p[i] >= 'A' && p[i] <= 'Z') || (i > 0 && p[i] >= '0' && p[i] <= '9')))
            return false;
    return true;
}

bool aml_name_last(struct aml *a, const uint8_t **last)
{
    uint32_t start = a->at;

    if (!aml_name(a) || a->at - start < AML_SEGMENT_BYTES)
        return false;
    *last = a->bytes + a->at - AML_SEGMENT_BYTES;
    return is_segment(*last);
}

/* --- seeking --- */

/* Is there a device at *a?  Then its inside, as aml_device_next(). */
static bool device_here(struct aml a, struct aml *device, const uint8_t **name)
{
    if (a.end - a.at < 2 || a.bytes[a.at] != AML_EXTENDED || a.bytes[a.at + 1] != AML_DEVICE)
        return false;
    a.at += 2;
    if (!aml_package(&a) || !aml_name_last(&a, name))
        return false;
    *device = a;
    return true;
}

bool aml_device_next(struct aml *a, struct aml *device, const uint8_t **name)
{
    for (; a->at < a->end; a->at++)
        if (device_here(*a, device, name)) {
            a->at = device->at;
            return true;
        }
    return false;
}

static bool name_here(struct aml a, const char *name, struct aml *value)
{
    const uint8_t *last;

    if (a.bytes[a.at++] != AML_NAME || !aml_name_last(&a, &last) ||
        memcmp(last, name, AML_SEGMENT_BYTES) != 0)
        return false;
    *value = a;
    return aml_data(&a);
}

bool aml_device_name(struct aml device, const char *name, struct aml *value)
{
    while (device.at < device.end) {
        struct aml within;
        const uint8_t *its_name;

        if (name_here(device, name, value))
            return true;
        if (device_here(device, &within, &its_name))
            device.at = within.end;
        else
            device.at++;
    }
    return false;
}
