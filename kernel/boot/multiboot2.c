// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: Multiboot2's tags into the boot record.
 * Model: the record is one block whose first word is its size.  `struct tag_view` is one tag with
 * its extent checked; each handler reads at most that.
 */
#define LOG_TAG "multiboot2"
#include <boot/multiboot2.h>

#include <boot/pc.h>
#include <core/log.h>
#include <lib/string.h>

#define MB2_SIZE_MAX (1024 * KiB)
#define RSDP_BYTES_MIN 20 /* ACPI 1.0 */
#define RSDP_BYTES_MAX 36

struct tag_view {
    uint32_t type;
    const uint8_t *body; /* behind the tag's own two words */
    size_t size; /* of the body */
};

struct parse {
    struct boot_record *rec;
    bool memmap, rsdp_new;
};

static enum mem_kind kind_of(uint32_t type)
{
    static const enum mem_kind kinds[] = { MEM_RESERVED, MEM_USABLE, MEM_RESERVED, MEM_ACPI,
                                           MEM_NVS, MEM_BAD };

    return type < ARRAY_SIZE(kinds) ? kinds[type] : MEM_RESERVED;
}

static err_t parse_module(struct parse *p, const struct tag_view *t)
{
    struct mb2_module m;

    if (t->size < sizeof(m))
        return -EINVAL;
    memcpy(&m, t->body, sizeof(m));
    if (m.end < m.start)
        return -EINVAL;
    record_add_module(p->rec, m.start, m.end - m.start, (const char *)t->body + sizeof(m),
                      t->size - sizeof(m));
    return 0;
}

static err_t parse_memmap(struct parse *p, const struct tag_view *t)
{
    struct mb2_memmap map;
    struct mb2_range r;

    if (t->size < sizeof(map))
        return -EINVAL;
    memcpy(&map, t->body, sizeof(map));
    if (map.entry_size < sizeof(r))
        return -EINVAL;
    for (size_t at = sizeof(map); t->size - at >= sizeof(r); at += map.entry_size) {
        memcpy(&r, t->body + at, sizeof(r));
        record_add_range(p->rec, r.addr, r.size, kind_of(r.type), 0);
        p->memmap = true;
        if (map.entry_size > t->size - at)
            break;
    }
    return 0;
}

/* Only pixels: a text screen is found by its own driver. */
static err_t parse_framebuffer(struct parse *p, const struct tag_view *t)
{
    struct mb2_framebuffer f;

    if (t->size < sizeof(f))
        return 0;
    memcpy(&f, t->body, sizeof(f));
    if (f.type != 1 || (f.bpp != 32 && f.bpp != 24 && f.bpp != 16) ||
        (uint64_t)f.width * (f.bpp / 8) > f.pitch)
        return 0;
    p->rec->fb = (struct boot_framebuffer){
        .addr = f.addr,
        .width = f.width,
        .height = f.height,
        .pitch = f.pitch,
        .bpp = f.bpp,
        .red_shift = f.red_shift,
        .red_bits = f.red_bits,
        .green_shift = f.green_shift,
        .green_bits = f.green_bits,
        .blue_shift = f.blue_shift,
        .blue_bits = f.blue_bits,
    };
    return 0;
}

/* The tag holds a copy of ACPI's root pointer, which must outlive the loader's memory. */
static err_t parse_rsdp(struct parse *p, const struct tag_view *t)
{
    static uint8_t copy[RSDP_BYTES_MAX];

    if (t->size < RSDP_BYTES_MIN || (t->type == MB2_RSDP_OLD && p->rsdp_new))
        return 0;
    p->rsdp_new = t->type == MB2_RSDP_NEW;
    memset(copy, 0, sizeof(copy));
    memcpy(copy, t->body, MIN(t->size, sizeof(copy)));
    p->rec->rsdp = image_to_phys(copy);
    return 0;
}

static err_t parse_tag(struct parse *p, const struct tag_view *t)
{
    switch (t->type) {
    case MB2_CMDLINE:
        record_set_cmdline(p->rec, (const char *)t->body, t->size);
        return 0;
    case MB2_LOADER:
        record_set_loader(p->rec, (const char *)t->body, t->size);
        return 0;
    case MB2_MODULE:
        return parse_module(p, t);
    case MB2_MEMMAP:
        return parse_memmap(p, t);
    case MB2_FRAMEBUFFER:
        return parse_framebuffer(p, t);
    case MB2_RSDP_OLD:
    case MB2_RSDP_NEW:
        return parse_rsdp(p, t);
    default:
        return 0;
    }
}

static err_t parse_tags(struct parse *p, const uint8_t *base, uint32_t total)
{
    struct mb2_tag tag;

    for (uint64_t at = 8; at + sizeof(tag) <= total; at = ALIGN_UP(at + tag.size, 8)) {
        struct tag_view view;

        memcpy(&tag, base + at, sizeof(tag));
        if (tag.type == MB2_END)
            return 0;
        view = (struct tag_view){ tag.type, base + at + sizeof(tag), tag.size - sizeof(tag) };
        if (tag.size < sizeof(tag) || tag.size > total - at || parse_tag(p, &view)) {
            log_err("tag of type %u at offset %u is malformed", tag.type, (unsigned)at);
            return -EINVAL;
        }
    }
    return 0;
}

err_t multiboot2_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    struct parse p = { .rec = rec };
    const uint8_t *base = record_map(h, h->info, 8);
    uint32_t total = 0;
    err_t err;

    if (base)
        memcpy(&total, base, sizeof(total));
    if (total < 16 || total > MB2_SIZE_MAX || !record_map(h, h->info, total)) {
        log_err("no information block at %#llx (size %u)", (unsigned long long)h->info, total);
        return -EINVAL;
    }
    err = parse_tags(&p, base, total);
    if (!err && !p.memmap) {
        log_err("no memory map");
        err = -EINVAL;
    }
    return err;
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
