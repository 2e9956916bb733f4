// SPDX-License-Identifier: CC0-1.0
/* Purpose: device trees: a sane one is read right, a hostile one does no harm. */
#include <boot/fdt.h>

#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <libfdt.h>

#define BLOB_SIZE 2048

/* Writes a small machine: 64-bit cells, a bus with ranges, a GIC and a serial line. */
static void blob_build(void *blob)
{
    static const char compatible[] = "arm,pl011\0arm,primecell";
    uint32_t memory[] = { cpu_to_fdt32(0), cpu_to_fdt32(0x40000000), cpu_to_fdt32(0),
                          cpu_to_fdt32(0x10000000) };
    uint32_t ranges[] = { cpu_to_fdt32(0x1000), cpu_to_fdt32(0), cpu_to_fdt32(0x09000000),
                          cpu_to_fdt32(0x2000) };
    uint32_t reg[] = { cpu_to_fdt32(0x1800), cpu_to_fdt32(0x100) };
    uint32_t irq[] = { cpu_to_fdt32(0), cpu_to_fdt32(1), cpu_to_fdt32(4) };

    fdt_create(blob, BLOB_SIZE);
    fdt_add_reservemap_entry(blob, 0x41000000, 0x1000);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_property_u32(blob, "#address-cells", 2);
    fdt_property_u32(blob, "#size-cells", 2);
    fdt_property_u32(blob, "interrupt-parent", 7);
    fdt_begin_node(blob, "chosen");
    fdt_property_string(blob, "bootargs", "console=ttyAMA0 quiet");
    fdt_property_string(blob, "stdout-path", "/bus/serial@1800:115200n8");
    fdt_property_u64(blob, "linux,initrd-start", 0x48000000);
    fdt_property_u64(blob, "linux,initrd-end", 0x48012345);
    fdt_end_node(blob);
    fdt_begin_node(blob, "memory@40000000");
    fdt_property_string(blob, "device_type", "memory");
    fdt_property(blob, "reg", memory, sizeof memory);
    fdt_end_node(blob);
    fdt_begin_node(blob, "gic");
    fdt_property_u32(blob, "phandle", 7);
    fdt_property_u32(blob, "#interrupt-cells", 3);
    fdt_end_node(blob);
    fdt_begin_node(blob, "bus");
    fdt_property_u32(blob, "#address-cells", 1);
    fdt_property_u32(blob, "#size-cells", 1);
    fdt_property(blob, "ranges", ranges, sizeof ranges);
    fdt_begin_node(blob, "serial@1800");
    fdt_property(blob, "compatible", compatible, sizeof compatible);
    fdt_property(blob, "reg", reg, sizeof reg);
    fdt_property(blob, "interrupts", irq, sizeof irq);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
}

static void record_empty(struct boot_record *rec)
{
    static const struct loader_handoff h = { .protocol = LOADER_LINUX_FDT };

    record_init(rec, &h);
}

KTEST(fdt, record)
{
    void *blob = kzalloc(BLOB_SIZE);
    struct boot_record *rec = kzalloc(sizeof *rec);
    struct fdt_view *v = kzalloc(sizeof *v);

    KTEST_REQUIRE(blob != NULL && rec != NULL && v != NULL);
    blob_build(blob);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
    record_empty(rec);
    KTEST_EQ(fdt_read_record(v, rec), 0);
    KTEST_STR_EQ(rec->cmdline, "console=ttyAMA0 quiet");
    KTEST_EQ(rec->module_count, 1);
    KTEST_EQ(rec->modules[0].start, 0x48000000);
    KTEST_EQ(rec->modules[0].size, 0x12345);
    KTEST_EQ(rec->ranges[0].start, 0x40000000);
    kfree(v);
    kfree(rec);
    kfree(blob);
}

/* What GRUB makes where the firmware has no tree, and U-Boot's reservation of the initrd. */
static void chosen_build(void *blob)
{
    fdt_create(blob, BLOB_SIZE);
    fdt_add_reservemap_entry(blob, 0x47fff000, 0x14000);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_begin_node(blob, "chosen");
    fdt_property_string(blob, "bootargs", "quiet");
    fdt_property_u64(blob, "linux,initrd-start", 0x48000000);
    fdt_property_u64(blob, "linux,initrd-end", 0x48012345);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
}

