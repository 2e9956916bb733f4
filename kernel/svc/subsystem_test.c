// SPDX-License-Identifier: CC0-1.0
/* Purpose: the graph of subsystems: order, cycles, missing names, degraded starts, shutdown. */
#include <svc/graph.h>

#include <core/ktest.h>
#include <lib/string.h>

static char trace[64]; /* first letters of the nodes in the order of their calls */

static err_t note(struct subsystem *s)
{
    size_t n = strlen(trace);

    trace[n] = s->name[0];
    trace[n + 1] = '\0';
    return 0;
}

static err_t note_fail(struct subsystem *s)
{
    (void)note(s);
    return -EIO;
}

static err_t note_nodev(struct subsystem *s)
{
    (void)note(s);
    return -ENODEV;
}

static void note_stop(struct subsystem *s)
{
    (void)note(s);
}

static struct subsystem *order[8];

static struct graph graph_of(struct subsystem *const *nodes, unsigned count)
{
    struct graph g = { .nodes = nodes, .count = count, .order = order };

    trace[0] = '\0';
    graph_sort(&g);
    return g;
}

#define NEEDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NODE(n, ...) { .name = n, .late_init = note, .shutdown = note_stop, .needs = NEEDS(__VA_ARGS__) }
#define LEAF(n) { .name = n, .late_init = note, .shutdown = note_stop }

KTEST(subsystem, order_and_reverse_shutdown)
{
    struct subsystem a = NODE("a", "b", "c"), b = NODE("b", "d"), c = NODE("c", "d"), d = LEAF("d");
    struct subsystem *nodes[] = { &a, &b, &c, &d };
    struct graph g = graph_of(nodes, 4);

    KTEST_EQ(graph_start(&g, true), 0);
    KTEST_STR_EQ(trace, "dbca");
    KTEST_EQ(a.state, SUBSYSTEM_UP);
    trace[0] = '\0';
    graph_stop(&g);
    KTEST_STR_EQ(trace, "acbd");
    KTEST_EQ(a.state, SUBSYSTEM_STOPPED);
    graph_stop(&g);
    KTEST_STR_EQ(trace, "acbd"); /* each only once */
}

KTEST(subsystem, cycle_fails_by_name)
{
    struct subsystem a = NODE("a", "b"), b = NODE("b", "c"), c = NODE("c", "b"), d = LEAF("d");
    struct subsystem *nodes[] = { &a, &b, &c, &d };
    struct graph g = graph_of(nodes, 4);

    KTEST_EQ(graph_start(&g, true), 3);
    KTEST_STR_EQ(trace, "d");
    KTEST_EQ(b.error, -ELOOP);
    KTEST_STR_EQ(b.failed_need, "c");
    KTEST_STR_EQ(c.failed_need, "b");
    KTEST_EQ(a.error, -ENOENT); /* needs one of the cycle */
    KTEST_STR_EQ(a.failed_need, "b");
}

KTEST(subsystem, self_cycle)
{
    struct subsystem a = NODE("a", "a");
    struct subsystem *nodes[] = { &a };
    struct graph g = graph_of(nodes, 1);

    KTEST_EQ(graph_start(&g, true), 1);
    KTEST_EQ(a.error, -ELOOP);
}

KTEST(subsystem, optional_cycle_is_cut)
{
    struct subsystem a = NODE("a", "b"), b = NODE("b", "?a");
    struct subsystem *nodes[] = { &a, &b };
    struct graph g = graph_of(nodes, 2);

    KTEST_EQ(graph_start(&g, true), 0);
    KTEST_STR_EQ(trace, "ba");
}

KTEST(subsystem, missing_name_fails_dependents)
{
    struct subsystem a = NODE("a", "b"), b = NODE("b", "nowhere"), c = LEAF("c");
    struct subsystem *nodes[] = { &a, &b, &c };
    struct graph g = graph_of(nodes, 3);

    KTEST_EQ(graph_start(&g, true), 2);
    KTEST_STR_EQ(trace, "c");
    KTEST_STR_EQ(b.failed_need, "nowhere");
    KTEST_EQ(a.state, SUBSYSTEM_FAILED);
}

KTEST(subsystem, degraded_without_wanted)
{
    struct subsystem a = NODE("a", "?nowhere"), b = NODE("b", "?c");
    struct subsystem c = { .name = "c", .late_init = note_fail };
    struct subsystem *nodes[] = { &a, &b, &c };
    struct graph g = graph_of(nodes, 3);

    KTEST_EQ(graph_start(&g, true), 1);
    KTEST_EQ(a.state, SUBSYSTEM_DEGRADED);
    KTEST_STR_EQ(a.failed_need, "nowhere");
    KTEST_EQ(b.state, SUBSYSTEM_DEGRADED);
    KTEST_EQ(c.error, -EIO);
}

