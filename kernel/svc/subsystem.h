// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: everything above the scheduler is a subsystem: it registers itself, names what it needs,
 * and is started in the order of that graph and stopped in reverse.
 *
 * Model: the entries of the registry are nodes, `needs` (NULL-ended list of names) its edges; a
 * name with '?' in front is wanted but may be missing or failed.  Two passes: early_init of all
 * in graph order (interrupts off, no threads), then late_init of all (thread context, may sleep).
 * A missing name or a cycle is reported by name; what depends on it fails, the rest goes on.
 * Locking: states change under the framework's mutex (early: single-threaded).
 */
#pragma once

#include <lib/registry.h>
#include <lib/types.h>

enum privilege { PRIV_USER, PRIV_DRIVER, PRIV_KERNEL };

enum subsystem_state {
    SUBSYSTEM_REGISTERED,
    SUBSYSTEM_STARTING,
    SUBSYSTEM_UP,
    SUBSYSTEM_DEGRADED, /* something wanted is missing */
    SUBSYSTEM_FAILED,
    SUBSYSTEM_STOPPING,
    SUBSYSTEM_STOPPED,
};

struct subsystem {
    const char *name;
    enum privilege privilege;
    const char *const *needs; /* NULL: none */
    /* Each may be NULL.  An error fails the subsystem, with its dependents; -ENODEV: the machine
     * does not have it (no complaint). */
    err_t (*early_init)(struct subsystem *self);
    err_t (*late_init)(struct subsystem *self);
    void (*shutdown)(struct subsystem *self);

    /* The framework's own. */
    enum subsystem_state state;
    err_t error;
    const char *failed_need; /* whose absence made it fail or degraded */
    ns_t init_ns;
    unsigned order;
    unsigned mark;
};
REGISTRY_DECLARE(subsystem, struct subsystem);

/*
 *     static const char *const needs[] = { "heap", "?video", NULL };
 *     static struct subsystem pipe_subsystem = { .name = "pipe", .privilege = PRIV_KERNEL,
 *                                                .needs = needs, .late_init = pipe_start };
 *     REGISTER_SUBSYSTEM(pipe_subsystem);
 */
#define REGISTER_SUBSYSTEM(record) REGISTRY_ADD(subsystem, record)

/* Sorts the graph and runs early_init of all.  Return: number that failed. */
unsigned subsystems_init_early(void);
unsigned subsystems_init_late(void);
void subsystems_shutdown(void); /* those that are up, in reverse order */
struct subsystem *subsystem_find(const char *name);
/* In start order; fn returns false to stop. */
void subsystem_for_each(bool (*fn)(struct subsystem *s, void *arg), void *arg);
/* The subsystem in whose init or shutdown the caller runs; NULL: the kernel core. */
struct subsystem *subsystem_current(void);