KTEST(fdt, only_chosen)
{
    void *blob = kzalloc(BLOB_SIZE);
    struct boot_record *rec = kzalloc(sizeof *rec);
    struct fdt_view *v = kzalloc(sizeof *v);

    KTEST_REQUIRE(blob != NULL && rec != NULL && v != NULL);
    chosen_build(blob);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
    KTEST_TRUE(!fdt_is_machine(v));
    record_empty(rec);
    record_set_cmdline(rec, "debug", 5);
    fdt_complete_record(v, rec);
    KTEST_STR_EQ(rec->cmdline, "debug");
    KTEST_EQ(rec->range_count, 0); /* EFI's own map says what is reserved */
    KTEST_EQ(rec->module_count, 1);
    record_empty(rec);
    record_add_module(rec, 0x50000000, 4096, NULL, 0);
    fdt_complete_record(v, rec);
    KTEST_STR_EQ(rec->cmdline, "quiet");
    KTEST_EQ(rec->module_count, 1);
    KTEST_EQ(rec->modules[0].start, 0x50000000);
    blob_build(blob);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
    KTEST_TRUE(fdt_is_machine(v));
    kfree(v);
    kfree(rec);
    kfree(blob);
}

/* All four of /chosen's properties, or none is taken. */
KTEST(fdt, efi_tables)
{
    static const char *const names[] = { "linux,uefi-system-table", "linux,uefi-mmap-start",
                                         "linux,uefi-mmap-size", "linux,uefi-mmap-desc-size" };
    void *blob = kzalloc(BLOB_SIZE);
    struct fdt_view *v = kzalloc(sizeof *v);
    struct efi_place place;

    KTEST_REQUIRE(blob != NULL && v != NULL);
    for (unsigned count = 0; count <= ARRAY_SIZE(names); count++) {
        fdt_create(blob, BLOB_SIZE);
        fdt_finish_reservemap(blob);
        fdt_begin_node(blob, "");
        fdt_begin_node(blob, "chosen");
        for (unsigned i = 0; i < count; i++)
            i < 2 ? fdt_property_u64(blob, names[i], 0x140000000 + i) : fdt_property_u32(blob, names[i], 40 + i);
        fdt_end_node(blob);
        fdt_end_node(blob);
        fdt_finish(blob);
        KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
        KTEST_EQ(fdt_efi_find(v, &place), count == ARRAY_SIZE(names));
    }
    KTEST_EQ(place.system_table, 0x140000000);
    KTEST_EQ(place.map, 0x140000001);
    KTEST_EQ(place.map_size, 42);
    KTEST_EQ(place.descriptor_size, 43);
    kfree(v);
    kfree(blob);
}

KTEST(fdt, an_initrd_that_is_reserved)
{
    void *blob = kzalloc(BLOB_SIZE);
    struct boot_record *rec = kzalloc(sizeof *rec);
    struct fdt_view *v = kzalloc(sizeof *v);

    KTEST_REQUIRE(blob != NULL && rec != NULL && v != NULL);
    chosen_build(blob);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
    record_empty(rec);
    rec->image_start = 0x40200000;
    rec->image_end = 0x40400000;
    record_add_range(rec, 0x40000000, 0x10000000, MEM_USABLE, 0);
    KTEST_EQ(fdt_read_record(v, rec), 0);
    KTEST_EQ(record_finish(rec), 0);
    KTEST_EQ(rec->module_count, 1);
    KTEST_EQ(rec->range_count, 5);
    KTEST_EQ(rec->ranges[1].start, 0x47fff000);
    KTEST_EQ(rec->ranges[1].size, 0x1000);
    KTEST_EQ(rec->ranges[2].kind, MEM_USABLE);
    KTEST_EQ(rec->ranges[3].start, 0x48012345);
    KTEST_EQ(rec->ranges[3].kind, MEM_RESERVED);
    kfree(v);
    kfree(rec);
    kfree(blob);
}

