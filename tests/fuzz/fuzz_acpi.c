// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz ACPI as a whole: tables one behind the other, as /sys/firmware/acpi/tables has them.
 * Model: they are laid behind a root pointer, RSDT-less, with an XSDT that names each.  As no fuzzer
 * guesses checksums, they are made right, unless the last byte of the input is odd.  The FADT's pointer
 * to the DSDT is made to point to one if there is one.
 * Run: scripts/fuzz.sh acpi SECONDS.
 */
#include <boot/acpi.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES_MAX 80
#define RSDP_BYTES 36
#define FADT_X_DSDT 140

struct layout {
    uint8_t *bytes; /* RSDP, XSDT, tables */
    size_t xsdt, tables, size;
    size_t piece[PIECES_MAX];
    size_t piece_size[PIECES_MAX];
    unsigned count;
};

static void sum_set(uint8_t *p, size_t n, size_t at)
{
    uint8_t sum = 0;

    p[at] = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    p[at] = (uint8_t)-sum;
}

/* Cuts the input where the tables' own lengths say; a senseless length takes the rest. */
static void pieces_cut(struct layout *l, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size && l->count < PIECES_MAX;) {
        size_t left = size - at, n = left;

        if (left >= 8 && acpi_u32(data + at + 4) >= 8 && acpi_u32(data + at + 4) < left)
            n = acpi_u32(data + at + 4);
        l->piece[l->count] = at;
        l->piece_size[l->count++] = n;
        at += n;
    }
}

static void dsdt_link(struct layout *l)
{
    for (unsigned i = 0; i < l->count; i++)
        for (unsigned k = 0; k < l->count; k++) {
            uint8_t *fadt = l->bytes + l->tables + l->piece[i];
            uint64_t dsdt = virt_to_phys(l->bytes + l->tables + l->piece[k]);

            if (l->piece_size[i] >= FADT_X_DSDT + 8 && l->piece_size[k] >= 4 &&
                memcmp(fadt, "FACP", 4) == 0 && memcmp(phys_to_virt(dsdt), "DSDT", 4) == 0)
                memcpy(fadt + FADT_X_DSDT, &dsdt, 8);
        }
}

static void layout_make(struct layout *l, const uint8_t *data, size_t size)
{
    uint32_t xsdt_size;
    uint64_t pa;

    pieces_cut(l, data, size);
    xsdt_size = ACPI_HEADER_BYTES + 8 * l->count;
    l->xsdt = RSDP_BYTES;
    l->tables = l->xsdt + xsdt_size;
    l->size = l->tables + size;
    l->bytes = malloc(l->size);
    memset(l->bytes, 0, l->tables);
    memcpy(l->bytes + l->tables, data, size);
    dsdt_link(l);
    memcpy(l->bytes + l->xsdt, "XSDT", 4);
    memcpy(l->bytes + l->xsdt + 4, &xsdt_size, 4);
    for (unsigned i = 0; i < l->count; i++) {
        uint8_t *p = l->bytes + l->tables + l->piece[i];

        pa = virt_to_phys(p);
        memcpy(l->bytes + l->xsdt + ACPI_HEADER_BYTES + 8 * i, &pa, 8);
        if (l->piece_size[i] > 9 && !(data[size - 1] & 1))
            sum_set(p, l->piece_size[i], 9);
    }
    sum_set(l->bytes + l->xsdt, xsdt_size, 9);
    pa = virt_to_phys(l->bytes + l->xsdt);
    memcpy(l->bytes, "RSD PTR ", 8);
    l->bytes[15] = 2;
    memcpy(l->bytes + 24, &pa, 8);
    sum_set(l->bytes, 20, 8);
    sum_set(l->bytes, RSDP_BYTES, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hardware_info info;
    static struct hw_draft draft;
    static struct acpi_view view;
    static struct boot_record rec;
    struct layout l = { 0 };
    struct loader_handoff h = { 0 };

    if (size == 0)
        return 0;
    layout_make(&l, data, size);
    h.early_start = virt_to_phys(l.bytes);
    h.early_end = h.early_start + l.size;
    record_init(&rec, &h);
    rec.rsdp = h.early_start;
    hw_draft_init(&draft, &info, 0);
    draft.cpu_id_max = 254;
    if (acpi_open(&view, &h, &rec, &draft) == 0)
        acpi_read_tables(&view, &draft);
    machine_check(&draft);
    acpi_reserve(&view, &rec);
    free(l.bytes);
    return 0;
}