KTEST(subsystem, absent_hardware_is_no_failure)
{
    struct subsystem a = NODE("a", "b");
    struct subsystem b = { .name = "b", .early_init = note_nodev };
    struct subsystem *nodes[] = { &a, &b };
    struct graph g = graph_of(nodes, 2);

    KTEST_EQ(graph_start(&g, false), 0);
    KTEST_EQ(graph_start(&g, true), 0);
    KTEST_STR_EQ(trace, "b");
    KTEST_EQ(a.state, SUBSYSTEM_FAILED);
    KTEST_EQ(a.error, -ENODEV);
}

KTEST(subsystem, early_failure_stops_late)
{
    struct subsystem a = NODE("a", "b");
    struct subsystem b = { .name = "b", .early_init = note_fail, .late_init = note };
    struct subsystem *nodes[] = { &a, &b };
    struct graph g = graph_of(nodes, 2);

    KTEST_EQ(graph_start(&g, false), 2);
    KTEST_EQ(graph_start(&g, true), 2);
    KTEST_STR_EQ(trace, "b");
}

/* --- while the machine runs --- */

static err_t note_end(struct subsystem *s)
{
    return note(s);
}

static err_t refuse_end(struct subsystem *s)
{
    (void)note(s);
    return -EBUSY;
}

KTEST(subsystem, stop_and_start_again)
{
    struct subsystem a = { .name = "a", .early_init = note, .late_init = note, .stop = note_end };
    struct subsystem b = NODE("b", "?a");
    struct subsystem *nodes[] = { &a, &b };
    struct graph g = graph_of(nodes, 2);
    char reason[64];

    KTEST_EQ(graph_start(&g, false), 0);
    KTEST_EQ(graph_start(&g, true), 0);
    trace[0] = '\0';
    KTEST_EQ(graph_start_one(&g, &a), -EALREADY);
    KTEST_EQ(graph_stop_one(&g, &b), -EOPNOTSUPP);
    KTEST_EQ(graph_start_one(&g, &b), -EOPNOTSUPP);
    KTEST_EQ(graph_stop_one(&g, &a), 0);
    KTEST_EQ(graph_stop_one(&g, &a), -EALREADY);
    KTEST_EQ(a.state, SUBSYSTEM_STOPPED);
    KTEST_EQ(b.state, SUBSYSTEM_DEGRADED);
    subsystem_reason(&b, reason, sizeof reason);
    KTEST_STR_EQ(reason, "without a");
    KTEST_EQ(graph_start_one(&g, &a), 0);
    KTEST_EQ(a.state, SUBSYSTEM_UP);
    KTEST_EQ(b.state, SUBSYSTEM_UP);
    KTEST_EQ(a.starts, 2);
    KTEST_STR_EQ(trace, "aaa"); /* stop, and both inits */
}

KTEST(subsystem, stop_is_refused_while_needed)
{
    struct subsystem a = { .name = "a", .stop = note_end }, b = { .name = "b", .needs = NEEDS("a"), .stop = note_end };
    struct subsystem *nodes[] = { &a, &b };
    struct graph g = graph_of(nodes, 2);

    KTEST_EQ(graph_start(&g, true), 0);
    KTEST_EQ(graph_stop_one(&g, &a), -EBUSY);
    KTEST_EQ(a.state, SUBSYSTEM_UP);
    KTEST_EQ(graph_stop_one(&g, &b), 0);
    KTEST_EQ(graph_stop_one(&g, &a), 0);
    KTEST_EQ(graph_start_one(&g, &b), -ENODEV);
    KTEST_EQ(b.state, SUBSYSTEM_FAILED);
    KTEST_STR_EQ(b.failed_need, "a");
    KTEST_EQ(graph_start_one(&g, &a), 0);
    KTEST_EQ(graph_start_one(&g, &b), 0);
}

KTEST(subsystem, stop_that_declines_changes_nothing)
{
    struct subsystem a = { .name = "a", .stop = refuse_end };
    struct subsystem *nodes[] = { &a };
    struct graph g = graph_of(nodes, 1);

    KTEST_EQ(graph_start(&g, true), 0);
    KTEST_EQ(graph_stop_one(&g, &a), -EBUSY);
    KTEST_EQ(a.state, SUBSYSTEM_UP);
}