KTEST(fdt, lookups)
{
    void *blob = kzalloc(BLOB_SIZE);
    struct fdt_view *v = kzalloc(sizeof *v);
    struct device_node node;

    KTEST_REQUIRE(blob != NULL && v != NULL);
    blob_build(blob);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
    KTEST_EQ(v->count, 6);
    KTEST_EQ(fdt_find(v, "arm,primecell", 0, &node), 0);
    KTEST_STR_EQ(node.name, "serial@1800");
    KTEST_EQ(node.reg_count, 1);
    KTEST_EQ(node.reg[0].start, 0x09000800);
    KTEST_EQ(node.reg[0].size, 0x100);
    KTEST_EQ(node.irq_count, 1);
    KTEST_EQ(node.irq[0], 33);
    KTEST_EQ(fdt_stdout_node(v), node.node);
    KTEST_EQ(fdt_find(v, "arm,primecell", 1, &node), (uint64_t)-ENOENT);
    KTEST_EQ(fdt_find(v, "acme,none", 0, &node), (uint64_t)-ENOENT);
    kfree(v);
    kfree(blob);
}

KTEST(fdt, refuses)
{
    uint64_t *blob = kzalloc(BLOB_SIZE);
    struct fdt_view *v = kzalloc(sizeof *v);

    KTEST_REQUIRE(blob != NULL && v != NULL);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), (uint64_t)-EINVAL);
    blob_build(blob);
    KTEST_EQ(fdt_open(v, (char *)blob + 4, BLOB_SIZE - 4), (uint64_t)-EINVAL);
    KTEST_EQ(fdt_open(v, blob, 8), (uint64_t)-EINVAL);
    KTEST_EQ(fdt_open(v, blob, fdt_totalsize(blob) - 1), (uint64_t)-EINVAL);
    kfree(v);
    kfree(blob);
}

/* Changes bytes at random and uses whatever is still accepted: the sanitizers watch. */
KTEST(fdt, too_deep_is_left_out)
{
    void *blob = kzalloc(BLOB_SIZE);
    struct fdt_view *v = kzalloc(sizeof *v);

    KTEST_REQUIRE(blob != NULL && v != NULL);
    fdt_create(blob, BLOB_SIZE);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    for (unsigned i = 0; i < 20; i++)
        fdt_begin_node(blob, "a");
    for (unsigned i = 0; i < 20; i++)
        fdt_end_node(blob);
    fdt_begin_node(blob, "last");
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
    KTEST_EQ(fdt_open(v, blob, BLOB_SIZE), 0);
    KTEST_EQ(v->count, 17); /* the root, 15 below it, the last */
    KTEST_EQ(v->left_out, 5);
    KTEST_EQ(fdt_top_find(v, "last"), 16);
    kfree(v);
    kfree(blob);
}

KTEST(fdt, hostile)
{
    uint8_t *good = kzalloc(BLOB_SIZE), *bad;
    struct boot_record *rec = kzalloc(sizeof *rec);
    struct fdt_view *v = kzalloc(sizeof *v);
    uint64_t seed = 1, size;
    struct device_node node;
    unsigned level = log_console_level();

    KTEST_REQUIRE(good != NULL && rec != NULL && v != NULL);
    blob_build(good);
    size = fdt_totalsize(good);
    bad = kzalloc(size);
    KTEST_REQUIRE(bad != NULL);
    log_console_level_set(0); /* each round may complain */
    for (unsigned round = 0; round < 2000; round++) {
        memcpy(bad, good, size);
        for (unsigned i = 0; i <= round % 4; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            bad[(seed >> 33) % size] = (uint8_t)(seed >> 25);
        }
        if (fdt_open(v, bad, size) != 0)
            continue;
        record_empty(rec);
        (void)(fdt_read_record(v, rec) == 0);
        (void)(fdt_find(v, "arm,pl011", 0, &node) == 0);
        fdt_stdout_node(v);
        fdt_clock_hz(v, 0);
    }
    log_console_level_set(level);
    kfree(bad);
    kfree(v);
    kfree(rec);
    kfree(good);
}
