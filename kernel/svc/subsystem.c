// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: starts and stops subsystems in the order of their needs.
 *
 * Model: a depth-first walk over the needs gives the order (a node is appended when all that it
 * needs has been): R. E. Tarjan, "Edge-disjoint spanning trees and depth-first search", 1976.
 * A need that leads back to a node of the present walk closes a cycle: all nodes of it fail, and are
 * named.  A wanted one ('?') that would close a cycle is dropped with a warning.
 * Locking: early: one CPU, no threads; then the framework's mutex.
 * Invariants: (1) the order holds every node once; (2) a node stands behind each node it needs,
 * unless one of the two failed in sorting.
 */
#define LOG_TAG "subsystem"
#include <svc/subsystem.h>

#include <core/log.h>
#include <core/panic.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/mutex.h>
#include <svc/graph.h>

enum { MARK_NEW, MARK_OPEN, MARK_DONE };

static struct mutex lock = MUTEX_INIT(lock);
static struct graph all; /* sorted once, early; constant afterwards */
static struct subsystem *current; /* lock */
static struct hal_context *current_thread; /* lock */

static bool need_is_optional(const char *need)
{
    return need[0] == '?';
}

static const char *need_name(const char *need)
{
    return need + need_is_optional(need);
}

struct subsystem *graph_find(const struct graph *g, const char *name)
{
    for (unsigned i = 0; i < g->count; i++)
        if (strcmp(g->nodes[i]->name, name) == 0)
            return g->nodes[i];
    return NULL;
}

static void fail(struct subsystem *s, err_t error, const char *need)
{
    s->state = SUBSYSTEM_FAILED;
    s->error = error;
    s->failed_need = need;
}

/* --- sorting ----------------------------------------------------------------------------------- */

struct walk { /* one step of the walk, the path being the chain of them */
    struct subsystem *node;
    const struct walk *from;
};

/* `step`->node needs `back`, which is on the path already. */
static void report_cycle(const struct walk *step, struct subsystem *back)
{
    char text[256];
    size_t n = (size_t)fmt_scnprintf(text, sizeof text, "%s", back->name);
    const char *need = back->name;

    for (const struct walk *w = step;; w = w->from) {
        n += (size_t)fmt_scnprintf(text + n, sizeof text - n, " <- %s", w->node->name);
        fail(w->node, -ELOOP, need);
        need = w->node->name;
        if (w->node == back)
            break;
    }
    log_err("a cycle of needs, none of these starts: %s", text);
}

static void sort_visit(struct graph *g, struct subsystem *s, const struct walk *from);

static void sort_need(struct graph *g, struct walk *step, const char *need)
{
    struct subsystem *s = step->node;
    struct subsystem *other = graph_find(g, need_name(need));

    if (!other) {
        if (need_is_optional(need))
            return;
        log_err("%s needs %s, which does not exist", s->name, need);
        fail(s, -ENOENT, need);
    } else if (other->mark == MARK_NEW) {
        sort_visit(g, other, step);
    } else if (other->mark == MARK_OPEN) {
        if (need_is_optional(need))
            log_warn("%s wants %s, which needs it: not waited for", s->name, other->name);
        else
            report_cycle(step, other);
    }
}

static void sort_visit(struct graph *g, struct subsystem *s, const struct walk *from)
{
    struct walk step = { .node = s, .from = from };

    s->mark = MARK_OPEN;
    for (const char *const *need = s->needs; need && *need; need++)
        sort_need(g, &step, *need);
    s->mark = MARK_DONE;
    s->order = g->sorted;
    g->order[g->sorted++] = s;
}

void graph_sort(struct graph *g)
{
    for (unsigned i = 0; i < g->count; i++)
        g->nodes[i]->mark = MARK_NEW;
    g->sorted = 0;
    for (unsigned i = 0; i < g->count; i++)
        if (g->nodes[i]->mark == MARK_NEW)
            sort_visit(g, g->nodes[i], NULL);
}

/* --- starting and stopping --------------------------------------------------------------------- */

