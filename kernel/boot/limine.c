// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <boot/limine.h>; the protocol is in <hal/limine.h>.
 * Model: each response is copied out of the loader's memory after its extent was checked.  An address
 * is either in the loader's direct map or physical; both become physical, and record_map() says
 * whether it can be read.  Files may lie anywhere: their contents are not read here.
 */
#define LOG_TAG "limine"
#include <boot/limine.h>

#include <boot/efi_map.h>
#include <core/log.h>
#include <lib/string.h>

#define ENTRIES_MAX 4096
#define COMPLAINTS_MAX 8
#define EFI_MEMMAP_MAX MiB

struct parse {
    const struct loader_handoff *h;
    struct boot_record *rec;
    struct limine_handoff from;
    limine_far_fn *far;
    unsigned complaints;
};

static const char *const feature_names[LIMINE_FEATURES] = {
    "bootloader info", "HHDM", "memory map", "framebuffer", "modules", "RSDP", "DTB",
    "executable file", "executable command line", "executable address", "date at boot",
    "firmware type", "EFI system table", "EFI memory map", "paging mode", "stack size",
};

static void complain(struct parse *p, enum limine_feature f, uint64_t where, const char *what)
{
    if (p->complaints++ < COMPLAINTS_MAX)
        log_warn("%s at %#llx: %s: left out", feature_names[f], (unsigned long long)where, what);
}

/* --- the loader's memory ----------------------------------------------------------------------- */

static paddr_t physical(const struct parse *p, uint64_t addr)
{
    return addr >= p->from.hhdm ? addr - p->from.hhdm : addr;
}

static const void *reach(const struct parse *p, paddr_t pa, uint64_t n)
{
    const void *at = record_map(p->h, pa, n);

    return at ? at : record_map_ram(p->rec, pa, n);
}

static bool copy_in(const struct parse *p, uint64_t addr, void *out, size_t n)
{
    const void *from = addr ? reach(p, physical(p, addr), n) : NULL;

    if (from)
        memcpy(out, from, n);
    return from != NULL;
}

/* Return: whether the feature was granted and its response could be read. */
static bool response(struct parse *p, enum limine_feature f, void *out, size_t n)
{
    if (p->from.responses[f] == 0)
        return false;
    if (copy_in(p, p->from.responses[f], out, n))
        return true;
    complain(p, f, p->from.responses[f], "out of reach");
    return false;
}

/* A string of unknown length: up to the end of what can be read.  *max is how much that is. */
static const char *text_at(const struct parse *p, uint64_t addr, size_t *max)
{
    paddr_t pa = physical(p, addr);

    *max = 0;
    if (addr == 0)
        return NULL;
    if (pa >= p->h->early_start && pa < p->h->early_end)
        *max = MIN(p->h->early_end - pa, (uint64_t)BOOT_CMDLINE_MAX);
    else
        *max = record_ram_room(p->rec, pa, BOOT_CMDLINE_MAX);
    return *max != 0 ? reach(p, pa, *max) : NULL;
}

/* --- lists ------------------------------------------------------------------------------------- */

/* Entry i of a list, `n` bytes of it. */
static bool entry_read(struct parse *p, enum limine_feature f, const struct limine_list *list,
                       uint64_t i, void *out, size_t n)
{
    uint64_t addr;

    if (copy_in(p, list->entries + i * sizeof(addr), &addr, sizeof(addr)) &&
        copy_in(p, addr, out, n))
        return true;
    complain(p, f, i, "an entry is out of reach");
    return false;
}

static uint64_t count_of(struct parse *p, enum limine_feature f, const struct limine_list *list)
{
    if (list->count <= ENTRIES_MAX)
        return list->count;
    complain(p, f, list->count, "too many entries; those behind the first 4096");
    return ENTRIES_MAX;
}

enum mem_kind limine_kind(uint64_t type)
{
    static const enum mem_kind kinds[] = { MEM_USABLE, MEM_RESERVED, MEM_ACPI, MEM_NVS, MEM_BAD,
                                           MEM_LOADER, MEM_LOADER, MEM_FRAMEBUFFER };

    return type < ARRAY_SIZE(kinds) ? kinds[type] : MEM_RESERVED;
}

