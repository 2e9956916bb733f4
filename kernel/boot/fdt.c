// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reads the flattened device tree with Debian's libfdt.
 *
 * Model: the blob is checked whole (fdt_check_full: structure, nesting, names, strings), so libfdt's
 * look-ups stay inside it; one more pass notes where its nodes are, as libfdt would walk the blob from
 * the start for every question about a parent or a phandle.  Properties are read without libfdt, which checks again at
 * each step what fdt_check_full() has checked already, and made half of a small machine's boot of it.  Values are still anybody's: cells are counted, addresses translated with
 * overflow checks, nothing is trusted to be where a sane tree has it.
 * libfdt copies through vector registers: it runs only before process 1, while nobody owns them.
 */
#define LOG_TAG "fdt"
#include <boot/fdt.h>

#include <core/log.h>
#include <lib/checked.h>
#include <lib/string.h>

#include <libfdt.h>

#define DEPTH_MAX 16
#define GIC_SPI_BASE 32
#define GIC_PPI_BASE 16

static err_t blob_check(const void *blob, uint64_t size)
{
    if ((uintptr_t)blob % 8 != 0 || size < sizeof(struct fdt_header))
        return -EINVAL;
    if (fdt_magic(blob) != FDT_MAGIC || fdt_totalsize(blob) > MIN(size, FDT_SIZE_MAX))
        return -EINVAL;
    /* Since version 16 a node's name is not a path; libfdt 1.6.1 dereferences NULL over older ones. */
    if (fdt_version(blob) < 16)
        return -EINVAL;
    return fdt_check_full(blob, fdt_totalsize(blob)) == 0 ? 0 : -EINVAL;
}

/* --- a node's bytes: a tag, its name, its properties, its children; in words --- */

static uint32_t word_at(const char *at)
{
    return fdt32_ld((const fdt32_t *)at); /* byte by byte */
}

static const char *node_at(const struct fdt_view *v, unsigned node)
{
    return (const char *)v->blob + fdt_off_dt_struct(v->blob) + v->node[node].offset;
}

const char *fdt_name(const struct fdt_view *v, unsigned node)
{
    return node_at(v, node) + 4;
}

const void *fdt_property_get(const struct fdt_view *v, unsigned node, const char *name,
                             size_t *size)
{
    const char *strings = (const char *)v->blob + fdt_off_dt_strings(v->blob);
    const char *at = fdt_name(v, node);
    uint32_t tag;

    at += ALIGN_UP(strlen(at) + 1, 4);
    while ((tag = word_at(at)) == FDT_PROP || tag == FDT_NOP) {
        at += 4;
        if (tag == FDT_NOP)
            continue;
        *size = word_at(at); /* and the name's offset, and the value */
        if (strcmp(strings + word_at(at + 4), name) == 0)
            return at + 8;
        at += 8 + ALIGN_UP(*size, 4);
    }
    *size = 0;
    return NULL;
}

/* A property of one cell; `absent` where there is none, 0 when it has another size. */
static uint32_t cell_of(const struct fdt_view *v, unsigned node, const char *name, uint32_t absent)
{
    size_t size;
    const fdt32_t *p = fdt_property_get(v, node, name, &size);

    if (p == NULL)
        return absent;
    return size == 4 ? fdt32_ld(p) : 0;
}

static uint32_t phandle_of(const struct fdt_view *v, unsigned node)
{
    uint32_t phandle = cell_of(v, node, "phandle", 0);

    return phandle != 0 ? phandle : cell_of(v, node, "linux,phandle", 0);
}

err_t fdt_open(struct fdt_view *v, const void *blob, uint64_t size)
{
    unsigned open[DEPTH_MAX]; /* indices of the nodes around the next one */
    int depth = 0;

    if (blob_check(blob, size) != 0)
        return -EINVAL;
    v->blob = blob;
    v->size = fdt_totalsize(blob);
    v->count = v->left_out = 0;
    for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(blob, node, &depth)) {
        if (depth >= DEPTH_MAX || v->count == FDT_NODES_MAX) {
            if (v->left_out++ == 0)
                v->left_out_at = fdt_off_dt_struct(blob) + (unsigned)node;
            continue;
        }
        open[depth] = v->count;
        v->node[v->count] = (struct fdt_node){
            .offset = node,
            .parent = depth > 0 ? open[depth - 1] : 0,
        };
        v->node[v->count].phandle = phandle_of(v, v->count);
        v->count++;
    }
    return 0;
}

int fdt_phandle_find(const struct fdt_view *v, uint32_t phandle)
{
    for (unsigned i = 0; phandle != 0 && i < v->count; i++)
        if (v->node[i].phandle == phandle)
            return (int)i;
    return -1;
}

