// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the interfaces that drivers publish.
 */
#pragma once

#include <core/irq.h>
#include <hal/boot.h>
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

/*
 * Interrupts that are messages: a device writes `data` to `address`.  Who holds the messages (a PCI
 * function's registers) is the target; the controller calls it when a message is set or changes and when
 * an interrupt is masked, with its lock held and interrupts off.
 */
struct msi_message {
    uint64_t address;
    uint32_t data;
};
struct msi_target {
    void (*write)(struct msi_target *t, unsigned index, const struct msi_message *m);
    void (*mask)(struct msi_target *t, unsigned index, bool masked);
    uint32_t requester; /* segment, bus, devfn: who the device is to the interconnect; may be shared */
};
struct msi_controller {
    const char *name;
    /* Gives the target `count` interrupts, numbers of <core/irq.h>, and writes their messages; they are
     * masked until irq_register().  Return: 0; -ENOSPC, -ENOMEM; -ENODEV: not for this requester. */
    err_t (*alloc)(struct msi_target *t, unsigned count, unsigned *irqs);
    /* After irq_unregister() of all; the target is not called afterwards. */
    void (*free)(struct msi_target *t, unsigned count, const unsigned *irqs);
};
SERVICE_TYPE(msi_controller, struct msi_controller);

/* A picture that a driver set up itself; the loader's is in the boot record. */
struct framebuffer_service {
    struct boot_framebuffer fb;
    void *base; /* where its first pixel is mapped */
};
SERVICE_TYPE(framebuffer, struct framebuffer_service);
