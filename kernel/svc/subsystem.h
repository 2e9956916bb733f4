// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: everything above the scheduler is a subsystem: it registers itself, names what it needs,
 * and is started in the order of that graph and stopped in reverse.
 *
 * Model: the entries of the registry are nodes, `needs` (NULL-ended list of names) its edges; a
 * name with '?' in front is wanted but may be missing or failed.  Two passes: early_init of all
 * in graph order (interrupts off, no threads), then late_init of all (thread context, may sleep).
 * A missing name or a cycle is reported by name; what depends on it fails, the rest goes on, unless
 * the record says that no machine runs without it (`core`): then the boot ends in a panic that names it.
 * fail=NAME[,NAME...] makes that subsystem's start at boot fail; NAME:late its late_init alone.
 * One that has `stop` can be stopped and started while the machine runs.
 * Identity: a thread runs for the subsystem whose init, stop or shutdown it is in, and so does each kernel
 * thread that is started there, for its whole life (thread->domain).  Nobody can claim another's.
 * Locking: states change under the framework's mutex (early: single-threaded); who only reads them
 * sees one word at a time.
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
    const char *core; /* why there is no going on without it; NULL: it may fail */
    /* Each may be NULL.  An error fails the subsystem, with its dependents; -ENODEV: the machine
     * does not have it (no complaint). */
    err_t (*early_init)(struct subsystem *self);
    err_t (*late_init)(struct subsystem *self);
    void (*shutdown)(struct subsystem *self); /* the machine goes down */
    /* Undoes early_init and late_init to the last byte, so that they can run again, one after the other, in a
     * thread with interrupts on; or returns an error and has changed nothing.  NULL: it cannot be stopped while
     * the machine runs. */
    err_t (*stop)(struct subsystem *self);

    /* The framework's own. */
    enum subsystem_state state;
    err_t error;
    const char *failed_need; /* whose absence made it fail or degraded */
    bool refused; /* fail= made it fail */
    bool need_lost; /* failed_need went away later, and may come back */
    ns_t init_ns; /* of its last start */
    struct subsystem_pass {
        uint64_t begun, ended; /* hal_cycles(); both 0: it had nothing to do */
    } pass[2]; /* at boot: early, late */
    unsigned starts; /* that succeeded */
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
const struct subsystem *subsystem_find(const char *name);
/* In start order; fn returns false to stop. */
void subsystem_for_each(bool (*fn)(const struct subsystem *s, void *arg), void *arg);
/* Does `s` need (or want) the subsystem called `name`? */
bool subsystem_needs(const struct subsystem *s, const char *name);
/* The subsystem for which the running thread works; NULL: the kernel core. */
const struct subsystem *subsystem_current(void);

static inline bool subsystem_is_up(const struct subsystem *s)
{
    return s->state == SUBSYSTEM_UP || s->state == SUBSYSTEM_DEGRADED;
}

/*
 * Stops and starts one while the machine runs.  Those that want it ('?') become degraded meanwhile.
 * Context: thread, may sleep.
 * Return: 0; -ENOENT: no such name; -EOPNOTSUPP: it has no `stop`; -EALREADY: it is so already; -EBUSY:
 * others that are up need it (the log names them); -EPERM: the caller runs for a subsystem that is
 * not the kernel's own; stop: what its `stop` returned; start: -ENODEV: what it needs is not up, or what its init returned.
 */
err_t __must_check subsystem_start(const char *name);
err_t __must_check subsystem_stop(const char *name);
err_t __must_check subsystem_restart(const char *name);

/* Its state in a word ("absent": failed with -ENODEV); and why it is not up, as a line of text; "-". */
const char *subsystem_state_name(const struct subsystem *s);
void subsystem_reason(const struct subsystem *s, char *buf, size_t size);
/* When a pass of the boot began, in ns since the first subsystem's; false: it had nothing to do. */
bool subsystem_pass_times(const struct subsystem *s, bool late, ns_t *begun, ns_t *took);
