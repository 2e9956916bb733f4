// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interrupt lines and their handlers.
 *
 * Model: one controller (struct irqchip, registered by a driver of dev/irqchip) maps lines to
 * numbers 0..IRQ_MAX-1; each has one handler chain.  irq_dispatch is what the trap entry calls.
 * Context: handlers run with interrupts off and never sleep.
 */
#pragma once

#include <lib/types.h>
#include <hal/smp.h>

#define IRQ_LINES 1024 /* wired ones are below */
#define IRQ_MSI IRQ_LINES /* the first of those that are messages and have no line */
#define IRQ_MAX 1536
#define IRQ_IPI IRQ_MAX /* IRQ_IPI + enum ipi: what claim() says of one */

struct cpu;

struct irqchip {
    const char *name;
    void (*mask)(unsigned irq);
    void (*unmask)(unsigned irq);
    /* Which interrupt is it?  `hint` is what the trap entry knew.  -1: spurious (counted). */
    int (*claim)(unsigned hint);
    void (*end)(unsigned irq); /* of IPIs, too */

    /* The rest is NULL where a controller serves one CPU. */

    /* Interrupts `cpu`.  Any context. */
    void (*ipi)(struct cpu *cpu, enum ipi ipi);
    /* Sets up the calling CPU's own part.  Interrupts off, once on each further CPU. */
    void (*start_cpu)(void);
    /* Sends a shared line to `cpu`.  Return: 0; -EINVAL: private line, or it cannot. */
    err_t (*route)(unsigned irq, struct cpu *cpu);

    /* NULL where lines are as they are.  A shared line is level-triggered until it is told otherwise.
     * Return: 0; -EINVAL: not a line that can be set. */
    err_t (*configure)(unsigned irq, bool edge);
    /* How /proc/interrupts calls a line in place of its number ("LOC"); NULL: by number. */
    const char *(*label)(unsigned irq);
    /* How it calls what brings those from IRQ_MSI on, in place of its own name; NULL: by its own. */
    const char *message_name;
};

typedef void (*irq_handler_fn)(unsigned irq, void *arg);

/* Once, by the driver that wins. */
void irq_chip_set(const struct irqchip *chip);
const struct irqchip *irq_chip(void);
/* Adds a handler and unmasks the line.  Return: 0, -EINVAL, -ENOMEM, -ENODEV (no chip). */
err_t __must_check irq_register(unsigned irq, const char *name, irq_handler_fn fn, void *arg);
void irq_unregister(unsigned irq, irq_handler_fn fn, void *arg);
/* Who wants to know when a line gets its first handler and loses its last (/proc/irq); one, for ever.
 * fn runs in the thread that registers, without locks: from then on registering may sleep. */
void irq_watch(void (*fn)(unsigned irq, bool used));
/* A handler says that its device did not raise this interrupt.  A line of which all say so
 * IRQ_STORM times in a row is masked for good, with one log line. */
#define IRQ_STORM 10000
void irq_unhandled(void);
/* Who looks at a line each time a CPU has taken IRQ_LOOK more of its interrupts, from irq_handle(); one, for ever. */
#define IRQ_LOOK 1024u
void irq_look_set(void (*fn)(unsigned irq));
/* Unmasks the line if it has a handler.  Any context. */
void irq_unmask_used(unsigned irq);
/* From entry/, interrupts off. */
void irq_dispatch(unsigned hint);
/* What irq_dispatch() does with a line once it knows which. */
void irq_handle(unsigned irq);

/* Memory for a further CPU's counts: irq_counts_size() zeroed bytes, before it starts. */
size_t irq_counts_size(void);
void irq_init_cpu(struct cpu *cpu, void *counts);

/* For /proc/interrupts and /proc/stat: how often, and the name; false when nothing is there. */
bool irq_info(unsigned irq, uint64_t *count, const char **name);
/* The names of all handlers of a line, as /proc/interrupts has them: "a, b".  Any context. */
void irq_names(unsigned irq, char *buf, size_t size);
/* On one CPU; irq may be IRQ_IPI + enum ipi. */
uint32_t irq_count_on(unsigned irq, const struct cpu *cpu);
uint64_t irq_total(void); /* of lines and between CPUs */
uint64_t irq_spurious(void); /* that no line had raised */
uint32_t irq_spurious_on(const struct cpu *cpu);

/* Where a shared line goes; CPU 0 until it was routed.  Return: 0; -EINVAL: no such line, or CPU not
 * online; -EIO: the line cannot be routed. */
err_t irq_route(unsigned irq, unsigned cpu);
unsigned irq_routed_to(unsigned irq);
