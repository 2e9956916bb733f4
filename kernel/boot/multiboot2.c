// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: Multiboot2's tags into the boot record.
 *
 * Model: the record is one block whose first word is its size.  `struct tag_view` is one tag with its
 * extent checked; a table says who reads which, and how long one must be; a reader returns what is
 * wrong, or NULL.  Memory may be described three times, by EFI's map, by the loader's and by two
 * numbers: the most exact that names usable memory is taken, once all tags are known.
 */
#define LOG_TAG "multiboot2"
#include <boot/multiboot2.h>

#include <boot/efi_map.h>
#include <boot/pc.h>
#include <core/log.h>
#include <lib/string.h>

#define MB2_SIZE_MAX (1024 * KiB)
#define RSDP_BYTES_MIN 20 /* ACPI 1.0 */
#define RSDP_BYTES_MAX 36
#define COMPLAINTS_MAX 8

struct tag_view {
    uint32_t type;
    const uint8_t *body; /* behind the tag's own two words */
    size_t size; /* of the body */
};

struct parse {
    struct boot_record *rec;
    struct tag_view memmap, efi_memmap, basic, vbe; /* body NULL: not there */
    bool rsdp_new, efi_runs;
    unsigned complaints;
};

static void complain(struct parse *p, uint32_t type, uint64_t offset, const char *what)
{
    if (p->complaints++ < COMPLAINTS_MAX)
        log_warn("tag of type %u at offset %u: %s", type, (unsigned)offset, what);
}

/* --- memory ------------------------------------------------------------------------------------ */

static enum mem_kind kind_of(uint32_t type)
{
    static const enum mem_kind kinds[] = { MEM_RESERVED, MEM_USABLE, MEM_RESERVED, MEM_ACPI,
                                           MEM_NVS, MEM_BAD };

    return type < ARRAY_SIZE(kinds) ? kinds[type] : MEM_RESERVED;
}

/* Return: whether it holds usable memory. */
static bool memmap_add(struct boot_record *rec, const struct tag_view *t)
{
    struct mb2_memmap map;
    struct mb2_range r;
    bool usable = false;

    memcpy(&map, t->body, sizeof(map));
    for (size_t at = sizeof(map); t->size - at >= sizeof(r); at += map.entry_size) {
        memcpy(&r, t->body + at, sizeof(r));
        record_add_range(rec, r.addr, r.size, kind_of(r.type), 0);
        usable = usable || (r.size > 0 && kind_of(r.type) == MEM_USABLE);
        if (map.entry_size > t->size - at)
            break;
    }
    return usable;
}

static bool efi_memmap_add(struct parse *p)
{
    struct mb2_efi_memmap map;

    memcpy(&map, p->efi_memmap.body, sizeof(map));
    return efi_map_read(p->rec, "EFI memory map", p->efi_memmap.body + sizeof(map),
                        p->efi_memmap.size - sizeof(map), map.entry_size, p->efi_runs) > 0;
}

static bool basic_memory_add(struct boot_record *rec, const struct tag_view *t)
{
    struct mb2_basic_memory m;

    memcpy(&m, t->body, sizeof(m));
    record_add_range(rec, 0, (uint64_t)MIN(m.lower, 640u) * KiB, MEM_USABLE, 0);
    record_add_range(rec, MiB, (uint64_t)m.upper * KiB, MEM_USABLE, 0);
    return m.upper > 0;
}

static err_t memory_add(struct parse *p)
{
    if (p->efi_memmap.body && efi_memmap_add(p))
        return 0;
    if (p->memmap.body && memmap_add(p->rec, &p->memmap))
        return 0;
    if (p->basic.body && basic_memory_add(p->rec, &p->basic)) {
        log_warn("no memory map: %u ranges by the basic memory's size", p->rec->range_count);
        return 0;
    }
    log_err("no memory map");
    return -EINVAL;
}

static const char *read_memmap(struct parse *p, const struct tag_view *t)
{
    struct mb2_memmap map;

    memcpy(&map, t->body, sizeof(map));
    if (map.entry_size < sizeof(struct mb2_range))
        return "entries are smaller than they can be: left out";
    p->memmap = *t;
    return NULL;
}

static const char *read_efi_memmap(struct parse *p, const struct tag_view *t)
{
    p->efi_memmap = *t;
    return NULL;
}