int fdt_top_find(const struct fdt_view *v, const char *name)
{
    for (unsigned i = 1; i < v->count; i++)
        if (v->node[i].parent == 0 &&
            strcmp(fdt_name(v, i), name) == 0)
            return (int)i;
    return -1;
}

/* --- values --- */

const char *fdt_text(const struct fdt_view *v, unsigned node, const char *name)
{
    size_t size;
    const char *s = fdt_property_get(v, node, name, &size);

    return s != NULL && size != 0 && memchr(s, 0, size) != NULL ? s : NULL;
}

/* `cells` (1 or 2) big-endian words at *p. */
static uint64_t cells_read(const fdt32_t **p, unsigned cells)
{
    uint64_t v = 0;

    while (cells-- != 0)
        v = v << 32 | fdt32_ld((*p)++);
    return v;
}

bool fdt_u64(const struct fdt_view *v, unsigned node, const char *name, uint64_t *out)
{
    size_t size;
    const fdt32_t *p = fdt_property_get(v, node, name, &size);

    if (p == NULL || (size != 4 && size != 8))
        return false;
    *out = cells_read(&p, (unsigned)(size / 4));
    return true;
}

bool fdt_enabled(const struct fdt_view *v, unsigned node)
{
    const char *s = fdt_text(v, node, "status");

    return s == NULL || strcmp(s, "okay") == 0 || strcmp(s, "ok") == 0;
}

/* Here 0 means that there are none. */
static uint32_t size_cells(const struct fdt_view *v, unsigned parent)
{
    size_t size;
    const void *p = fdt_property_get(v, parent, "#size-cells", &size);

    return p != NULL && size != 4 ? UINT32_MAX : cell_of(v, parent, "#size-cells", 1);
}

err_t fdt_cells(const struct fdt_view *v, unsigned parent, struct fdt_cells *c)
{
    uint32_t address = cell_of(v, parent, "#address-cells", 2), size = size_cells(v, parent);

    if (address < 1 || address > 2 || size > 2)
        return -EINVAL;
    *c = (struct fdt_cells){ address, size };
    return 0;
}

/* Translates *addr from a bus to its parent by the bus's `ranges`. */
static err_t range_translate(const struct fdt_view *v, unsigned bus, uint64_t *addr, uint64_t size)
{
    size_t bytes;
    const fdt32_t *p = fdt_property_get(v, bus, "ranges", &bytes), *end;
    struct fdt_cells child, up;

    if (p == NULL)
        return -EINVAL; /* not reachable by the CPU */
    if (bytes == 0)
        return 0; /* one to one */
    if (fdt_cells(v, bus, &child) != 0 || fdt_cells(v, v->node[bus].parent, &up) != 0)
        return -EINVAL;
    end = p + bytes / 4;
    while ((size_t)(end - p) >= child.address + up.address + child.size) {
        uint64_t from = cells_read(&p, child.address), to = cells_read(&p, up.address);
        uint64_t span = cells_read(&p, child.size);

        if (*addr >= from && range_fits(*addr - from, size, span))
            return add_overflow(to, *addr - from, addr) ? -EINVAL : 0;
    }
    return -EINVAL;
}

/* CPU address of `addr` as children of `bus` are addressed. */
static err_t address_translate(const struct fdt_view *v, unsigned bus, uint64_t *addr,
                               uint64_t size)
{
    for (; bus != 0; bus = v->node[bus].parent)
        if (range_translate(v, bus, addr, size) != 0)
            return -EINVAL;
    return 0;
}

int fdt_regs(const struct fdt_view *v, unsigned node, struct fdt_reg *out, unsigned max)
{
    size_t bytes;
    const fdt32_t *p = fdt_property_get(v, node, "reg", &bytes), *end;
    unsigned bus = v->node[node].parent, n = 0;
    struct fdt_cells c;

    if (p == NULL)
        return 0;
    if (fdt_cells(v, bus, &c) != 0)
        return -EINVAL;
    end = p + bytes / 4;
    while (n < max && (size_t)(end - p) >= c.address + c.size) {
        uint64_t start = cells_read(&p, c.address), size = cells_read(&p, c.size), last;

        if (add_overflow(start, size, &last) || address_translate(v, bus, &start, size) != 0)
            return -EINVAL;
        out[n++] = (struct fdt_reg){ start, size };
    }
    return (int)n;
}

/* --- the loader's record --- */

#define MEMORY_REGS 32

bool fdt_is_memory(const struct fdt_view *v, unsigned node)
{
    const char *type = fdt_text(v, node, "device_type");

    return type != NULL && strcmp(type, "memory") == 0 && fdt_enabled(v, node);
}

