// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reads the flattened device tree with Debian's libfdt.
 *
 * Model: the blob is checked whole (fdt_check_full: structure, nesting, names, strings), so libfdt's
 * look-ups stay inside it.  Values are still anybody's: cells are counted, addresses translated with
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

err_t fdt_check(const void *blob, uint64_t size, uint64_t *total)
{
    if ((uintptr_t)blob % 8 != 0 || size < sizeof(struct fdt_header))
        return -EINVAL;
    if (fdt_magic(blob) != FDT_MAGIC || fdt_totalsize(blob) > MIN(size, FDT_SIZE_MAX))
        return -EINVAL;
    /* Since version 16 a node's name is not a path; libfdt 1.6.1 dereferences NULL over older ones. */
    if (fdt_version(blob) < 16)
        return -EINVAL;
    *total = fdt_totalsize(blob);
    return fdt_check_full(blob, *total) == 0 ? 0 : -EINVAL;
}

/* --- values --- */

const void *fdt_property_get(const void *blob, int node, const char *name, size_t *size)
{
    int len;
    const void *p = fdt_getprop(blob, node, name, &len);

    *size = p != NULL ? (size_t)len : 0;
    return p;
}

/* A string property, or NULL when it is absent or has no end. */
static const char *property_text(const void *blob, int node, const char *name)
{
    size_t size;
    const char *s = fdt_property_get(blob, node, name, &size);

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

/* A property of one or two cells. */
static bool property_u64(const void *blob, int node, const char *name, uint64_t *out)
{
    size_t size;
    const fdt32_t *p = fdt_property_get(blob, node, name, &size);

    if (p == NULL || (size != 4 && size != 8))
        return false;
    *out = cells_read(&p, (unsigned)(size / 4));
    return true;
}

static bool node_enabled(const void *blob, int node)
{
    const char *s = property_text(blob, node, "status");

    return s == NULL || strcmp(s, "okay") == 0 || strcmp(s, "ok") == 0;
}

/* The node and its parents, itself first. */
struct chain {
    int node[DEPTH_MAX];
    unsigned depth;
};

static err_t chain_make(const void *blob, int node, struct chain *c)
{
    for (c->depth = 0; c->depth < DEPTH_MAX; node = fdt_parent_offset(blob, node)) {
        c->node[c->depth++] = node;
        if (node == 0)
            return 0;
        if (node < 0)
            return -EINVAL;
    }
    return -EINVAL;
}

struct cells {
    unsigned address, size;
};

/* How children of `parent` are addressed; absent means 2 and 1. */
static err_t cells_of(const void *blob, int parent, struct cells *c)
{
    int address = fdt_address_cells(blob, parent), size = fdt_size_cells(blob, parent);

    if (address < 1 || address > 2 || size < 0 || size > 2)
        return -EINVAL;
    *c = (struct cells){ (unsigned)address, (unsigned)size };
    return 0;
}

/* Translates *addr from a bus to its parent by the bus's `ranges`. */
static err_t range_translate(const void *blob, int bus, int parent, uint64_t *addr, uint64_t size)
{
    size_t bytes;
    const fdt32_t *p = fdt_property_get(blob, bus, "ranges", &bytes), *end;
    struct cells child, up;

    if (p == NULL)
        return -EINVAL; /* not reachable by the CPU */
    if (bytes == 0)
        return 0; /* one to one */
    if (cells_of(blob, bus, &child) != 0 || cells_of(blob, parent, &up) != 0)
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

/* CPU address of `addr` as the parent of chain[0] counts it. */
static err_t address_translate(const void *blob, const struct chain *c, uint64_t *addr,
                               uint64_t size)
{
    for (unsigned i = 1; i + 1 < c->depth; i++)
        if (range_translate(blob, c->node[i], c->node[i + 1], addr, size) != 0)
            return -EINVAL;
    return 0;
}

/* Up to `max` entries of the node's reg.  Return: their number, or -EINVAL. */
int fdt_regs(const void *blob, int node, struct fdt_reg *out, unsigned max)
{
    size_t bytes;
    const fdt32_t *p = fdt_property_get(blob, node, "reg", &bytes), *end = p + bytes / 4;
    struct chain chain;
    struct cells c;
    unsigned n = 0;

    if (p == NULL)
        return 0;
    if (chain_make(blob, node, &chain) != 0 || chain.depth < 2 ||
        cells_of(blob, chain.node[1], &c) != 0)
        return -EINVAL;
    while (n < max && (size_t)(end - p) >= c.address + c.size) {
        uint64_t start = cells_read(&p, c.address), size = cells_read(&p, c.size), last;

        if (add_overflow(start, size, &last) ||
            address_translate(blob, &chain, &start, size) != 0)
            return -EINVAL;
        out[n++] = (struct fdt_reg){ start, size };
    }
    return (int)n;
}

/* --- the loader's record --- */

#define MEMORY_REGS 32

static void record_memory(const void *blob, struct boot_record *rec)
{
    struct fdt_reg regs[MEMORY_REGS];
    int node;

    fdt_for_each_subnode(node, blob, 0) {
        const char *type = property_text(blob, node, "device_type");
        int n;

        if (type == NULL || strcmp(type, "memory") != 0 || !node_enabled(blob, node))
            continue;
        n = fdt_regs(blob, node, regs, MEMORY_REGS);
        if (n < 0)
            log_err("%s: reg makes no sense", fdt_get_name(blob, node, NULL));
        for (int i = 0; i < n; i++)
            record_add_range(rec, regs[i].start, regs[i].size, MEM_USABLE, 0);
    }
}

static void record_reserved(const void *blob, struct boot_record *rec)
{
    int parent = fdt_path_offset(blob, "/reserved-memory"), node, n = fdt_num_mem_rsv(blob);
    struct fdt_reg regs[MEMORY_REGS];

    for (int i = 0; i < n; i++) {
        uint64_t start, size;

        if (fdt_get_mem_rsv(blob, i, &start, &size) == 0)
            record_add_range(rec, start, size, MEM_RESERVED, 0);
    }
    if (parent < 0)
        return;
    fdt_for_each_subnode(node, blob, parent) {
        n = node_enabled(blob, node) ? fdt_regs(blob, node, regs, MEMORY_REGS) : 0;
        for (int i = 0; i < n; i++)
            record_add_range(rec, regs[i].start, regs[i].size, MEM_RESERVED, 0);
    }
}

static void record_chosen(const void *blob, struct boot_record *rec)
{
    int chosen = fdt_path_offset(blob, "/chosen");
    uint64_t start, end;
    const void *p;
    size_t size;

    if (chosen < 0)
        return;
    p = fdt_property_get(blob, chosen, "bootargs", &size);
    if (p != NULL)
        record_set_cmdline(rec, p, size);
    if (property_u64(blob, chosen, "linux,initrd-start", &start) &&
        property_u64(blob, chosen, "linux,initrd-end", &end)) {
        if (end > start)
            record_add_module(rec, start, end - start, "initrd", sizeof "initrd");
        else
            log_err("initrd ends at %#llx before it starts at %#llx", (unsigned long long)end,
                    (unsigned long long)start);
    }
}

err_t fdt_read_record(const void *blob, struct boot_record *rec)
{
    record_memory(blob, rec);
    record_reserved(blob, rec);
    record_chosen(blob, rec);
    return rec->range_count != 0 ? 0 : -EINVAL;
}

int fdt_stdout_node(const void *blob)
{
    int chosen = fdt_path_offset(blob, "/chosen");
    const char *path, *colon;

    if (chosen < 0)
        return -1;
    path = property_text(blob, chosen, "stdout-path");
    if (path == NULL)
        return -1;
    colon = strchr(path, ':'); /* "PATH:115200n8" */
    chosen = fdt_path_offset_namelen(blob, path, colon ? (int)(colon - path) : (int)strlen(path));
    return chosen >= 0 ? chosen : -1;
}

/* --- look-ups --- */

/* #interrupt-cells of the node's controller: its own or an ancestor's interrupt-parent. */
static unsigned interrupt_cells(const void *blob, const struct chain *c)
{
    for (unsigned i = 0; i < c->depth; i++) {
        uint64_t phandle, cells;
        int controller;

        if (!property_u64(blob, c->node[i], "interrupt-parent", &phandle))
            continue;
        controller = fdt_node_offset_by_phandle(blob, (uint32_t)phandle);
        return controller >= 0 && property_u64(blob, controller, "#interrupt-cells", &cells)
                   ? (unsigned)cells
                   : 0;
    }
    return 0;
}

/* <type number flags>: the GIC's three cells; other controllers' interrupts are left out. */
static err_t irqs_read(const void *blob, int node, struct device_node *out)
{
    size_t bytes;
    const fdt32_t *p = fdt_property_get(blob, node, "interrupts", &bytes);
    struct chain chain;

    if (p == NULL || chain_make(blob, node, &chain) != 0 || interrupt_cells(blob, &chain) != 3)
        return 0;
    for (; bytes >= 12 && out->irq_count < DEVICE_IRQS_MAX; bytes -= 12) {
        uint32_t type = fdt32_ld(p++), number = fdt32_ld(p++);

        p++;
        if (type > 1 || number >= (type == 0 ? 988 : 16))
            return -EINVAL;
        out->irq[out->irq_count++] = number + (type == 0 ? GIC_SPI_BASE : GIC_PPI_BASE);
    }
    return 0;
}

static err_t node_describe(const void *blob, int node, struct device_node *out)
{
    struct fdt_reg regs[DEVICE_REGS_MAX];
    int n = fdt_regs(blob, node, regs, DEVICE_REGS_MAX);

    *out = (struct device_node){ .offset = node, .path_name = fdt_get_name(blob, node, NULL) };
    if (n < 0)
        return -EINVAL;
    for (int i = 0; i < n; i++) {
        out->reg[i].start = regs[i].start;
        out->reg[i].size = regs[i].size;
    }
    out->reg_count = (unsigned)n;
    return irqs_read(blob, node, out);
}

err_t fdt_find(const void *blob, const char *compatible, unsigned nth, struct device_node *out)
{
    int node = fdt_node_offset_by_compatible(blob, -1, compatible);

    for (; node >= 0; node = fdt_node_offset_by_compatible(blob, node, compatible))
        if (node_enabled(blob, node) && nth-- == 0)
            return node_describe(blob, node, out);
    return -ENOENT;
}

uint32_t fdt_clock_hz(const void *blob, int node)
{
    size_t size;
    const fdt32_t *p = fdt_property_get(blob, node, "clocks", &size);
    uint64_t hz;

    if (p == NULL || size < 4)
        return 0;
    node = fdt_node_offset_by_phandle(blob, fdt32_ld(p));
    return node >= 0 && property_u64(blob, node, "clock-frequency", &hz) ? (uint32_t)hz : 0;
}
