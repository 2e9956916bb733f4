// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /sys/devices/system/memory: RAM in blocks of one size, as lsmem looks for it.
 * Model: a block is there when the boot record has usable memory in it, and belongs to the node of the first
 * such range.  Memory does not come and go: a block is online for ever, which is what a write to `state`
 * may ask for.  Blocks grow with the machine, so that there are not more than BLOCKS_MAX.
 * Source: Documentation/ABI/testing/sysfs-devices-memory, admin-guide/mm/memory-hotplug.
 */
#include <fs/procfs.h>

#include <lib/checked.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

#include <linux/stat.h>

#define BLOCK_BYTES_MIN (128 * MiB)
#define BLOCKS_MAX 4096
#define PATH_MAX_HERE 64
#define DMA32_END (4 * GiB)

static uint64_t block_bytes; /* constant after start, as are the ranges */

static uint64_t number_of(void *arg)
{
    return (uint64_t)(uintptr_t)arg;
}

static void show_block_size(struct textbuf *out, void *arg)
{
    text_printf(out, "%llx\n", (unsigned long long)block_bytes);
}
PSEUDO_FILE(memory_block_size, "sysfs", "devices/system/memory/block_size_bytes", 0444,
            show_block_size, NULL);

static void show_index(struct textbuf *out, void *arg)
{
    text_printf(out, "%08llx\n", (unsigned long long)number_of(arg));
}

static void show_online(struct textbuf *out, void *arg)
{
    text_printf(out, "1\n");
}

static void show_removable(struct textbuf *out, void *arg)
{
    text_printf(out, "0\n");
}

static void show_device(struct textbuf *out, void *arg)
{
    text_printf(out, "0\n");
}

static void show_state(struct textbuf *out, void *arg)
{
    text_printf(out, "online\n");
}

static err_t store_state(const char *text, size_t n, void *arg)
{
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n == 7 && memcmp(text, "offline", 7) == 0)
        return -EBUSY;
    return n == 6 && memcmp(text, "online", 6) == 0 ? 0 : -EINVAL;
}

static void show_zones(struct textbuf *out, void *arg)
{
    text_printf(out, number_of(arg) * block_bytes < DMA32_END ? "DMA32\n" : "Normal\n");
}

/* ---- start ---- */

/* The first usable range with a byte of the block, or NULL. */
static const struct mem_range *range_in(uint64_t block)
{
    const struct boot_record *rec = boot_info();

    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (r->kind == MEM_USABLE &&
            ranges_overlap(r->start, r->size, block * block_bytes, block_bytes))
            return r;
    }
    return NULL;
}

/* The end of all, which sets the size of a block. */
static uint64_t memory_end(void)
{
    const struct boot_record *rec = boot_info();
    uint64_t end = 0;

    for (unsigned i = 0; i < rec->range_count; i++)
        if (rec->ranges[i].kind == MEM_USABLE)
            end = MAX(end, rec->ranges[i].start + rec->ranges[i].size);
    return end;
}

static err_t add_file(uint64_t block, const char *name, void (*show)(struct textbuf *out, void *arg),
                      err_t (*store)(const char *text, size_t n, void *arg))
{
    char path[PATH_MAX_HERE];
    struct pseudo_file f = { .path = path, .mode = store ? 0644 : 0444, .show = show, .store = store,
                             .arg = (void *)(uintptr_t)block };

    fmt_snprintf(path, sizeof path, "devices/system/memory/memory%llu/%s", (unsigned long long)block,
                 name);
    return pseudo_add("sysfs", &f);
}

/* Links stay for ever. */
static err_t add_link(const char *path, const char *to)
{
    struct pseudo_file f = { .path = path, .mode = S_IFLNK | 0777, .link = kstrdup(to) };
    err_t err = f.link ? pseudo_add("sysfs", &f) : -ENOMEM;

    if (err)
        kfree((char *)f.link);
    return err;
}

static err_t add_links(uint64_t block, unsigned node)
{
    char path[PATH_MAX_HERE], to[PATH_MAX_HERE];
    err_t err;

    fmt_snprintf(path, sizeof path, "devices/system/memory/memory%llu/node%u",
                 (unsigned long long)block, node);
    fmt_snprintf(to, sizeof to, "../../node/node%u", node);
    err = add_link(path, to);
    if (err)
        return err;
    fmt_snprintf(path, sizeof path, "devices/system/node/node%u/memory%llu", node,
                 (unsigned long long)block);
    fmt_snprintf(to, sizeof to, "../../memory/memory%llu", (unsigned long long)block);
    return add_link(path, to);
}

static err_t add_block(uint64_t block, unsigned node)
{
    static const struct {
        const char *name;
        void (*show)(struct textbuf *out, void *arg);
        err_t (*store)(const char *text, size_t n, void *arg);
    } files[] = {
        { "phys_index", show_index, NULL },   { "state", show_state, store_state },
        { "online", show_online, NULL },      { "removable", show_removable, NULL },
        { "phys_device", show_device, NULL }, { "valid_zones", show_zones, NULL },
    };
    err_t err = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(files) && !err; i++)
        err = add_file(block, files[i].name, files[i].show, files[i].store);
    return err ? err : add_links(block, node);
}

static err_t sysfs_memory_start(struct subsystem *self)
{
    uint64_t end = memory_end();
    err_t err = 0;

    for (block_bytes = BLOCK_BYTES_MIN; end / block_bytes > BLOCKS_MAX;)
        block_bytes *= 2;
    for (uint64_t block = 0; block * block_bytes < end && !err; block++) {
        const struct mem_range *r = range_in(block);

        if (r)
            err = add_block(block, r->node);
    }
    return err;
}

static const char *const needs[] = { "sysfs", NULL };
static struct subsystem sysfs_memory_subsystem = { .name = "sysfs-memory", .privilege = PRIV_KERNEL,
                                                   .needs = needs, .late_init = sysfs_memory_start };
REGISTER_SUBSYSTEM(sysfs_memory_subsystem);
