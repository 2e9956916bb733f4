// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the host's CPUs: coroutines, of which exactly one runs.
 * Model: turning interrupts on, relaxing and idling are the points where virtual time goes on,
 * pending interrupts are delivered and, with several CPUs, another one may be chosen.
 */
#pragma once

extern struct cpu *host_cpu;

static inline struct cpu *cpu_current(void)
{
    return host_cpu;
}

static inline bool hal_irqs_enabled(void)
{
    return host_cpu->arch.irqs_on;
}

void hal_irq_enable(void);

static inline void hal_irq_disable(void)
{
    host_cpu->arch.irqs_on = false;
}

static inline unsigned long hal_irq_save(void)
{
    unsigned long on = host_cpu->arch.irqs_on;

    host_cpu->arch.irqs_on = false;
    return on;
}

static inline void hal_irq_restore(unsigned long on)
{
    if (on)
        hal_irq_enable();
}

void hal_relax(void);
void hal_idle(void);
uint64_t hal_cycles(void);