static bool is_down(const struct subsystem *s)
{
    return !s || s->state == SUBSYSTEM_FAILED || s->state == SUBSYSTEM_STOPPED;
}

/* Return: whether all that `s` must have is there; else it has failed. */
static bool needs_met(const struct graph *g, struct subsystem *s)
{
    for (const char *const *need = s->needs; need && *need; need++) {
        const struct subsystem *other = graph_find(g, need_name(*need));

        if (!is_down(other))
            continue;
        if (need_is_optional(*need)) {
            s->failed_need = need_name(*need);
            continue;
        }
        fail(s, other && other->error == -ENODEV ? -ENODEV : -ENOENT, *need);
        if (s->error != -ENODEV)
            log_err("%s cannot start: %s is not there", s->name, *need);
        return false;
    }
    return true;
}

static void run_init(struct subsystem *s, err_t (*init)(struct subsystem *self))
{
    ns_t begun = clock_monotonic();
    err_t err;

    s->state = SUBSYSTEM_STARTING;
    current = s;
    current_thread = hal_current();
    err = init(s);
    current = NULL;
    s->init_ns += clock_monotonic() - begun;
    if (err == 0)
        return;
    fail(s, err, s->failed_need);
    if (err == -ENODEV)
        log_debug("%s: not on this machine", s->name);
    else
        log_err("%s failed to start: error %d", s->name, err);
}

/* Return: whether it failed and that matters. */
static bool start_one(const struct graph *g, struct subsystem *s, bool late)
{
    err_t (*init)(struct subsystem *self) = late ? s->late_init : s->early_init;

    if (s->state == SUBSYSTEM_FAILED)
        return s->error != -ENODEV;
    if (!needs_met(g, s))
        return s->error != -ENODEV;
    if (init)
        run_init(s, init);
    if (s->state == SUBSYSTEM_FAILED)
        return s->error != -ENODEV;
    if (late) {
        s->state = s->failed_need ? SUBSYSTEM_DEGRADED : SUBSYSTEM_UP;
        log_debug("%s is up after %llu us%s%s", s->name,
                  (unsigned long long)(s->init_ns / NS_PER_USEC), s->failed_need ? ", without " : "",
                  s->failed_need ? s->failed_need : "");
    }
    return false;
}

unsigned graph_start(struct graph *g, bool late)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < g->sorted; i++)
        failed += start_one(g, g->order[i], late);
    return failed;
}

static void stop_one(struct subsystem *s)
{
    if (s->state != SUBSYSTEM_UP && s->state != SUBSYSTEM_DEGRADED)
        return;
    s->state = SUBSYSTEM_STOPPING;
    current = s;
    current_thread = hal_current();
    if (s->shutdown)
        s->shutdown(s);
    current = NULL;
    s->state = SUBSYSTEM_STOPPED;
}

void graph_stop(struct graph *g)
{
    for (unsigned i = g->sorted; i-- > 0;)
        stop_one(g->order[i]);
}

/* --- the kernel's own graph -------------------------------------------------------------------- */

unsigned subsystems_init_early(void)
{
    all.nodes = (struct subsystem *const *)__start_registry_subsystem;
    all.count = (unsigned)registry_count(subsystem);
    all.order = kcalloc(all.count, sizeof *all.order);
    if (!all.order)
        panic("no memory for %u subsystems", all.count);
    graph_sort(&all);
    return graph_start(&all, false);
}

unsigned subsystems_init_late(void)
{
    unsigned failed;

    mutex_lock(&lock);
    failed = graph_start(&all, true);
    mutex_unlock(&lock);
    return failed;
}

void subsystems_shutdown(void)
{
    mutex_lock(&lock);
    graph_stop(&all);
    mutex_unlock(&lock);
}

struct subsystem *subsystem_find(const char *name)
{
    return graph_find(&all, name);
}

void subsystem_for_each(bool (*fn)(struct subsystem *s, void *arg), void *arg)
{
    for (unsigned i = 0; i < all.sorted; i++)
        if (!fn(all.order[i], arg))
            return;
}

struct subsystem *subsystem_current(void)
{
    return current && current_thread == hal_current() ? current : NULL;
}