/* Adds all of a node's registers as memory of that kind. */
static void record_regs(const struct fdt_view *v, unsigned node, struct boot_record *rec,
                        enum mem_kind kind)
{
    struct fdt_reg regs[MEMORY_REGS];
    int n = fdt_regs(v, node, regs, MEMORY_REGS);

    if (n < 0)
        log_err("%s: reg makes no sense", fdt_name(v, node));
    for (int i = 0; i < n; i++)
        record_add_range(rec, regs[i].start, regs[i].size, kind, 0);
}

static void record_reserved(const struct fdt_view *v, struct boot_record *rec)
{
    int reserved = fdt_top_find(v, "reserved-memory");

    for (unsigned i = 1; reserved > 0 && i < v->count; i++)
        if (v->node[i].parent == (unsigned)reserved && fdt_enabled(v, i))
            record_regs(v, i, rec, MEM_RESERVED);
}

/* U-Boot reserves the initrd, too, which is ours to free: what lies before and behind it stays reserved. */
static void reserve_around_initrd(struct boot_record *rec, uint64_t start, uint64_t size)
{
    const struct boot_module *m = &rec->modules[0];

    if (rec->module_count == 0 || !range_fits(start, size, UINT64_MAX) ||
        !ranges_overlap(start, size, m->start, m->size)) {
        record_add_range(rec, start, size, MEM_RESERVED, 0);
        return;
    }
    if (start < m->start)
        record_add_range(rec, start, m->start - start, MEM_RESERVED, 0);
    if (start + size > m->start + m->size)
        record_add_range(rec, m->start + m->size, start + size - (m->start + m->size), MEM_RESERVED,
                         0);
}

static void record_memory(const struct fdt_view *v, struct boot_record *rec)
{
    int n = fdt_num_mem_rsv(v->blob);

    for (unsigned i = 1; i < v->count; i++)
        if (v->node[i].parent == 0 && fdt_is_memory(v, i))
            record_regs(v, i, rec, MEM_USABLE);
    record_reserved(v, rec);
    for (int i = 0; i < n; i++) {
        uint64_t start, size;

        if (fdt_get_mem_rsv(v->blob, i, &start, &size) == 0)
            reserve_around_initrd(rec, start, size);
    }
}

static void record_initrd(const struct fdt_view *v, unsigned chosen, struct boot_record *rec)
{
    uint64_t start, end;

    if (!fdt_u64(v, chosen, "linux,initrd-start", &start) ||
        !fdt_u64(v, chosen, "linux,initrd-end", &end))
        return;
    if (end > start)
        record_add_module(rec, start, end - start, "initrd", sizeof "initrd");
    else
        log_err("initrd ends at %#llx before it starts at %#llx", (unsigned long long)end,
                (unsigned long long)start);
}

/* What the record has already stays. */
static void record_chosen(const struct fdt_view *v, struct boot_record *rec)
{
    int chosen = fdt_top_find(v, "chosen");
    const void *p;
    size_t size;

    if (chosen < 0)
        return;
    p = fdt_property_get(v, (unsigned)chosen, "bootargs", &size);
    if (p != NULL && rec->cmdline[0] == '\0')
        record_set_cmdline(rec, p, size);
    if (rec->module_count == 0)
        record_initrd(v, (unsigned)chosen, rec);
}

err_t fdt_read_record(const struct fdt_view *v, struct boot_record *rec)
{
    record_chosen(v, rec);
    record_memory(v, rec);
    return rec->range_count != 0 ? 0 : -EINVAL;
}

void fdt_complete_record(const struct fdt_view *v, struct boot_record *rec)
{
    record_reserved(v, rec);
    record_chosen(v, rec);
}

bool fdt_efi_find(const struct fdt_view *v, struct efi_place *out)
{
    int chosen = fdt_top_find(v, "chosen");
    uint64_t table, map, size, entry;

    if (chosen < 0 || !fdt_u64(v, (unsigned)chosen, "linux,uefi-system-table", &table) ||
        !fdt_u64(v, (unsigned)chosen, "linux,uefi-mmap-start", &map) ||
        !fdt_u64(v, (unsigned)chosen, "linux,uefi-mmap-size", &size) ||
        !fdt_u64(v, (unsigned)chosen, "linux,uefi-mmap-desc-size", &entry) || size > UINT32_MAX ||
        entry > UINT32_MAX)
        return false;
    *out = (struct efi_place){ table, map, (uint32_t)size, (uint32_t)entry };
    return true;
}

