// SPDX-License-Identifier: CC0-1.0
/* Purpose: Multiboot2 records, sound and hostile. */
#include <boot/multiboot2.h>

#include <core/ktest.h>
#include <lib/string.h>

static uint64_t memory[160];
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

/* What makes no sense is left out; the rest is taken. */
KTEST(boot_multiboot2, malformed)
{
    struct mb2_memmap map = { 8, 0 };
    struct mb2_module m = { 17 * MiB, 16 * MiB };
    struct mb2_elf_sections sections = { 1000, 64, 0 };

    begin();
    KTEST_EQ(finish(), -EINVAL); /* no memory map */
    begin();
    tag(MB2_MEMMAP, &map, sizeof(map), "", 0); /* entries smaller than they can be */
    KTEST_EQ(finish(), -EINVAL);
    begin();
    memmap_tag();
    tag(MB2_MODULE, &m, sizeof(m), "", 0); /* ends before it starts */
    tag(MB2_MODULE, &m, 4, "", 0);
    tag(MB2_EFI64, "", 1, "", 0);
    tag(MB2_VBE, "", 1, "", 0);
    tag(MB2_ELF_SECTIONS, &sections, sizeof(sections), "", 0);
    tag(MB2_CMDLINE, "quiet", 6, "", 0);
    KTEST_EQ(finish(), 0);
    KTEST_EQ(rec.module_count, 0);
    KTEST_EQ(rec.efi_system_table, 0);
    KTEST_STR_EQ(rec.cmdline, "quiet");
}

/* A tag whose size cannot be ends the list: what came before counts. */
KTEST(boot_multiboot2, tag_of_size_0)
{
    uint32_t bad[] = { 0, 7, sizeof(memory), UINT32_MAX };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        size_t at;

        begin();
        memmap_tag();
        at = used;
        tag(MB2_CMDLINE, "lost", 5, "", 0);
        memcpy((uint8_t *)memory + at + 4, &bad[i], 4);
        KTEST_EQ(finish(), 0);
        KTEST_STR_EQ(rec.cmdline, "");
    }
}

static bool range_is(unsigned i, paddr_t start, paddr_t end, enum mem_kind kind)
{
    return i < rec.range_count && rec.ranges[i].start == start &&
           rec.ranges[i].size == end - start && rec.ranges[i].kind == kind;
}

static void efi_memmap_tag(void)
{
    struct mb2_efi_memmap map = { 40, 1 };
    struct { uint32_t type, pad; uint64_t start, virt, pages, attributes; } d[] = {
        { 7, 0, 0x1000, 0, 0x9f, 0 }, /* conventional */
        { 3, 0, 1 * MiB, 0, 256, 0 }, /* boot services' */
        { 2, 0, 2 * MiB, 0, 256, 0 }, /* the loader's */
        { 7, 0, 3 * MiB, 0, 256, 0 },
        { 6, 0, 4 * MiB, 0, 1, BIT(63) }, /* runtime */
    };

    tag(MB2_EFI_MEMMAP, &map, sizeof(map), d, sizeof(d));
}

