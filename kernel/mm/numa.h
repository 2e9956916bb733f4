// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the memory nodes and their distances.  One node until tables of the firmware say more.
 * Locking: written before other CPUs start, read-only afterwards.
 */
#pragma once

#include <lib/types.h>

#define NODE_MAX 64
#define NODE_LOCAL_DISTANCE 10

struct numa_topology {
    unsigned count;
    uint8_t distance[NODE_MAX][NODE_MAX]; /* 10 = local, as in SLIT */
    uint8_t order[NODE_MAX][NODE_MAX]; /* nodes by distance from each: where to allocate next */
};
extern struct numa_topology numa;

/* Return: 0; -EINVAL for absurd tables (zero, or below 10 off the diagonal). */
err_t numa_set(unsigned count, const uint8_t *distance /* count * count */);
unsigned numa_distance(unsigned from, unsigned to);
