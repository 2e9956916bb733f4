// SPDX-License-Identifier: CC0-1.0
/* Purpose: PVH records, sound and hostile. */
#include <boot/pvh.h>

#include <core/ktest.h>
#include <lib/string.h>

static struct {
    struct pvh_info info;
    struct pvh_range ranges[3];
    struct pvh_module modules[2];
    char cmdline[64], name[16];
} memory;

static struct boot_record rec;
static struct loader_handoff handoff;

/* The "physical" memory of the tests is `memory`, wherever it lies. */
static paddr_t at(const void *p)
{
    return virt_to_phys(p);
}

static void sound_record(void)
{
    memset(&memory, 0, sizeof(memory));
    handoff = (struct loader_handoff){
        .protocol = LOADER_PVH,
        .info = at(&memory.info),
        .image_start = 1 * MiB,
        .image_end = 2 * MiB,
        .early_start = at(&memory),
        .early_end = at(&memory) + sizeof(memory),
    };
    memory.info = (struct pvh_info){
        .magic = PVH_MAGIC,
        .version = 1,
        .module_count = 1,
        .modules = at(memory.modules),
        .cmdline = at(memory.cmdline),
        .rsdp = 0xf5000,
        .memmap = at(memory.ranges),
        .memmap_count = 3,
    };
    memory.ranges[0] = (struct pvh_range){ 0, 0x9fc00, 1, 0 };
    memory.ranges[1] = (struct pvh_range){ 0xf0000, 0x10000, 2, 0 };
    memory.ranges[2] = (struct pvh_range){ 1 * MiB, 127 * MiB, 1, 0 };
    memory.modules[0] = (struct pvh_module){ 64 * MiB, 12345, at(memory.name), 0 };
    str_copy(memory.cmdline, "console=ttyS0 quiet", sizeof(memory.cmdline));
    str_copy(memory.name, "initrd", sizeof(memory.name));
    record_init(&rec, &handoff);
}

KTEST(boot_pvh, sound)
{
    sound_record();
    KTEST_REQUIRE(pvh_parse(&handoff, &rec) == 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_STR_EQ(rec.cmdline, "console=ttyS0 quiet");
    KTEST_EQ(rec.module_count, 1);
    KTEST_EQ(rec.modules[0].start, 64 * MiB);
    KTEST_EQ(rec.modules[0].size, 12345);
    KTEST_EQ(rec.rsdp, 0xf5000);
    KTEST_TRUE(record_check(&rec));
}

KTEST(boot_pvh, refuses_what_is_no_record)
{
    sound_record();
    memory.info.magic++;
    KTEST_EQ(pvh_parse(&handoff, &rec), -EINVAL);
    sound_record();
    memory.info.version = 0;
    KTEST_EQ(pvh_parse(&handoff, &rec), -EINVAL);
    sound_record();
    handoff.info = at(&memory) + sizeof(memory) - 8;
    KTEST_EQ(pvh_parse(&handoff, &rec), -EINVAL);
}

KTEST(boot_pvh, pointers_outside)
{
    const uint64_t outside[] = { 0, at(&memory) - 8, at(&memory) + sizeof(memory) - 4, UINT64_MAX - 3 };

    for (unsigned i = 0; i < ARRAY_SIZE(outside); i++) {
        sound_record();
        memory.info.memmap = outside[i];
        KTEST_EQ(pvh_parse(&handoff, &rec), -EINVAL);
        sound_record();
        memory.info.modules = outside[i];
        memory.info.module_count = UINT32_MAX;
        KTEST_EQ(pvh_parse(&handoff, &rec), 0);
        sound_record();
        memory.info.cmdline = outside[i];
        memory.modules[0].cmdline = outside[i];
        KTEST_EQ(pvh_parse(&handoff, &rec), 0);
    }
    sound_record();
    memory.info.memmap_count = UINT32_MAX;
    KTEST_EQ(pvh_parse(&handoff, &rec), -EINVAL);
}
