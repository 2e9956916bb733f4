// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the directory of ACPI's tables: root pointer, RSDT or XSDT, and what they name.
 * Model: see <boot/acpi.h>.  The XSDT is preferred; when it is broken the RSDT serves.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>
#include <lib/checked.h>

#define RSDP_BYTES 20 /* ACPI 1.0 */
#define RSDP_BYTES_2 36
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_XSDT 24
#define EBDA_SEGMENT 0x40e
#define EBDA_BYTES 1024
#define BIOS_START 0xe0000
#define BIOS_END 0x100000

#define TABLE_SIZE 4
#define FADT_FACS 36
#define FADT_DSDT 40
#define FADT_X_FACS 132
#define FADT_X_DSDT 140
#define FACS_BYTES_MIN 64

/* --- tables --- */

static bool sum_is_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    while (n-- > 0)
        sum = (uint8_t)(sum + *p++);
    return sum == 0;
}

static bool is_name_letter(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* A name that may stand in the log and be a file's. */
static void signature_copy(char out[5], const uint8_t *bytes)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = is_name_letter(bytes[i]) ? (char)bytes[i] : '?';
    out[4] = '\0';
}

/* Does the table lie over the kernel or a module?  Then it is none. */
static bool is_occupied(const struct boot_record *rec, paddr_t pa, uint32_t size)
{
    if (ranges_overlap(pa, size, rec->image_start, rec->image_end - rec->image_start))
        return true;
    for (unsigned i = 0; i < rec->module_count; i++)
        if (ranges_overlap(pa, size, rec->modules[i].start, rec->modules[i].size))
            return true;
    return false;
}

static const uint8_t *map(const struct acpi_view *v, paddr_t pa, uint64_t size)
{
    const void *p = record_map(v->handoff, pa, size);

    return p ? p : record_map_ram(v->rec, pa, size);
}

/* Fills *t with the sound table at `pa`.  Return: NULL, or why it is none. */
static const char *table_check(const struct acpi_view *v, paddr_t pa, struct acpi_table *t)
{
    const uint8_t *head = map(v, pa, ACPI_HEADER_BYTES);
    bool has_sum;

    *t = (struct acpi_table){ .signature = "????", .addr = pa };
    if (!head)
        return "lies where nothing is mapped";
    signature_copy(t->signature, head);
    has_sum = strcmp(t->signature, "FACS") != 0; /* it changes at run time */
    t->size = acpi_u32(head + TABLE_SIZE);
    if (t->size < (has_sum ? ACPI_HEADER_BYTES : FACS_BYTES_MIN) || t->size > ACPI_TABLE_BYTES_MAX)
        return "has an absurd length";
    if (!map(v, pa, t->size))
        return "ends where nothing is mapped";
    if (is_occupied(v->rec, pa, t->size))
        return "lies over the kernel or a module";
    if (has_sum && !sum_is_zero(head, t->size))
        return "has a wrong checksum";
    t->bytes = head;
    return NULL;
}

static bool is_known(const struct acpi_view *v, paddr_t pa)
{
    for (unsigned i = 0; i < v->count; i++)
        if (v->tables[i].addr == pa)
            return true;
    return false;
}

/* Lists the table at `pa`, to which `offset` of the present table points. */
static void table_add(struct acpi_view *v, struct hw_draft *d, uint64_t offset, paddr_t pa)
{
    struct acpi_table t;
    const char *wrong;

    if (pa == 0 || is_known(v, pa))
        return;
    wrong = table_check(v, pa, &t);
    if (wrong)
        hw_complain(d, offset, "table %s at %#llx %s", t.signature, (unsigned long long)pa, wrong);
    else if (v->count == ACPI_TABLES_MAX)
        hw_complain(d, offset, "more than %u tables: %s is left out", ACPI_TABLES_MAX, t.signature);
    else
        v->tables[v->count++] = t;
}

const struct acpi_table *acpi_find(const struct acpi_view *v, const char *signature, unsigned nth)
{
    for (unsigned i = 0; i < v->count; i++)
        if (strcmp(v->tables[i].signature, signature) == 0 && nth-- == 0)
            return &v->tables[i];
    return NULL;
}

/* --- the root --- */

static const uint8_t *rsdp_at(const struct acpi_view *v, paddr_t pa)
{
    const uint8_t *p = pa ? map(v, pa, RSDP_BYTES) : NULL;

    return p && memcmp(p, "RSD PTR ", 8) == 0 && sum_is_zero(p, RSDP_BYTES) ? p : NULL;
}

static paddr_t rsdp_scan(const struct acpi_view *v, paddr_t start, paddr_t end)
{
    for (paddr_t pa = ALIGN_UP(start, 16ull); pa + RSDP_BYTES <= end; pa += 16)
        if (rsdp_at(v, pa))
            return pa;
    return 0;
}

