// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what a PC tells without tables: whether there is a local APIC, where, and how many CPUs it
 * can address (Intel SDM 3A, 11.4.3, 11.12); that PCI may be asked through ports, and where below 4 GiB
 * devices may be placed: in the largest gap of the memory map that ends before the I/O APIC.
 */
#include <boot/hardware.h>

#include <hal/cpu.h>

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_ENABLED BIT(11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull
#define CPUID_EDX_MSR BIT(5)
#define CPUID_EDX_APIC BIT(9)
#define CPUID_ECX_X2APIC BIT(21)
#define XAPIC_ID_MAX 0xfe /* 0xff is for all */
#define X2APIC_ID_MAX (UINT32_MAX - 1)

#define HOLE_START (16 * MiB)
#define HOLE_END 0xfec00000ull

/* The gap that begins at `at`: up to the next range of the map, or HOLE_END. */
static uint64_t gap_end(const struct boot_record *rec, uint64_t at)
{
    uint64_t end = HOLE_END;

    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (r->start <= at && r->start + r->size > at)
            return at; /* it is no gap */
        if (r->start > at)
            end = MIN(end, r->start);
    }
    return end;
}

static void hole_try(const struct boot_record *rec, uint64_t start, struct hw_region *best)
{
    uint64_t at = ALIGN_UP(start, MiB), end = at < HOLE_END ? gap_end(rec, at) : at;

    if (end - at > best->size)
        *best = (struct hw_region){ at, end - at };
}

static struct hw_region hole_find(const struct boot_record *rec)
{
    struct hw_region best = { 0, 0 };

    hole_try(rec, HOLE_START, &best);
    for (unsigned i = 0; i < rec->range_count; i++)
        if (rec->ranges[i].start + rec->ranges[i].size >= HOLE_START)
            hole_try(rec, rec->ranges[i].start + rec->ranges[i].size, &best);
    return best;
}

static uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static err_t pc_read(const struct loader_handoff *h, struct boot_record *rec, struct hw_draft *d)
{
    uint32_t eax = 1, ebx, ecx = 0, edx;
    uint64_t base;

    (void)h;
    d->info->pci_ports = true;
    d->info->pci_hole = hole_find(rec);
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    d->cpu_id_max = ecx & CPUID_ECX_X2APIC ? X2APIC_ID_MAX : XAPIC_ID_MAX;
    if (!(edx & CPUID_EDX_MSR) || !(edx & CPUID_EDX_APIC))
        return -ENODEV;
    base = msr_read(MSR_APIC_BASE);
    if (base & APIC_BASE_ENABLED)
        d->info->lapic = base & APIC_BASE_ADDRESS;
    return 0;
}
HARDWARE_SOURCE(pc, HW_RANK_PROBE, pc_read);
