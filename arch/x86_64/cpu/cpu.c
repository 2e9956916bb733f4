// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: one CPU's tables: GDT, TSS with its IST stacks, the common IDT, the SYSCALL registers.
 * Model: everything that differs by CPU lives in its struct cpu (<arch/context.h>).
 */
#include <hal/cpu.h>

#include <cpu/feature.h>
#include <cpu/msr.h>
#include <cpu/smap.h>
#include <cpu/topology.h>
#include <hal/mmu.h>
#include <trap/idt.h>

#define SEGMENT_CODE64 0x00af9b000000ffffull
#define SEGMENT_DATA 0x00cf93000000ffffull
#define SEGMENT_USER (3ull << 45)
#define TSS_AVAILABLE 0x89ull
/* What SYSCALL clears: SDM vol. 2, SYSCALL. */
#define SYSCALL_FLAGS                                                                              \
    (RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC | RFLAGS_RF |         \
     RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_ID)

struct __packed table_pointer {
    uint16_t limit;
    uint64_t base;
};

uint64_t x86_tsc_hz;

static void gdt_fill(struct cpu *cpu)
{
    uint64_t *gdt = cpu->arch.gdt;
    uint64_t tss = (uintptr_t)&cpu->arch.tss;
    uint64_t number = (cpu->id & 0xfff) | (uint64_t)(cpu->node & 0xff) << 12;

    gdt[GDT_KERNEL_CODE] = SEGMENT_CODE64;
    gdt[GDT_KERNEL_DATA] = SEGMENT_DATA;
    gdt[GDT_USER_DATA] = SEGMENT_DATA | SEGMENT_USER;
    gdt[GDT_USER_CODE] = SEGMENT_CODE64 | SEGMENT_USER;
    gdt[GDT_TSS] = (sizeof(struct x86_tss) - 1) | (tss & 0xffffff) << 16 | TSS_AVAILABLE << 40 |
                   (tss >> 24 & 0xff) << 56;
    gdt[GDT_TSS + 1] = tss >> 32;
    /* Read-only data whose limit, in bytes, is the number. */
    gdt[GDT_CPU_NUMBER] = (number & 0xffff) | (number >> 16 & 0xf) << 48 | 0x0040f10000000000ull;
}

static void tss_fill(struct cpu *cpu)
{
    struct x86_tss *tss = &cpu->arch.tss;

    tss->rsp[0] = cpu->current->stack_top;
    for (unsigned i = 0; i < IST_COUNT; i++) {
        uint8_t *stack = cpu->arch.ist[i];

        *(struct cpu **)stack = cpu;
        tss->ist[i] = (uintptr_t)stack + IST_STACK_SIZE;
    }
    tss->iomap = sizeof(*tss); /* none: every port is refused */
}

static void gdt_load(struct cpu *cpu)
{
    struct table_pointer p = { sizeof(cpu->arch.gdt) - 1, (uintptr_t)cpu->arch.gdt };

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %2, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs\n\t"
                     "ltr %w3"
                     :
                     : "m"(p), "i"(KERNEL_CS), "i"(KERNEL_DS), "r"(GDT_TSS * 8)
                     : "rax", "memory");
}

static void idt_load(void)
{
    struct table_pointer p = { IDT_BYTES - 1, (uintptr_t)idt_table() };

    __asm__ volatile("lidt %0" : : "m"(p));
}

static void syscall_enable(void)
{
    msr_write(MSR_STAR, (uint64_t)KERNEL_CS << 32 | (uint64_t)USER32_CS << 48);
    msr_write(MSR_LSTAR, (uintptr_t)syscall_entry);
    msr_write(MSR_FMASK, SYSCALL_FLAGS);
}

void hal_cpu_init(struct cpu *cpu)
{
    cpu->self = cpu;
    topology_detect(cpu);
    gdt_fill(cpu);
    tss_fill(cpu);
    gdt_load(cpu);
    msr_write(MSR_GS_BASE, (uintptr_t)cpu);
    msr_write(MSR_KERNEL_GS_BASE, 0);
    msr_write(MSR_FS_BASE, 0);
    if (cpu->id == 0)
        idt_fill();
    idt_load();
    feature_enable();
    syscall_enable();
    if (features.smap)
        smap_patch();
}

void hal_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}