static const char *read_basic_memory(struct parse *p, const struct tag_view *t)
{
    p->basic = *t;
    return NULL;
}

/* --- screen ------------------------------------------------------------------------------------ */

static const char *read_framebuffer(struct parse *p, const struct tag_view *t)
{
    struct mb2_framebuffer f = { 0 };
    struct boot_framebuffer fb;

    memcpy(&f, t->body, MIN(t->size, sizeof(f)));
    if (f.type == MB2_TEXT)
        return NULL; /* found by its own driver */
    if (f.type != MB2_DIRECT)
        return "a framebuffer with a palette is not supported: left out";
    fb = (struct boot_framebuffer){
        .addr = f.addr, .width = f.width, .height = f.height, .pitch = f.pitch, .bpp = f.bpp,
        .red_shift = f.red_shift, .red_bits = f.red_bits, .green_shift = f.green_shift,
        .green_bits = f.green_bits, .blue_shift = f.blue_shift, .blue_bits = f.blue_bits,
    };
    return record_set_framebuffer(p->rec, &fb) ? "no such framebuffer can be: left out" : NULL;
}

static const char *read_vbe(struct parse *p, const struct tag_view *t)
{
    p->vbe = *t;
    return NULL;
}

/* The mode that VBE is in, when no tag described the framebuffer itself. */
static void vbe_add(struct parse *p)
{
    struct vbe_mode m;
    struct boot_framebuffer fb;

    if (!p->vbe.body || p->rec->fb.width != 0)
        return;
    memcpy(&m, p->vbe.body + MB2_VBE_MODE_INFO, sizeof(m));
    if ((m.attributes & VBE_USABLE) != VBE_USABLE || m.memory_model != VBE_DIRECT_COLOUR)
        return;
    fb = (struct boot_framebuffer){
        .addr = m.addr, .width = m.width, .height = m.height, .pitch = m.pitch, .bpp = m.bpp,
        .red_shift = m.red_shift, .red_bits = m.red_bits, .green_shift = m.green_shift,
        .green_bits = m.green_bits, .blue_shift = m.blue_shift, .blue_bits = m.blue_bits,
    };
    if (record_set_framebuffer(p->rec, &fb))
        log_warn("VBE's mode makes no framebuffer: left out");
}

/* --- the rest ---------------------------------------------------------------------------------- */

static const char *read_cmdline(struct parse *p, const struct tag_view *t)
{
    record_set_cmdline(p->rec, (const char *)t->body, t->size);
    return NULL;
}

static const char *read_loader(struct parse *p, const struct tag_view *t)
{
    record_set_loader(p->rec, (const char *)t->body, t->size);
    return NULL;
}

static const char *read_module(struct parse *p, const struct tag_view *t)
{
    struct mb2_module m;

    memcpy(&m, t->body, sizeof(m));
    if (m.end < m.start)
        return "the module ends before it begins: left out";
    record_add_module(p->rec, m.start, m.end - m.start, (const char *)t->body + sizeof(m),
                      t->size - sizeof(m));
    return NULL;
}

/* The image brings its own symbols; these are looked at only for what they claim. */
static const char *read_elf_sections(struct parse *p, const struct tag_view *t)
{
    struct mb2_elf_sections s;

    memcpy(&s, t->body, sizeof(s));
    if (s.count > 0 && (s.entry_size == 0 || s.count > (t->size - sizeof(s)) / s.entry_size))
        return "more ELF sections than there is room for: left out";
    log_debug("%u ELF sections of the image, not needed", s.count);
    return NULL;
}

static const char *read_efi_table(struct parse *p, const struct tag_view *t)
{
    uint64_t table = 0;

    memcpy(&table, t->body, t->type == MB2_EFI32 ? 4 : 8);
    if (table == 0 || table >= BIT(52))
        return "no such EFI system table can be: left out";
    p->rec->firmware = t->type == MB2_EFI32 ? FIRMWARE_EFI32 : FIRMWARE_EFI64;
    p->rec->efi_system_table = table;
    return NULL;
}

static const char *read_efi_runs(struct parse *p, const struct tag_view *t)
{
    p->efi_runs = true;
    return "EFI's boot services still run: their memory is not used";
}

static const char *read_load_base(struct parse *p, const struct tag_view *t)
{
    uint32_t base;

    memcpy(&base, t->body, sizeof(base));
    return base == p->rec->image_start ? NULL : "the image is elsewhere: left out";
}

