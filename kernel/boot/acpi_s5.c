// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the name _S5_ in a DSDT or SSDT: what to write to sleep for good (ACPI 6.5, 7.4.2.6).
 *
 * Model: no interpreter.  The definition is  NameOp [RootChar] "_S5_" PackageOp PkgLength count
 * element element ...  (20.2.5.4); an element is a constant or an integer behind a prefix of its
 * size.  Bytes that merely look like the name are followed by something else, and are passed over.
 */
#define LOG_TAG "acpi"
#include <boot/aml.h>

#include <core/log.h>

#define SLEEP_TYPE_MAX 7

/* The package behind the name at `at`: two sleep types. */
static bool s5_values(const struct acpi_table *t, uint32_t at, uint64_t type[2])
{
    struct aml a = { t->bytes, at, t->size };
    uint8_t count;

    if (a.at >= a.end || a.bytes[a.at++] != AML_PACKAGE || !aml_package(&a) || a.at >= a.end)
        return false;
    count = a.bytes[a.at++];
    if (count < 1 || !aml_integer(&a, &type[0]))
        return false;
    type[1] = 0;
    return count < 2 || aml_integer(&a, &type[1]);
}

static bool is_name(const struct acpi_table *t, uint32_t at)
{
    uint32_t before = at - 1;

    if (memcmp(t->bytes + at, "_S5_", 4) != 0)
        return false;
    if (t->bytes[before] == AML_ROOT)
        before--;
    return before >= ACPI_HEADER_BYTES && t->bytes[before] == AML_NAME;
}

bool acpi_read_s5(const struct acpi_table *t, struct hw_draft *d)
{
    struct hw_power *power = &d->info->power;
    uint64_t type[2];

    for (uint32_t at = ACPI_HEADER_BYTES + 1; at + 4 < t->size; at++) {
        const uint8_t *found = memchr(t->bytes + at, '_', t->size - 4 - at);

        if (!found)
            return false;
        at = (uint32_t)(found - t->bytes);
        if (!is_name(t, at) || !s5_values(t, at + 4, type))
            continue;
        if (type[0] > SLEEP_TYPE_MAX || type[1] > SLEEP_TYPE_MAX) {
            hw_complain(d, at, "_S5_ with sleep types %llu and %llu", (unsigned long long)type[0],
                        (unsigned long long)type[1]);
            continue;
        }
        power->s5_type_a = (uint8_t)type[0];
        power->s5_type_b = (uint8_t)type[1];
        power->s5 = power->pm1a_control.space != HW_SPACE_NONE ||
                    power->sleep_control.space != HW_SPACE_NONE;
        return true;
    }
    return false;
}
