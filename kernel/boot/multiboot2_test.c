// SPDX-License-Identifier: CC0-1.0
/* Purpose: Multiboot2 records, sound and hostile. */
#include <boot/multiboot2.h>

#include <core/ktest.h>
#include <lib/string.h>

static uint64_t memory[64];
static size_t used;
static struct boot_record rec;
static struct loader_handoff handoff;

static void begin(void)
{
    memset(memory, 0, sizeof(memory));
    used = 8;
    handoff = (struct loader_handoff){
        .protocol = LOADER_MULTIBOOT2,
        .info = virt_to_phys(memory),
        .image_start = 1 * MiB,
        .image_end = 2 * MiB,
        .early_start = virt_to_phys(memory),
        .early_end = virt_to_phys(memory) + sizeof(memory),
    };
    record_init(&rec, &handoff);
}

static void tag(uint32_t type, const void *a, size_t a_size, const void *b, size_t b_size)
{
    uint8_t *at = (uint8_t *)memory + used;
    struct mb2_tag t = { type, (uint32_t)(sizeof(t) + a_size + b_size) };

    memcpy(at, &t, sizeof(t));
    memcpy(at + sizeof(t), a, a_size);
    memcpy(at + sizeof(t) + a_size, b, b_size);
    used += ALIGN_UP(t.size, 8u);
}

static err_t finish(void)
{
    uint32_t total;

    tag(MB2_END, "", 0, "", 0);
    total = (uint32_t)used;
    memcpy(memory, &total, sizeof(total));
    return multiboot2_parse(&handoff, &rec);
}

static void memmap_tag(void)
{
    struct mb2_memmap map = { sizeof(struct mb2_range), 0 };
    struct mb2_range ranges[] = { { 0, 0x9fc00, 1, 0 }, { 1 * MiB, 127 * MiB, 1, 0 } };

    tag(MB2_MEMMAP, &map, sizeof(map), ranges, sizeof(ranges));
}

KTEST(boot_multiboot2, sound)
{
    struct mb2_module m = { 16 * MiB, 17 * MiB };

    begin();
    tag(MB2_CMDLINE, "quiet x=1", 10, "", 0);
    tag(MB2_LOADER, "GRUB 2.06", 10, "", 0);
    tag(77, "unknown", 8, "", 0);
    memmap_tag();
    tag(MB2_MODULE, &m, sizeof(m), "initrd", 7);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_STR_EQ(rec.cmdline, "quiet x=1");
    KTEST_STR_EQ(rec.loader, "GRUB");
    KTEST_STR_EQ(rec.loader_version, "2.06");
    KTEST_EQ(rec.module_count, 1);
    KTEST_EQ(rec.modules[0].size, MiB);
    KTEST_STR_EQ(rec.modules[0].name, "initrd");
}

KTEST(boot_multiboot2, malformed)
{
    struct mb2_memmap map = { 8, 0 };
    struct mb2_module m = { 17 * MiB, 16 * MiB };

    begin();
    KTEST_EQ(finish(), -EINVAL); /* no memory map */
    begin();
    tag(MB2_MEMMAP, &map, sizeof(map), "", 0); /* entries smaller than they can be */
    KTEST_EQ(finish(), -EINVAL);
    begin();
    memmap_tag();
    tag(MB2_MODULE, &m, sizeof(m), "", 0); /* ends before it starts */
    KTEST_EQ(finish(), -EINVAL);
    begin();
    memmap_tag();
    tag(MB2_MODULE, &m, 4, "", 0);
    KTEST_EQ(finish(), -EINVAL);
}

KTEST(boot_multiboot2, sizes_that_lie)
{
    const uint32_t totals[] = { 0, 8, sizeof(memory) + 8, UINT32_MAX };
    const uint32_t sizes[] = { 0, 7, sizeof(memory), UINT32_MAX };

    for (unsigned i = 0; i < ARRAY_SIZE(totals); i++) {
        begin();
        memmap_tag();
        KTEST_EQ(finish(), 0);
        memcpy(memory, &totals[i], 4);
        KTEST_EQ(multiboot2_parse(&handoff, &rec), -EINVAL);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        begin();
        memmap_tag();
        KTEST_EQ(finish(), 0);
        memcpy((uint8_t *)memory + 12, &sizes[i], 4);
        KTEST_EQ(multiboot2_parse(&handoff, &rec), -EINVAL);
    }
}
