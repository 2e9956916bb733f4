// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what a PC tells without tables: whether there is a local APIC, where, and how many CPUs it
 * can address (Intel SDM 3A, 11.4.3, 11.12).
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
    (void)rec;
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
