// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the graph of subsystems, apart from the registry, so that tests can build their own.
 * For svc/ alone.
 */
#pragma once

#include <svc/subsystem.h>

struct graph {
    struct subsystem *const *nodes; /* in order of registration */
    unsigned count;
    struct subsystem **order; /* room for count; filled by graph_sort */
    unsigned sorted;
};

/* Sorts: each node behind what it needs.  Nodes of a cycle and nodes that need an unknown name are
 * FAILED with failed_need set, and logged. */
void graph_sort(struct graph *g);
struct subsystem *graph_find(const struct graph *g, const char *name);
/* Starts all in order: early_init, or late_init after which a node is UP or DEGRADED.
 * Return: number that failed (-ENODEV does not count). */
unsigned graph_start(struct graph *g, bool late);
void graph_stop(struct graph *g);
/* One of them, later: see subsystem_stop() and subsystem_start(). */
err_t __must_check graph_stop_one(struct graph *g, struct subsystem *s);
err_t __must_check graph_start_one(struct graph *g, struct subsystem *s);