/* Where a PC's BIOS leaves it (ACPI 6.5, 5.2.5.1). */
static paddr_t rsdp_search(const struct acpi_view *v)
{
    const uint8_t *segment = record_map(v->handoff, EBDA_SEGMENT, 2);
    paddr_t ebda, found;

    if (!segment || !record_map(v->handoff, BIOS_START, BIOS_END - BIOS_START))
        return 0;
    ebda = (paddr_t)acpi_u16(segment) << 4;
    found = ebda ? rsdp_scan(v, ebda, ebda + EBDA_BYTES) : 0;
    return found ? found : rsdp_scan(v, BIOS_START, BIOS_END);
}

/* The record's, else on a PC the BIOS's; 0: none. */
static paddr_t rsdp_find(const struct acpi_view *v)
{
    paddr_t told = v->rec->rsdp;

    if (rsdp_at(v, told))
        return told;
    if (told)
        log_warn("RSDP: there is none at %#llx", (unsigned long long)told);
    if (v->handoff->protocol != LOADER_PVH && v->handoff->protocol != LOADER_MULTIBOOT2)
        return 0;
    return rsdp_search(v);
}

/* Lists all that an RSDT (4 bytes each) or XSDT (8) names.  Return: whether it was sound. */
static bool root_read(struct acpi_view *v, struct hw_draft *d, paddr_t pa, const char *signature)
{
    uint32_t step = signature[0] == 'X' ? 8 : 4;
    struct acpi_table root;
    const char *wrong;

    if (pa == 0)
        return false;
    wrong = table_check(v, pa, &root);
    if (!wrong && strcmp(root.signature, signature) != 0)
        wrong = "has another name";
    if (wrong) {
        log_warn("RSDP: %s at %#llx %s", signature, (unsigned long long)pa, wrong);
        return false;
    }
    hw_table_begin(d, signature);
    for (uint32_t at = ACPI_HEADER_BYTES; root.size - at >= step; at += step)
        table_add(v, d, at, step == 8 ? acpi_u64(root.bytes + at) : acpi_u32(root.bytes + at));
    hw_table_end(d);
    return true;
}

static bool roots_read(struct acpi_view *v, struct hw_draft *d)
{
    const uint8_t *rsdp = rsdp_at(v, v->rsdp);
    const uint8_t *wide = rsdp[RSDP_REVISION] >= 2 ? map(v, v->rsdp, RSDP_BYTES_2) : NULL;

    if (wide && !sum_is_zero(wide, RSDP_BYTES_2))
        log_warn("RSDP: at %#llx has a wrong extended checksum", (unsigned long long)v->rsdp);
    else if (wide && root_read(v, d, acpi_u64(wide + RSDP_XSDT), "XSDT"))
        return true;
    return root_read(v, d, acpi_u32(rsdp + RSDP_RSDT), "RSDT");
}

/* The FADT names two more tables, each by a short and since revision 3 a long pointer. */
static void fadt_follow(struct acpi_view *v, struct hw_draft *d, uint32_t narrow, uint32_t wide)
{
    const struct acpi_table *t = acpi_find(v, "FACP", 0);
    paddr_t pa = 0;

    if (!t || t->size < narrow + 4)
        return;
    if (t->size >= wide + 8)
        pa = acpi_u64(t->bytes + wide);
    hw_table_begin(d, "FACP");
    table_add(v, d, pa ? wide : narrow, pa ? pa : acpi_u32(t->bytes + narrow));
    hw_table_end(d);
}

err_t acpi_open(struct acpi_view *v, const struct loader_handoff *h, const struct boot_record *rec,
                struct hw_draft *d)
{
    *v = (struct acpi_view){ .handoff = h, .rec = rec };
    v->rsdp = rsdp_find(v);
    if (!v->rsdp || !roots_read(v, d))
        return -ENODEV;
    fadt_follow(v, d, FADT_DSDT, FADT_X_DSDT);
    fadt_follow(v, d, FADT_FACS, FADT_X_FACS);
    return 0;
}

/* --- entries --- */

bool acpi_entry_next(struct acpi_entries *e)
{
    const struct acpi_table *t = e->table;

    e->offset = e->next;
    if (e->offset > t->size || t->size - e->offset < 2)
        return false;
    e->bytes = t->bytes + e->offset;
    e->type = e->bytes[0];
    e->size = e->bytes[1];
    if (e->size < 2 || e->size > t->size - e->offset) {
        hw_complain(e->draft, e->offset, "an entry of %u bytes: the rest is left out", e->size);
        return false;
    }
    e->next += e->size;
    return true;
}

bool acpi_entry_has(const struct acpi_entries *e, unsigned size)
{
    if (e->size >= size)
        return true;
    hw_complain(e->draft, e->offset, "an entry of type %u has %u bytes, not %u", e->type, e->size,
                size);
    return false;
}

/* --- all of it --- */

static void read_one(const struct acpi_view *v, struct hw_draft *d, const char *signature,
                     void (*read)(const struct acpi_table *t, struct hw_draft *d))
{
    const struct acpi_table *t = acpi_find(v, signature, 0);

    if (!t)
        return;
    hw_table_begin(d, t->signature);
    read(t, d);
    hw_table_end(d);
}

