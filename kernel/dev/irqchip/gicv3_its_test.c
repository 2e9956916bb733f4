// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: an ITS that is broken in some way is refused, and costs no memory.
 * Model: its registers are memory, which read back what was written: so it takes any table, and never does
 * what it is told unless the test says so.
 */
#include <dev/irqchip/gicv3_its.h>

#include <core/ktest.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>

#define REGISTERS_BYTES 0x10000
#define CTLR 0x0
#define TYPER 0x8
#define CBASER 0x80
#define CWRITER 0x88
#define CREADR 0x90
#define BASER(n) (0x100 + 8 * (n))
#define PIDR2 0xffe8
#define QUIESCENT (1u << 31)
#define ENTRY_8 (7ull << 48)
#define ENTRY_32 (31ull << 48)
#define DEVICES (1ull << 56)
#define COLLECTIONS (4ull << 56)
#define VALID (1ull << 63)

static uint8_t *registers;
static struct its *its;
static uint64_t frames_before;

static void set(unsigned at, uint64_t value)
{
    memcpy(registers + at, &value, sizeof value);
}

static uint64_t get(unsigned at)
{
    uint64_t value;

    memcpy(&value, registers + at, sizeof value);
    return value;
}

/* One that there is nothing wrong with: 65,536 devices, 256 events. */
static bool begin(void)
{
    paddr_t pa = frame_alloc_contiguous(REGISTERS_BYTES / PAGE_SIZE, PAGE_SIZE, FRAME_ZERO);

    its = kzalloc(sizeof *its);
    if (pa == PADDR_NONE || !its)
        return false;
    registers = phys_to_virt(pa);
    set(CTLR, QUIESCENT);
    set(TYPER, 1 | 7 << 4 | 7 << 8 | 15 << 13);
    set(BASER(0), DEVICES | ENTRY_8);
    set(BASER(1), COLLECTIONS | ENTRY_8);
    set(PIDR2, 0x3b);
    frames_before = frame_free_count();
    return true;
}

static bool opens(uint64_t device_limit)
{
    return its_open(its, registers, 0x8080000, device_limit) == NULL;
}

static void release(void)
{
    frame_free_contiguous(virt_to_phys(registers), REGISTERS_BYTES / PAGE_SIZE);
    kfree(its);
}

/* Return: whether opening says that, and all memory is free again. */
static bool refused(const char *why)
{
    const char *said = its_open(its, registers, 0x8080000, 0x10000);
    bool ok = said && strstr(said, why) && frame_free_count() == frames_before;

    release();
    return ok;
}

static void end(struct ktest *t)
{
    its_close(its);
    KTEST_EQ(frame_free_count(), frames_before);
    release();
}

KTEST(its, refused)
{
    KTEST_REQUIRE(begin());
    set(PIDR2, 0);
    KTEST_TRUE(refused("there is none"));
    KTEST_REQUIRE(begin());
    set(CTLR, 1);
    KTEST_TRUE(refused("quiescent"));
    KTEST_REQUIRE(begin());
    set(TYPER, get(TYPER) & ~1ull);
    KTEST_TRUE(refused("physical"));
    KTEST_REQUIRE(begin());
    set(BASER(0), 0);
    KTEST_TRUE(refused("no table of devices"));
}

KTEST(its, tables)
{
    KTEST_REQUIRE(begin());
    set(BASER(2), VALID | 2ull << 56); /* an earlier kernel's */
    KTEST_TRUE(opens(0x10000));
    KTEST_EQ(get(CTLR), QUIESCENT | 1);
    KTEST_EQ(get(BASER(0)) >> 62, 3);
    KTEST_EQ(get(BASER(0)) >> 56 & 7, 1);
    KTEST_EQ(get(BASER(0)) & 0x3ff, 0); /* one page of 4 KiB */
    KTEST_EQ(get(BASER(1)) >> 62, 2);
    KTEST_EQ(get(BASER(2)) >> 63, 0);
    KTEST_EQ(get(CBASER) >> 63, 1);
    KTEST_EQ(get(CBASER) & 0xffff & ~0x400ull, 0); /* its place is a multiple of 64 KiB */
    KTEST_EQ(its->devices.entries, 0x10000);
    KTEST_EQ(its_table_cover(&its->devices, 0x10000), -ENODEV);
    KTEST_EQ(its_table_cover(&its->devices, 0xffff), 0);
    KTEST_EQ(its_table_cover(&its->devices, 0xfe00), 0); /* in the same page */
    KTEST_EQ(((uint64_t *)its->devices.memory)[127] >> 63, 1);
    KTEST_EQ(((uint64_t *)its->devices.memory)[126], 0);
    end(t);
}

/* Entries of 32 bytes for 2^32 devices: only those that are named cost memory, and not all can be. */
KTEST(its, no_more_than_is_needed)
{
    static const uint64_t limits[] = { 100, 1ull << 32 }, entries[] = { 100, 1 << 24 };

    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
        KTEST_REQUIRE(begin());
        set(TYPER, get(TYPER) | 31 << 13);
        set(BASER(0), DEVICES | ENTRY_32);
        KTEST_TRUE(opens(limits[i]));
        KTEST_EQ(its->devices.indirect, i);
        KTEST_EQ(its->devices.bytes, i ? MiB : 4 * KiB);
        KTEST_EQ(its->devices.entries, entries[i]);
        KTEST_EQ(its_table_cover(&its->devices, entries[i] - 1), 0);
        KTEST_EQ(its_table_cover(&its->devices, entries[i]), -ENODEV);
        end(t);
    }
}

/* It stays where it is: the wait ends, and from then on nothing is waited for. */
KTEST(its, does_nothing)
{
    static const struct its_command c[2];

    KTEST_REQUIRE(begin());
    KTEST_TRUE(opens(0x10000));
    set(CREADR, ITS_QUEUE_BYTES * 4); /* beyond its ring, too */
    KTEST_EQ(its_submit(its, c, 2), -EIO);
    KTEST_TRUE(its->dead);
    KTEST_EQ(get(CWRITER), 64);
    KTEST_EQ(its_submit(its, c, 2), -EIO);
    KTEST_EQ(get(CWRITER), 64);
    end(t);
}

/* What it stalls at becomes a SYNC, and it is told to go on. */
KTEST(its, stalls)
{
    static const struct its_command c[1] = { { { 0xee } } };

    KTEST_REQUIRE(begin());
    KTEST_TRUE(opens(0x10000));
    set(CREADR, 1);
    KTEST_EQ(its_submit(its, c, 1), -EIO);
    KTEST_EQ(*(uint64_t *)its->queue, 5);
    KTEST_EQ(get(CWRITER), 32 | 1);
    end(t);
}

/* The ring begins again at its end. */
KTEST(its, ring_wraps)
{
    const unsigned slots = ITS_QUEUE_BYTES / sizeof(struct its_command);

    KTEST_REQUIRE(begin());
    KTEST_TRUE(opens(0x10000));
    for (uint64_t i = 0; i < 2 * slots + 3; i++) {
        struct its_command c = { { 5, i } };

        set(CREADR, (i + 1) % slots * sizeof c); /* done as soon as told */
        KTEST_EQ(its_submit(its, &c, 1), 0);
    }
    KTEST_EQ(get(CWRITER), 3 * sizeof(struct its_command));
    KTEST_EQ(((uint64_t *)its->queue)[1], 2 * slots);
    KTEST_EQ(((uint64_t *)its->queue)[4 * (slots - 1) + 1], 2 * slots - 1);
    end(t);
}