bool fdt_is_machine(const struct fdt_view *v)
{
    for (unsigned i = 1; i < v->count; i++)
        if (v->node[i].parent == 0 && strcmp(fdt_name(v, i), "chosen") != 0)
            return true;
    return false;
}

const void *fdt_chosen_get(const struct fdt_view *v, const char *name, size_t *size)
{
    int chosen = fdt_top_find(v, "chosen");

    *size = 0;
    return chosen >= 0 ? fdt_property_get(v, (unsigned)chosen, name, size) : NULL;
}

int fdt_stdout_node(const struct fdt_view *v)
{
    int chosen = fdt_top_find(v, "chosen"), offset;
    const char *path, *colon;

    path = chosen >= 0 ? fdt_text(v, (unsigned)chosen, "stdout-path") : NULL;
    if (path == NULL)
        return -1;
    colon = strchr(path, ':'); /* "PATH:115200n8" */
    offset = fdt_path_offset_namelen(v->blob, path,
                                     colon ? (int)(colon - path) : (int)strlen(path));
    for (unsigned i = 0; offset >= 0 && i < v->count; i++)
        if (v->node[i].offset == offset)
            return (int)i;
    return -1;
}

/* --- look-ups --- */

/* By its own or an ancestor's interrupt-parent. */
unsigned fdt_interrupt_cells(const struct fdt_view *v, unsigned node)
{
    uint64_t phandle, cells;
    int controller;

    while (!fdt_u64(v, node, "interrupt-parent", &phandle)) {
        if (node == 0)
            return 0;
        node = v->node[node].parent;
    }
    controller = fdt_phandle_find(v, (uint32_t)phandle);
    if (controller < 0 || !fdt_u64(v, (unsigned)controller, "#interrupt-cells", &cells))
        return 0;
    return (unsigned)cells;
}

/* <type number flags>: the GIC's three cells; other controllers' interrupts are left out. */
static err_t irqs_read(const struct fdt_view *v, unsigned node, struct device_node *out)
{
    size_t bytes;
    const fdt32_t *p = fdt_property_get(v, node, "interrupts", &bytes);

    if (p == NULL || fdt_interrupt_cells(v, node) != 3)
        return 0;
    for (; bytes >= 12 && out->irq_count < DEVICE_IRQS_MAX; bytes -= 12) {
        uint32_t type = fdt32_ld(p++), number = fdt32_ld(p++), flags = fdt32_ld(p++);

        if (type > 1 || number >= (type == 0 ? 988 : 16))
            return -EINVAL;
        if (flags & 3) /* rising, falling */
            out->irq_edge |= 1u << out->irq_count;
        out->irq[out->irq_count++] = number + (type == 0 ? GIC_SPI_BASE : GIC_PPI_BASE);
    }
    return 0;
}

static err_t node_describe(const struct fdt_view *v, unsigned node, struct device_node *out)
{
    struct fdt_reg regs[DEVICE_REGS_MAX];
    int n = fdt_regs(v, node, regs, DEVICE_REGS_MAX);

    *out = (struct device_node){ .node = node };
    out->name = fdt_name(v, node);
    if (n < 0)
        return -EINVAL;
    for (int i = 0; i < n; i++) {
        out->reg[i].start = regs[i].start;
        out->reg[i].size = regs[i].size;
    }
    out->reg_count = (unsigned)n;
    return irqs_read(v, node, out);
}

bool fdt_compatible(const struct fdt_view *v, unsigned node, const char *compatible)
{
    size_t size;
    const char *names = fdt_property_get(v, node, "compatible", &size);

    return names != NULL && fdt_stringlist_contains(names, (int)size, compatible);
}

err_t fdt_find_from(const struct fdt_view *v, const char *compatible, unsigned from, unsigned nth,
                    struct device_node *out)
{
    for (unsigned i = from; i < v->count; i++)
        if (fdt_compatible(v, i, compatible) && fdt_enabled(v, i) && nth-- == 0)
            return node_describe(v, i, out);
    return -ENOENT;
}

err_t fdt_find(const struct fdt_view *v, const char *compatible, unsigned nth,
               struct device_node *out)
{
    return fdt_find_from(v, compatible, 0, nth, out);
}

uint32_t fdt_clock_hz(const struct fdt_view *v, unsigned node)
{
    size_t size;
    const fdt32_t *p = fdt_property_get(v, node, "clocks", &size);
    int clock = p != NULL && size >= 4 ? fdt_phandle_find(v, fdt32_ld(p)) : -1;
    uint64_t hz;

    if (clock < 0 || !fdt_u64(v, (unsigned)clock, "clock-frequency", &hz))
        return 0;
    return (uint32_t)hz;
}
