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
#include <core/params.h>
#include <hal/cpu.h>
#include <lib/errno.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/mutex.h>
#include <sched/thread.h>
#include <svc/console.h>
#include <svc/graph.h>
#include <svc/service.h>

enum { MARK_NEW, MARK_OPEN, MARK_DONE };

static struct mutex lock = MUTEX_INIT(lock);
static struct graph all; /* sorted once, early; constant afterwards */
static struct {
    uint64_t origin; /* hal_cycles() when the first subsystem began */
    uint64_t cycles[2]; /* at the ends of the two passes ... */
    ns_t ns[2]; /* ... and what the clock said */
} record; /* written at boot, constant afterwards */
static char refusals[128]; /* fail=: names, each with a comma behind it; constant after the command line */

static err_t set_fail(const char *value)
{
    size_t n = strlen(refusals);

    if (!value || !*value)
        return -EINVAL;
    if (n + strlen(value) + 2 > sizeof refusals)
        return -E2BIG;
    fmt_snprintf(refusals + n, sizeof refusals - n, "%s,", value);
    return 0;
}
PARAM(fail, "NAME[:late][,NAME...]: the start of these subsystems fails", set_fail);

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

/* --- fail= ------------------------------------------------------------------------------------- */

/* The next NAME[:late] of the list at *at.  Return: its length without ":late"; 0: the end. */
static size_t refusal_next(const char **at, const char **name, bool *late)
{
    static const char suffix[] = ":late";
    const char *end = strchr(*at, ',');
    size_t n;

    if (!end)
        return 0;
    *name = *at;
    *at = end + 1;
    n = (size_t)(end - *name);
    *late = n > sizeof suffix - 1 &&
            memcmp(end - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0;
    return *late ? n - (sizeof suffix - 1) : n;
}

/* NAME fails in the first pass that it has, NAME:late in the second. */
static bool is_refused(const struct subsystem *s, bool late)
{
    const char *at = refusals, *name;
    bool only_late;
    size_t n;

    while ((n = refusal_next(&at, &name, &only_late)) != 0)
        if (strlen(s->name) == n && memcmp(s->name, name, n) == 0)
            return late == (only_late || !s->early_init);
    return false;
}

static void refusals_check(const struct graph *g)
{
    const char *at = refusals, *name;
    char word[sizeof refusals];
    bool late;
    size_t n;

    while ((n = refusal_next(&at, &name, &late)) != 0) {
        str_copy(word, name, n + 1);
        if (!graph_find(g, word))
            log_warn("fail=%s: there is no such subsystem", word);
    }
}

/* --- starting and stopping --------------------------------------------------------------------- */

bool subsystem_needs(const struct subsystem *s, const char *name)
{
    for (const char *const *need = s->needs; need && *need; need++)
        if (strcmp(need_name(*need), name) == 0)
            return true;
    return false;
}

static bool needs_firmly(const struct subsystem *s, const char *name)
{
    for (const char *const *need = s->needs; need && *need; need++)
        if (strcmp(*need, name) == 0)
            return true;
    return false;
}

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

/* From here to domain_leave() the thread works for `s`. */
static const void *domain_enter(const struct subsystem *s)
{
    struct thread *self = thread_current();
    const void *before = self->domain;

    self->domain = s;
    return before;
}

static void domain_leave(const void *before)
{
    thread_current()->domain = before;
}

static void run_init(struct subsystem *s, err_t (*init)(struct subsystem *self))
{
    ns_t begun = clock_monotonic();
    const void *before = domain_enter(s);
    err_t err;

    s->state = SUBSYSTEM_STARTING;
    err = init(s);
    domain_leave(before);
    s->init_ns += clock_monotonic() - begun;
    if (err == 0)
        return;
    fail(s, err, s->failed_need);
    if (err == -ENODEV)
        log_debug("%s: not on this machine", s->name);
    else
        log_err("%s failed to start: %s", s->name, errno_name(err));
}

static void run_pass(struct subsystem *s, err_t (*init)(struct subsystem *self), bool late)
{
    if (is_refused(s, late)) {
        s->refused = true;
        fail(s, -EIO, NULL);
        log_err("%s failed to start: fail= says so", s->name);
        return;
    }
    if (!init)
        return;
    s->pass[late].begun = hal_cycles();
    run_init(s, init);
    s->pass[late].ended = hal_cycles();
}

static void up(struct subsystem *s)
{
    s->state = s->failed_need ? SUBSYSTEM_DEGRADED : SUBSYSTEM_UP;
    s->starts++;
    log_debug("%s is up after %llu us%s%s", s->name, (unsigned long long)(s->init_ns / NS_PER_USEC),
              s->failed_need ? ", without " : "", s->failed_need ? s->failed_need : "");
}

/* Return: whether it failed and that matters. */
static bool failed_badly(const struct subsystem *s)
{
    char reason[96];

    if (s->state != SUBSYSTEM_FAILED)
        return false;
    subsystem_reason(s, reason, sizeof reason);
    if (s->core) {
        console_log_attach(); /* the early console may be gone already */
        panic("%s failed to start (%s), and nothing runs without: %s", s->name, reason, s->core);
    }
    return s->error != -ENODEV;
}

static bool start_one(const struct graph *g, struct subsystem *s, bool late)
{
    if (s->state != SUBSYSTEM_FAILED && needs_met(g, s))
        run_pass(s, late ? s->late_init : s->early_init, late);
    if (late && s->state != SUBSYSTEM_FAILED)
        up(s);
    return failed_badly(s);
}

unsigned graph_start(struct graph *g, bool late)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < g->sorted; i++)
        failed += start_one(g, g->order[i], late);
    return failed;
}

