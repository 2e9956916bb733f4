// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: loaders' records, changed at random, many times: no parser may read beyond the record (the
 *   sanitizers watch; the record ends where its array ends), and what it accepts must keep the
 *   invariants of the neutral record.
 * Model: each round takes a sound record, applies one to eight mutations from a seeded generator, and
 *   parses it. The seed is the round, so that a failure names what to repeat.
 */
#include <boot/fdt.h>
#include <boot/multiboot2.h>
#include <boot/pvh.h>

#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>

#include <libfdt.h>

#define ROUNDS 50000
#define AREA_BYTES 1024

static uint8_t area[AREA_BYTES] __aligned(8);
static struct boot_record rec;
static struct loader_handoff handoff;
static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t limit)
{
    return (size_t)(next_random() % limit);
}

static void mutate_once(uint8_t *data, size_t size)
{
    static const uint64_t nasty[] = { 0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8,
                                      1ull << 63, ~0ull, ~0ull - 7, 1ull << 52 };
    uint64_t value = nasty[below(ARRAY_SIZE(nasty))];
    size_t at = below(size), length = below(16);

    switch (below(5)) {
    case 0:
        data[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        data[at] = (uint8_t)next_random();
        break;
    case 2:
        memcpy(data + at, &value, MIN(size - at, sizeof(uint32_t)));
        break;
    case 3:
        memcpy(data + at, &value, MIN(size - at, sizeof(value)));
        break;
    default:
        memmove(data + at, data + below(at + 1), MIN(size - at, length));
        break;
    }
}

static void mutate(uint8_t *data, size_t size)
{
    for (size_t n = 1 + below(8); n > 0; n--)
        mutate_once(data, size);
}

static void begin(uint64_t round, const void *start, size_t size)
{
    state = 0x9e3779b97f4a7c15ull * (round + 1);
    handoff = (struct loader_handoff){
        .image_start = 1 * MiB,
        .image_end = 2 * MiB,
        .info = virt_to_phys(start),
        .early_start = virt_to_phys(start),
        .early_end = virt_to_phys(start) + size,
    };
    record_init(&rec, &handoff);
}

/* Return: whether the record was accepted. */
static bool finish(struct ktest *t, uint64_t round, err_t parsed)
{
    if (parsed != 0 || record_finish(&rec) != 0)
        return false;
    if (!record_check(&rec))
        ktest_fail(t, __FILE__, __LINE__, "round %llu breaks the record", (unsigned long long)round);
    return true;
}

static size_t tag_add(size_t used, uint32_t type, const void *head, size_t head_size, const void *tail,
                      size_t tail_size)
{
    struct mb2_tag tag = { type, (uint32_t)(sizeof(tag) + head_size + tail_size) };

    memcpy(area + used, &tag, sizeof(tag));
    memcpy(area + used + sizeof(tag), head, head_size);
    memcpy(area + used + sizeof(tag) + head_size, tail, tail_size);
    return used + ALIGN_UP((size_t)tag.size, (size_t)8);
}

/* Right-aligns the record in `area`.  Return: where it begins. */
static uint8_t *multiboot2_build(void)
{
    static const struct mb2_memmap map = { sizeof(struct mb2_range), 0 };
    static const struct mb2_range ranges[] = { { 0, 0x9fc00, 1, 0 }, { 1 * MiB, 127 * MiB, 1, 0 },
                                               { 4 * MiB, 64 * KiB, 3, 0 } };
    static const struct mb2_module module = { 16 * MiB, 17 * MiB };
    static const struct mb2_framebuffer fb = { .addr = 0xfd000000, .pitch = 4096, .width = 1024,
                                               .height = 768, .bpp = 32, .type = 1 };
    uint32_t total[2] = { 0, 0 };
    size_t used = sizeof(total);

    memset(area, 0, sizeof(area));
    used = tag_add(used, MB2_CMDLINE, "console=ttyS0", 14, "", 0);
    used = tag_add(used, MB2_LOADER, "GRUB 2", 7, "", 0);
    used = tag_add(used, MB2_MODULE, &module, sizeof(module), "initrd", 7);
    used = tag_add(used, MB2_MEMMAP, &map, sizeof(map), ranges, sizeof(ranges));
    used = tag_add(used, MB2_FRAMEBUFFER, &fb, sizeof(fb), "", 0);
    used = tag_add(used, MB2_END, "", 0, "", 0);
    total[0] = (uint32_t)used;
    memcpy(area, total, sizeof(total));
    memmove(area + sizeof(area) - used, area, used);
    return area + sizeof(area) - used;
}

KTEST(fuzz, multiboot2)
{
    unsigned console = log_console_level(), accepted = 0;

    log_console_level_set(0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint8_t *start = multiboot2_build();
        size_t size = (size_t)(area + sizeof(area) - start);

        begin(round, start, size);
        if (round > 0)
            mutate(start, size);
        accepted += finish(t, round, multiboot2_parse(&handoff, &rec));
    }
    log_console_level_set(console);
    KTEST_TRUE(accepted > 0 && accepted < ROUNDS);
}

struct pvh_area {
    struct pvh_info info;
    struct pvh_range ranges[4];
    struct pvh_module modules[2];
    char cmdline[48], name[16];
};

static struct pvh_area *pvh_build(void)
{
    struct pvh_area *p = (struct pvh_area *)(area + sizeof(area) - sizeof(*p));

    memset(area, 0, sizeof(area));
    p->info = (struct pvh_info){
        .magic = PVH_MAGIC,
        .version = 1,
        .module_count = 2,
        .modules = virt_to_phys(p->modules),
        .cmdline = virt_to_phys(p->cmdline),
        .rsdp = 0xf5000,
        .memmap = virt_to_phys(p->ranges),
        .memmap_count = ARRAY_SIZE(p->ranges),
    };
    p->ranges[0] = (struct pvh_range){ 0, 0x9fc00, 1, 0 };
    p->ranges[1] = (struct pvh_range){ 1 * MiB, 127 * MiB, 1, 0 };
    p->ranges[2] = (struct pvh_range){ 8 * MiB, 64 * KiB, 3, 0 };
    p->ranges[3] = (struct pvh_range){ 4 * GiB, GiB, 1, 0 };
    p->modules[0] = (struct pvh_module){ 64 * MiB, 12345, virt_to_phys(p->name), 0 };
    p->modules[1] = (struct pvh_module){ 65 * MiB, 4096, 0, 0 };
    str_copy(p->cmdline, "console=ttyS0 quiet", sizeof(p->cmdline));
    memset(p->name, 'n', sizeof(p->name)); /* runs into the end of the area */
    return p;
}

KTEST(fuzz, pvh)
{
    unsigned console = log_console_level(), accepted = 0;

    log_console_level_set(0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct pvh_area *p = pvh_build();

        begin(round, p, sizeof(*p));
        if (round > 0)
            mutate((uint8_t *)p, sizeof(*p));
        accepted += finish(t, round, pvh_parse(&handoff, &rec));
    }
    log_console_level_set(console);
    KTEST_TRUE(accepted > 0 && accepted < ROUNDS);
}

static size_t fdt_build(void *blob, size_t size)
{
    fdt32_t memory[] = { cpu_to_fdt32(0), cpu_to_fdt32(0x40000000), cpu_to_fdt32(0),
                         cpu_to_fdt32(0x10000000) };
    fdt32_t reg[] = { cpu_to_fdt32(0), cpu_to_fdt32(0x9000000), cpu_to_fdt32(0), cpu_to_fdt32(4096) };

    fdt_create(blob, (int)size);
    fdt_add_reservemap_entry(blob, 0x41000000, 0x1000);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_property_u32(blob, "#address-cells", 2);
    fdt_property_u32(blob, "#size-cells", 2);
    fdt_begin_node(blob, "chosen");
    fdt_property_string(blob, "bootargs", "console=ttyAMA0");
    fdt_property_string(blob, "stdout-path", "/serial@9000000");
    fdt_property_u64(blob, "linux,initrd-start", 0x48000000);
    fdt_property_u64(blob, "linux,initrd-end", 0x48012345);
    fdt_end_node(blob);
    fdt_begin_node(blob, "memory@40000000");
    fdt_property_string(blob, "device_type", "memory");
    fdt_property(blob, "reg", memory, sizeof(memory));
    fdt_end_node(blob);
    fdt_begin_node(blob, "serial@9000000");
    fdt_property_string(blob, "compatible", "arm,pl011");
    fdt_property(blob, "reg", reg, sizeof(reg));
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
    return fdt_totalsize(blob);
}

KTEST(fuzz, fdt)
{
    static struct fdt_view view;
    unsigned console = log_console_level(), accepted = 0;

    log_console_level_set(0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t size = fdt_build(area, sizeof(area));
        uint8_t *blob = area + sizeof(area) - ALIGN_UP(size, (size_t)8);
        struct device_node node;

        memmove(blob, area, size);
        size = (size_t)(area + sizeof(area) - blob);
        begin(round, blob, size);
        if (round > 0)
            mutate(blob, size);
        if (fdt_open(&view, blob, size) != 0)
            continue;
        KTEST_TRUE(view.size <= size);
        (void)fdt_stdout_node(&view);
        if (fdt_find(&view, "arm,pl011", 0, &node) == 0)
            (void)fdt_clock_hz(&view, node.node);
        handoff.image_start = 0x40200000;
        handoff.image_end = 0x40400000;
        record_init(&rec, &handoff);
        accepted += finish(t, round, fdt_read_record(&view, &rec));
    }
    log_console_level_set(console);
    KTEST_TRUE(accepted > 0 && accepted < ROUNDS);
}
