// SPDX-License-Identifier: CC0-1.0
/* Purpose: the processor's controls as single instructions (<hal/cpu.h> has the contract). */
#pragma once

#include <lib/types.h>

#define DAIF_I (1ul << 7)

#define sysreg_read(name)                                                                          \
    ({                                                                                             \
        uint64_t v_;                                                                               \
        __asm__ volatile("mrs %0, " #name : "=r"(v_));                                             \
        v_;                                                                                        \
    })
#define sysreg_write(name, value)                                                                  \
    __asm__ volatile("msr " #name ", %x0" ::"rZ"((uint64_t)(value)) : "memory")
#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb(domain) __asm__ volatile("dsb " #domain ::: "memory")
#define dmb(domain) __asm__ volatile("dmb " #domain ::: "memory")

/* The loader started us at EL2; the hypervisor's registers are ours then, and its offsets 0. */
extern bool booted_at_el2;

static inline struct cpu *cpu_current(void)
{
    return hal_current()->cpu;
}

static inline bool hal_irqs_enabled(void)
{
    return (sysreg_read(daif) & DAIF_I) == 0;
}

static inline void hal_irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}

static inline void hal_irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

static inline unsigned long hal_irq_save(void)
{
    unsigned long flags;

    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(flags)::"memory");
    return flags;
}

static inline void hal_irq_restore(unsigned long flags)
{
    __asm__ volatile("msr daif, %0" ::"r"(flags) : "memory");
}

static inline void hal_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

/* WFI wakes for a pending interrupt even while it is masked (Arm ARM D1.6.2). */
static inline void hal_idle(void)
{
    __asm__ volatile("dsb sy\n\twfi\n\tmsr daifclr, #2" ::: "memory");
}

static inline uint64_t hal_cycles(void)
{
    uint64_t v;

    /* Not before what the caller has seen of other CPUs' times (Arm ARM D11.2.2). */
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v)::"memory");
    return v;
}