static void shut_down(struct subsystem *s)
{
    const void *before = domain_enter(s);

    s->state = SUBSYSTEM_STOPPING;
    if (s->shutdown)
        s->shutdown(s);
    domain_leave(before);
    s->state = SUBSYSTEM_STOPPED;
}

void graph_stop(struct graph *g)
{
    for (unsigned i = g->sorted; i-- > 0;)
        if (subsystem_is_up(g->order[i]))
            shut_down(g->order[i]);
}

/* --- while the machine runs -------------------------------------------------------------------- */

/* Those that want `s` are degraded without it, and are not when it is back. */
static void wanters_told(const struct graph *g, const struct subsystem *s, bool gone)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct subsystem *w = g->nodes[i];

        if (gone && w->state == SUBSYSTEM_UP && subsystem_needs(w, s->name)) {
            w->failed_need = s->name;
            w->need_lost = true;
            w->state = SUBSYSTEM_DEGRADED;
        } else if (!gone && w->need_lost && strcmp(w->failed_need, s->name) == 0) {
            w->failed_need = NULL;
            w->need_lost = false;
            if (w->state == SUBSYSTEM_DEGRADED)
                w->state = SUBSYSTEM_UP;
        }
    }
}

/* Return: who is up and cannot do without `s`, or NULL. */
static const struct subsystem *user_of(const struct graph *g, const struct subsystem *s)
{
    for (unsigned i = 0; i < g->count; i++)
        if (subsystem_is_up(g->nodes[i]) && needs_firmly(g->nodes[i], s->name))
            return g->nodes[i];
    return NULL;
}

static err_t run_stop(struct subsystem *s)
{
    enum subsystem_state was = s->state;
    const void *before = domain_enter(s);
    err_t err;

    s->state = SUBSYSTEM_STOPPING;
    err = s->stop(s);
    domain_leave(before);
    s->state = err ? was : SUBSYSTEM_STOPPED;
    return err;
}

err_t graph_stop_one(struct graph *g, struct subsystem *s)
{
    const struct subsystem *user = user_of(g, s);
    unsigned left;
    err_t err;

    if (!s->stop)
        return -EOPNOTSUPP;
    if (!subsystem_is_up(s))
        return -EALREADY;
    if (user) {
        log_warn("%s cannot be stopped: %s needs it", s->name, user->name);
        return -EBUSY;
    }
    err = run_stop(s);
    if (err)
        return err;
    left = services_withdraw_of(s);
    if (left)
        log_warn("%s left %u services behind: withdrawn", s->name, left);
    s->failed_need = NULL;
    s->need_lost = false;
    wanters_told(g, s, true);
    log_info("%s is stopped", s->name);
    return 0;
}

err_t graph_start_one(struct graph *g, struct subsystem *s)
{
    if (!s->stop)
        return -EOPNOTSUPP;
    if (subsystem_is_up(s))
        return -EALREADY;
    s->error = 0;
    s->failed_need = NULL;
    s->refused = s->need_lost = false;
    s->init_ns = 0;
    if (!needs_met(g, s))
        return -ENODEV;
    if (s->early_init)
        run_init(s, s->early_init);
    if (s->state != SUBSYSTEM_FAILED && s->late_init)
        run_init(s, s->late_init);
    if (s->state == SUBSYSTEM_FAILED) {
        (void)services_withdraw_of(s);
        return s->error;
    }
    up(s);
    wanters_told(g, s, false);
    return 0;
}

static bool caller_may_control(void)
{
    const struct subsystem *caller = subsystem_current();

    if (!caller || caller->privilege == PRIV_KERNEL)
        return true;
    log_warn("%s may not start or stop subsystems: its privilege is too low", caller->name);
    return false;
}

