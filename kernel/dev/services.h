// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the interfaces that drivers publish.
 */
#pragma once

#include <core/irq.h>
#include <hal/hardware.h>
#include <sched/clock.h>
#include <svc/console.h>
#include <svc/power.h>
#include <svc/service.h>

SERVICE_TYPE(irqchip, struct irqchip);
SERVICE_TYPE(clock_source, struct clock_source);
SERVICE_TYPE(clock_event, struct clock_event);

/* Makes further CPUs run.  Publishers rate themselves; `handles` says which entries are theirs. */
struct cpu_starter {
    const char *name;
    enum hw_cpu_start handles;
    /* Makes `hw` begin at `entry` with `arg` as hal_cpu_prepare() gave them.  Return: 0: asked;
     * -EINVAL, -ENODEV, -EALREADY (it runs), -EIO: it never will. */
    err_t (*start)(const struct hw_cpu *hw, paddr_t entry, uint64_t arg);
};
SERVICE_TYPE(cpu_starter, struct cpu_starter);