static err_t read_memmap(struct parse *p)
{
    struct limine_list list;
    struct limine_range r;
    bool usable = false;

    if (response(p, LIMINE_MEMMAP, &list, sizeof(list))) {
        uint64_t count = count_of(p, LIMINE_MEMMAP, &list);

        for (uint64_t i = 0; i < count; i++) {
            if (!entry_read(p, LIMINE_MEMMAP, &list, i, &r, sizeof(r)))
                continue;
            record_add_range(p->rec, r.start, r.size, limine_kind(r.type), 0);
            usable = usable || (r.size > 0 && r.type == LIMINE_MEM_USABLE);
        }
    }
    if (usable)
        return 0;
    log_err("no memory map");
    return -EINVAL;
}

static bool screen_take(struct parse *p, const struct limine_screen *s)
{
    struct boot_framebuffer fb = {
        .addr = physical(p, s->addr), .width = (uint32_t)s->width, .height = (uint32_t)s->height,
        .pitch = (uint32_t)s->pitch, .bpp = (uint8_t)s->bpp,
        .red_shift = s->red_shift, .red_bits = s->red_bits, .green_shift = s->green_shift,
        .green_bits = s->green_bits, .blue_shift = s->blue_shift, .blue_bits = s->blue_bits,
    };

    if (s->model != 1 || s->bpp > UINT8_MAX || s->width > UINT32_MAX || s->height > UINT32_MAX ||
        s->pitch > UINT32_MAX)
        return false;
    return record_set_framebuffer(p->rec, &fb) == 0;
}

/* The first that can be used. */
static void read_framebuffers(struct parse *p)
{
    struct limine_list list;
    struct limine_screen s;
    uint64_t count;

    if (!response(p, LIMINE_FRAMEBUFFER, &list, sizeof(list)))
        return;
    count = count_of(p, LIMINE_FRAMEBUFFER, &list);
    for (uint64_t i = 0; i < count; i++) {
        if (!entry_read(p, LIMINE_FRAMEBUFFER, &list, i, &s, sizeof(s)))
            continue;
        if (screen_take(p, &s))
            return;
        complain(p, LIMINE_FRAMEBUFFER, i, "no such framebuffer can be");
    }
}

static void module_take(struct parse *p, const struct limine_file *f)
{
    size_t max, path_max;
    const char *text = text_at(p, f->text, &max), *path = text_at(p, f->path, &path_max);

    if (text && text[0])
        record_add_module(p->rec, physical(p, f->addr), f->size, text, max);
    else
        record_add_module(p->rec, physical(p, f->addr), f->size, path, path_max);
}

static void read_modules(struct parse *p)
{
    struct limine_list list;
    struct limine_file f;
    uint64_t count;

    if (!response(p, LIMINE_MODULES, &list, sizeof(list)))
        return;
    count = count_of(p, LIMINE_MODULES, &list);
    for (uint64_t i = 0; i < count; i++)
        if (entry_read(p, LIMINE_MODULES, &list, i, &f, sizeof(f)))
            module_take(p, &f);
}

/* --- the rest ---------------------------------------------------------------------------------- */

static void read_loader(struct parse *p)
{
    struct limine_loader l;
    const char *text;
    size_t max;

    if (!response(p, LIMINE_LOADER, &l, sizeof(l)))
        return;
    text = text_at(p, l.name, &max);
    if (text)
        record_set_loader(p->rec, text, max);
    text = text_at(p, l.version, &max);
    if (text)
        record_set_loader_version(p->rec, text, max);
}

/* The string of the executable's file; a feature of its own in later versions of the protocol. */
static void read_cmdline(struct parse *p)
{
    struct limine_pointer r;
    struct limine_file f;
    const char *text = NULL;
    size_t max;

    if (response(p, LIMINE_CMDLINE, &r, sizeof(r)))
        text = text_at(p, r.addr, &max);
    if (!text && response(p, LIMINE_FILE, &r, sizeof(r))) {
        if (copy_in(p, r.addr, &f, sizeof(f)))
            text = text_at(p, f.text, &max);
        else
            complain(p, LIMINE_FILE, r.addr, "out of reach");
    }
    if (text)
        record_set_cmdline(p->rec, text, max);
}

static paddr_t pointer_of(struct parse *p, enum limine_feature f)
{
    struct limine_pointer r;

    if (!response(p, f, &r, sizeof(r)) || r.addr == 0)
        return 0;
    if (physical(p, r.addr) < BIT(52))
        return physical(p, r.addr);
    complain(p, f, r.addr, "no such address can be");
    return 0;
}