static void read_iort(const struct acpi_view *v, struct hw_draft *d)
{
    if (d->info->gic.its_count == 0)
        return;
    hw_table_begin(d, "IORT");
    acpi_read_iort(acpi_find(v, "IORT", 0), d);
    hw_table_end(d);
}

/* On a PC firmware has left in each function which interrupt it has; elsewhere nothing but this tells. */
static void read_prt(const struct acpi_view *v, struct hw_draft *d)
{
    for (unsigned i = 0; i < v->count && d->info->gic.version != 0; i++) {
        const struct acpi_table *t = &v->tables[i];

        if (strcmp(t->signature, "DSDT") != 0 && strcmp(t->signature, "SSDT") != 0)
            continue;
        hw_table_begin(d, t->signature);
        acpi_read_prt(t, d);
        hw_table_end(d);
    }
}

/* The tables of byte code. */
static void read_definitions(const struct acpi_view *v, struct hw_draft *d)
{
    bool s5 = false;

    for (unsigned i = 0; i < v->count; i++) {
        const struct acpi_table *t = &v->tables[i];

        if (strcmp(t->signature, "DSDT") != 0 && strcmp(t->signature, "SSDT") != 0)
            continue;
        hw_table_begin(d, t->signature);
        s5 = s5 || acpi_read_s5(t, d);
        acpi_read_devices(t, d);
        hw_table_end(d);
    }
}

static void read_srat(const struct acpi_view *v, struct hw_draft *d)
{
    const struct acpi_table *t = acpi_find(v, "SRAT", 0);

    if (t) {
        hw_table_begin(d, "SRAT");
        acpi_read_srat(t, acpi_find(v, "APIC", 0), d);
        hw_table_end(d);
    }
    hw_nodes_finish(d);
    read_one(v, d, "SLIT", acpi_read_slit);
}

/* There is to be one of each; the first counts. */
static void complain_of_seconds(const struct acpi_view *v, struct hw_draft *d)
{
    static const char *const single[] = { "APIC", "FACP", "GTDT", "HPET", "IORT", "MCFG", "PPTT", "SLIT",
                                          "SPCR", "SRAT" };

    for (unsigned i = 0; i < ARRAY_SIZE(single); i++) {
        const struct acpi_table *t = acpi_find(v, single[i], 1);

        hw_table_begin(d, single[i]);
        if (t)
            hw_complain(d, 0, "a second table, at %#llx: left out", (unsigned long long)t->addr);
    }
}

void acpi_read_tables(const struct acpi_view *v, struct hw_draft *d)
{
    d->info->source = HW_FROM_ACPI;
    d->info->rsdp = v->rsdp;
    complain_of_seconds(v, d);
    read_one(v, d, "FACP", acpi_read_fadt);
    read_definitions(v, d);
    read_one(v, d, "APIC", acpi_read_madt);
    read_one(v, d, "HPET", acpi_read_hpet);
    read_one(v, d, "GTDT", acpi_read_gtdt);
    read_one(v, d, "SPCR", acpi_read_spcr);
    read_one(v, d, "DBG2", acpi_read_dbg2);
    read_one(v, d, "PPTT", acpi_read_pptt);
    read_one(v, d, "MCFG", acpi_read_mcfg);
    read_iort(v, d);
    read_prt(v, d);
    if (d->use_numa)
        read_srat(v, d);
}

void acpi_reserve(const struct acpi_view *v, struct boot_record *rec)
{
    for (unsigned i = 0; i < v->count; i++) {
        paddr_t start = v->tables[i].addr & PAGE_MASK;
        paddr_t end = ALIGN_UP(v->tables[i].addr + v->tables[i].size, PAGE_SIZE);

        for (unsigned k = 0; k < rec->range_count; k++)
            if (rec->ranges[k].kind == MEM_USABLE &&
                ranges_overlap(start, end - start, rec->ranges[k].start, rec->ranges[k].size)) {
                record_add_range(rec, start, end - start, MEM_ACPI, 0);
                break;
            }
    }
}

static struct acpi_view view; /* of this machine; written once at boot */

const struct acpi_view *acpi_tables(void)
{
    return &view;
}

static void log_tables(const struct acpi_view *v)
{
    log_debug("RSDP %#llx", (unsigned long long)v->rsdp);
    for (unsigned i = 0; i < v->count; i++)
        log_debug("%s 0x%08llx %8u bytes", v->tables[i].signature,
                  (unsigned long long)v->tables[i].addr, v->tables[i].size);
}

static err_t acpi_read(const struct loader_handoff *h, struct boot_record *rec, struct hw_draft *d)
{
    if (!d->use_acpi || acpi_open(&view, h, rec, d) != 0) {
        view.count = 0;
        return -ENODEV;
    }
    log_tables(&view);
    acpi_read_tables(&view, d);
    acpi_reserve(&view, rec);
    return 0;
}
HARDWARE_SOURCE(acpi, HW_RANK_ACPI, acpi_read);