/* The tag holds a copy of ACPI's root pointer, which must outlive the loader's memory. */
static const char *read_rsdp(struct parse *p, const struct tag_view *t)
{
    static uint8_t copy[RSDP_BYTES_MAX];

    if (t->type == MB2_RSDP_OLD && p->rsdp_new)
        return NULL;
    p->rsdp_new = t->type == MB2_RSDP_NEW;
    memset(copy, 0, sizeof(copy));
    memcpy(copy, t->body, MIN(t->size, sizeof(copy)));
    p->rec->rsdp = image_to_phys(copy);
    return NULL;
}

static const struct tag_reader {
    size_t size_min; /* of the body */
    const char *(*read)(struct parse *p, const struct tag_view *t); /* NULL: of no concern */
} readers[] = {
    [MB2_CMDLINE] = { 1, read_cmdline },
    [MB2_LOADER] = { 1, read_loader },
    [MB2_MODULE] = { sizeof(struct mb2_module), read_module },
    [MB2_BASIC_MEMORY] = { sizeof(struct mb2_basic_memory), read_basic_memory },
    [MB2_MEMMAP] = { sizeof(struct mb2_memmap), read_memmap },
    [MB2_VBE] = { MB2_VBE_MODE_INFO + sizeof(struct vbe_mode), read_vbe },
    [MB2_FRAMEBUFFER] = { MB2_FRAMEBUFFER_COMMON, read_framebuffer },
    [MB2_ELF_SECTIONS] = { sizeof(struct mb2_elf_sections), read_elf_sections },
    [MB2_EFI32] = { 4, read_efi_table },
    [MB2_EFI64] = { 8, read_efi_table },
    [MB2_RSDP_OLD] = { RSDP_BYTES_MIN, read_rsdp },
    [MB2_RSDP_NEW] = { RSDP_BYTES_MIN, read_rsdp },
    [MB2_EFI_MEMMAP] = { sizeof(struct mb2_efi_memmap), read_efi_memmap },
    [MB2_EFI_RUNS] = { 0, read_efi_runs },
    [MB2_LOAD_BASE] = { 4, read_load_base },
};

static void read_tag(struct parse *p, const struct tag_view *t, uint64_t offset)
{
    const struct tag_reader *r = t->type < ARRAY_SIZE(readers) ? &readers[t->type] : NULL;
    const char *wrong;

    if (!r || !r->read)
        return;
    wrong = t->size < r->size_min ? "too short for what it is: left out" : r->read(p, t);
    if (wrong)
        complain(p, t->type, offset, wrong);
}

static void read_tags(struct parse *p, const uint8_t *base, uint32_t total)
{
    struct mb2_tag tag;

    for (uint64_t at = 8; at + sizeof(tag) <= total; at = ALIGN_UP(at + tag.size, 8)) {
        struct tag_view view;

        memcpy(&tag, base + at, sizeof(tag));
        if (tag.type == MB2_END)
            return;
        if (tag.size < sizeof(tag) || tag.size > total - at) {
            complain(p, tag.type, at, "no such size can be: it and all behind it are left out");
            return;
        }
        view = (struct tag_view){ tag.type, base + at + sizeof(tag), tag.size - sizeof(tag) };
        read_tag(p, &view, at);
    }
}

err_t multiboot2_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    struct parse p = { .rec = rec };
    const uint8_t *base = record_map(h, h->info, 8);
    uint32_t total = 0;

    if (base)
        memcpy(&total, base, sizeof(total));
    if (total < 16 || total > MB2_SIZE_MAX || !record_map(h, h->info, total)) {
        log_err("no information block at %#llx (size %u)", (unsigned long long)h->info, total);
        return -EINVAL;
    }
    read_tags(&p, base, total);
    if (p.complaints > COMPLAINTS_MAX)
        log_warn("%u more complaints", p.complaints - COMPLAINTS_MAX);
    vbe_add(&p);
    return memory_add(&p);
}

static err_t multiboot2_start(const struct loader_handoff *h, struct boot_record *rec)
{
    err_t err;

    pc_earlycon_start();
    pc_reserve_first_page(rec);
    err = multiboot2_parse(h, rec);
    if (!err)
        pc_reserve_low_page(rec);
    return err;
}
BOOT_PROTOCOL(multiboot2, LOADER_MULTIBOOT2, multiboot2_start);