static err_t control(const char *name, bool stop, bool start)
{
    struct subsystem *s = graph_find(&all, name);
    err_t err = 0;

    if (!s)
        return -ENOENT;
    if (!caller_may_control())
        return -EPERM;
    mutex_lock(&lock);
    if (stop)
        err = graph_stop_one(&all, s);
    if (start && err == 0)
        err = graph_start_one(&all, s);
    mutex_unlock(&lock);
    if (err == -EOPNOTSUPP)
        log_warn("%s cannot be stopped or started while the machine runs", name);
    return err;
}

err_t subsystem_start(const char *name)
{
    return control(name, false, true);
}

err_t subsystem_stop(const char *name)
{
    return control(name, true, false);
}

err_t subsystem_restart(const char *name)
{
    return control(name, true, true);
}

/* --- the kernel's own graph -------------------------------------------------------------------- */

static void pass_ended(bool late)
{
    record.cycles[late] = hal_cycles();
    record.ns[late] = clock_monotonic();
}

unsigned subsystems_init_early(void)
{
    unsigned failed;

    all.nodes = (struct subsystem *const *)__start_registry_subsystem;
    all.count = (unsigned)registry_count(subsystem);
    all.order = kcalloc(all.count, sizeof *all.order);
    if (!all.order)
        panic("no memory for %u subsystems", all.count);
    graph_sort(&all);
    refusals_check(&all);
    record.origin = hal_cycles();
    failed = graph_start(&all, false);
    pass_ended(false);
    return failed;
}

unsigned subsystems_init_late(void)
{
    unsigned failed;

    mutex_lock(&lock);
    failed = graph_start(&all, true);
    mutex_unlock(&lock);
    pass_ended(true);
    return failed;
}

void subsystems_shutdown(void)
{
    mutex_lock(&lock);
    graph_stop(&all);
    mutex_unlock(&lock);
}

const struct subsystem *subsystem_find(const char *name)
{
    return graph_find(&all, name);
}

void subsystem_for_each(bool (*fn)(const struct subsystem *s, void *arg), void *arg)
{
    for (unsigned i = 0; i < all.sorted; i++)
        if (!fn(all.order[i], arg))
            return;
}

const struct subsystem *subsystem_current(void)
{
    return thread_current()->domain;
}

/* --- what people are told ---------------------------------------------------------------------- */

const char *subsystem_state_name(const struct subsystem *s)
{
    static const char *const names[] = { "registered", "starting", "up", "degraded",
                                         "failed", "stopping", "stopped" };

    return s->state == SUBSYSTEM_FAILED && s->error == -ENODEV ? "absent" : names[s->state];
}

static void failure_reason(const struct subsystem *s, char *buf, size_t size)
{
    const char *need = s->failed_need ? s->failed_need : "";

    if (s->refused)
        fmt_snprintf(buf, size, "%s: fail= says so", errno_name(s->error));
    else if (s->error == -ENODEV && s->failed_need)
        fmt_snprintf(buf, size, "not on this machine: no %s", need);
    else if (s->error == -ENODEV)
        fmt_snprintf(buf, size, "not on this machine");
    else if (s->error == -ELOOP)
        fmt_snprintf(buf, size, "ELOOP: cycle of needs through %s", need);
    else if (s->failed_need && s->error == -ENOENT)
        fmt_snprintf(buf, size, "ENOENT: %s is not there", need);
    else
        fmt_snprintf(buf, size, "%s", errno_name(s->error));
}

void subsystem_reason(const struct subsystem *s, char *buf, size_t size)
{
    const char *need = atomic_load_relaxed(&s->failed_need);

    if (s->state == SUBSYSTEM_FAILED)
        failure_reason(s, buf, size);
    else if (s->state == SUBSYSTEM_DEGRADED && need)
        fmt_snprintf(buf, size, "without %s", need);
    else
        str_copy(buf, "-", size);
}

/* The counter's rate is what the clock made of it between the ends of the two passes: it counts before
 * there is a clock.  2^32 times ns per count. */
static uint64_t ns_per_cycle(void)
{
    uint64_t cycles = record.cycles[1] - record.cycles[0];
    ns_t ns = record.ns[1] - record.ns[0];

    while (ns >> 32) {
        ns >>= 1;
        cycles >>= 1;
    }
    return cycles ? (ns << 32) / cycles : 0;
}

static ns_t to_ns(uint64_t cycles)
{
    return (ns_t)((unsigned __int128)cycles * ns_per_cycle() >> 32);
}

bool subsystem_pass_times(const struct subsystem *s, bool late, ns_t *begun, ns_t *took)
{
    const struct subsystem_pass *p = &s->pass[late];

    if (p->ended == 0)
        return false;
    *begun = to_ns(p->begun - record.origin);
    *took = to_ns(p->ended - p->begun);
    return true;
}
