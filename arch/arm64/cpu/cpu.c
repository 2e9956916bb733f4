// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a CPU's own registers at its start, and its end.
 * Context: hal_cpu_init runs on the CPU itself with its context in TPIDR_EL1.
 */
#include <arch/features.h>
#include <arch/mm.h>
#include <hal/cpu.h>

struct cpu *cpus[CPU_MAX];
unsigned cpu_count;

uint8_t cpu_has_pan; /* written by the boot CPU */
extern char vectors[];

#define CNTKCTL_EL0VCTEN BIT(1)
#define SCTLR_SPAN BIT(23)
#define MPIDR_AFFINITY 0xff00ffffffull
#define FIELD(reg, shift) (((reg) >> (shift)) & 15)

/* Privileged access never: on, and set again by each exception.  On all CPUs or on none. */
static void pan_init(const struct cpu *cpu)
{
    if (cpu->id == 0)
        cpu_has_pan = FIELD(sysreg_read(id_aa64mmfr1_el1), 20) != 0;
    if (!cpu_has_pan)
        return;
    sysreg_write(sctlr_el1, sysreg_read(sctlr_el1) & ~SCTLR_SPAN);
    isb();
    __asm__ volatile(".inst 0xd500419f" ::: "memory"); /* msr pan, #1 */
}

/* User mode must not see or touch the performance counters. */
static void pmu_init(void)
{
    unsigned version = FIELD(sysreg_read(id_aa64dfr0_el1), 8);

    if (version != 0 && version != 15)
        sysreg_write(pmuserenr_el0, 0);
    if (FIELD(sysreg_read(id_aa64pfr0_el1), 44) != 0)
        sysreg_write(S3_3_C13_C2_3, 0); /* AMUSERENR_EL0: the activity monitors */
}

void hal_cpu_init(struct cpu *cpu)
{
    cpu->self = cpu;
    cpu->hw_id = sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
    cpu->arch.midr = sysreg_read(midr_el1);
    sysreg_write(vbar_el1, (uintptr_t)vectors);
    sysreg_write(cntkctl_el1, CNTKCTL_EL0VCTEN); /* the vDSO reads the virtual counter */
    sysreg_write(tpidr_el0, 0);
    sysreg_write(tpidrro_el0, 0);
    pan_init(cpu);
    pmu_init();
    features_add(cpu);
    hwcap_update();
    topology_read(cpu);
    if (cpu->id == 0)
        asid_init();
    isb();
    __asm__ volatile("msr daifclr, #4" ::: "memory"); /* SErrors are reported where they happen */
}

void hal_halt(void)
{
    hal_irq_disable();
    for (;;)
        __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}