KTEST(boot_multiboot2, efi)
{
    uint64_t table = 0x7f000018;

    begin();
    memmap_tag(); /* EFI's own is the better one */
    efi_memmap_tag();
    tag(MB2_EFI64, &table, sizeof(table), "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_EQ(rec.firmware, FIRMWARE_EFI64);
    KTEST_EQ(rec.efi_system_table, 0x7f000018);
    KTEST_TRUE(range_is(0, 0x1000, 0xa0000, MEM_USABLE));
    KTEST_TRUE(range_is(1, 1 * MiB, 4 * MiB, MEM_USABLE));
    KTEST_TRUE(range_is(2, 4 * MiB, 4 * MiB + 4096, MEM_RUNTIME));
    KTEST_EQ(rec.range_count, 3);
}

KTEST(boot_multiboot2, efi_that_still_runs)
{
    begin();
    efi_memmap_tag();
    tag(MB2_EFI_RUNS, "", 0, "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_TRUE(range_is(1, 1 * MiB, 2 * MiB, MEM_RESERVED));
}

KTEST(boot_multiboot2, basic_memory_is_better_than_none)
{
    struct mb2_basic_memory m = { 639, 65536 };

    begin();
    tag(MB2_BASIC_MEMORY, &m, sizeof(m), "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_TRUE(range_is(0, 0, 639 * KiB, MEM_USABLE));
    KTEST_TRUE(range_is(1, 1 * MiB, 65 * MiB, MEM_USABLE));
}

static const struct mb2_framebuffer screen = { .addr = 0xfd000000, .pitch = 3200, .width = 800,
                                               .height = 600, .bpp = 32, .type = MB2_DIRECT,
                                               .red_shift = 16, .red_bits = 8, .green_shift = 8,
                                               .green_bits = 8, .blue_bits = 8 };

KTEST(boot_multiboot2, framebuffers)
{
    struct mb2_framebuffer f = screen;

    begin();
    memmap_tag();
    tag(MB2_FRAMEBUFFER, &f, sizeof(f), "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(rec.fb.width, 800);
    KTEST_EQ(rec.fb.green_shift, 8);
    f.type = MB2_INDEXED;
    begin();
    memmap_tag();
    tag(MB2_FRAMEBUFFER, &f, MB2_FRAMEBUFFER_COMMON, "\0\0", 2);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(rec.fb.width, 0);
    f.type = MB2_TEXT;
    begin();
    memmap_tag();
    tag(MB2_FRAMEBUFFER, &f, MB2_FRAMEBUFFER_COMMON, "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(rec.fb.width, 0);
    f.type = MB2_DIRECT;
    begin();
    memmap_tag();
    tag(MB2_FRAMEBUFFER, &f, MB2_FRAMEBUFFER_COMMON, "", 0); /* without its colours */
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(rec.fb.width, 0);
}

KTEST(boot_multiboot2, vbe_where_no_tag_tells)
{
    static uint8_t body[MB2_VBE_MODE_INFO + 256];
    struct vbe_mode mode = { .attributes = VBE_USABLE, .pitch = 4096, .width = 1024, .height = 768,
                             .bpp = 32, .memory_model = VBE_DIRECT_COLOUR, .red_bits = 8,
                             .red_shift = 16, .green_bits = 8, .green_shift = 8, .blue_bits = 8,
                             .addr = 0xe0000000 };

    _Static_assert(offsetof(struct vbe_mode, memory_model) == 27, "VBE 3.0, 4.3");
    _Static_assert(offsetof(struct vbe_mode, red_bits) == 31, "");
    _Static_assert(offsetof(struct vbe_mode, addr) == 40, "");
    memcpy(body + MB2_VBE_MODE_INFO, &mode, sizeof(mode));
    begin();
    memmap_tag();
    tag(MB2_VBE, body, sizeof(body), "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(rec.fb.addr, 0xe0000000);
    KTEST_EQ(rec.fb.height, 768);
}

KTEST(boot_multiboot2, both_rsdps)
{
    uint8_t old[20] = "RSD PTR old", new[36] = "RSD PTR new";
    paddr_t from_new;

    begin();
    memmap_tag();
    tag(MB2_RSDP_NEW, new, sizeof(new), "", 0);
    KTEST_REQUIRE(finish() == 0);
    from_new = rec.rsdp;
    KTEST_TRUE(from_new != 0);
    begin();
    memmap_tag();
    tag(MB2_RSDP_NEW, new, sizeof(new), "", 0);
    tag(MB2_RSDP_OLD, old, sizeof(old), "", 0);
    tag(MB2_APM, "", 0, "", 0);
    tag(MB2_NETWORK, "", 0, "", 0);
    KTEST_REQUIRE(finish() == 0);
    KTEST_EQ(rec.rsdp, from_new);
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