static void read_firmware(struct parse *p)
{
    static const enum boot_firmware kinds[] = { FIRMWARE_BIOS, FIRMWARE_EFI32, FIRMWARE_EFI64 };
    struct limine_number n;

    p->rec->efi_system_table = pointer_of(p, LIMINE_EFI_TABLE);
    if (response(p, LIMINE_FIRMWARE, &n, sizeof(n)) && n.value < ARRAY_SIZE(kinds))
        p->rec->firmware = kinds[n.value];
    else if (p->rec->efi_system_table != 0)
        p->rec->firmware = FIRMWARE_EFI64;
}

/* The loader may have left it in memory that it calls reserved, as Limine 8 does. */
static const void *efi_memmap_reach(const struct parse *p, const struct limine_efi_memmap *m)
{
    paddr_t pa = physical(p, m->addr);
    const void *at = m->size <= EFI_MEMMAP_MAX ? reach(p, pa, m->size) : NULL;

    if (!at && p->far && m->size > 0 && m->size <= EFI_MEMMAP_MAX)
        at = p->far(pa, m->size);
    return at;
}

/* EFI's own map says which of the reserved memory belongs to its runtime services. */
static void read_efi_memmap(struct parse *p)
{
    static struct boot_record efi;
    struct limine_efi_memmap m;
    const void *map;

    if (!response(p, LIMINE_EFI_MEMMAP, &m, sizeof(m)) || m.addr == 0)
        return;
    map = efi_memmap_reach(p, &m);
    if (!map) {
        complain(p, LIMINE_EFI_MEMMAP, m.addr, "out of reach");
        return;
    }
    record_init(&efi, p->h);
    (void)efi_map_read(&efi, feature_names[LIMINE_EFI_MEMMAP], map, m.size, m.entry_size, false);
    for (unsigned i = 0; i < efi.range_count; i++)
        if (efi.ranges[i].kind == MEM_RUNTIME)
            record_add_range(p->rec, efi.ranges[i].start, efi.ranges[i].size, MEM_RUNTIME, 0);
}

static void read_time(struct parse *p)
{
    struct limine_time t;

    if (response(p, LIMINE_TIME, &t, sizeof(t)) && t.seconds > 0)
        p->rec->boot_time = (uint64_t)t.seconds;
}

/* What only the entry program needed is noted, for who reads the log. */
static void log_granted(struct parse *p)
{
    struct limine_address a = { 0 };
    struct limine_number paging = { 0 };

    (void)response(p, LIMINE_ADDRESS, &a, sizeof(a));
    (void)response(p, LIMINE_PAGING, &paging, sizeof(paging));
    log_debug("base revision %llu, HHDM %#llx, entry program %#llx at %#llx, paging mode %llu",
              (unsigned long long)p->from.revision, (unsigned long long)p->from.hhdm,
              (unsigned long long)a.virtual, (unsigned long long)a.physical,
              (unsigned long long)paging.value);
}

err_t limine_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    return limine_parse_far(h, rec, NULL);
}

err_t limine_parse_far(const struct loader_handoff *h, struct boot_record *rec, limine_far_fn *far)
{
    struct parse p = { .h = h, .rec = rec, .far = far };
    const void *from = record_map(h, h->info, sizeof(p.from));
    err_t err;

    if (from)
        memcpy(&p.from, from, sizeof(p.from));
    if (!from || p.from.magic != LIMINE_HANDOFF_MAGIC || p.from.hhdm == 0) {
        log_err("no hand-over at %#llx", (unsigned long long)h->info);
        return -EINVAL;
    }
    err = read_memmap(&p);
    if (err)
        return err;
    read_loader(&p);
    read_cmdline(&p);
    read_framebuffers(&p);
    read_modules(&p);
    read_firmware(&p);
    read_efi_memmap(&p);
    read_time(&p);
    rec->rsdp = pointer_of(&p, LIMINE_RSDP);
    rec->fdt = pointer_of(&p, LIMINE_DTB);
    log_granted(&p);
    if (p.complaints > COMPLAINTS_MAX)
        log_warn("%u more complaints", p.complaints - COMPLAINTS_MAX);
    return 0;
}
