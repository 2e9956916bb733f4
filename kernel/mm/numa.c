// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the distance matrix and what follows from it: from each node, all nodes by distance.
 * Locking: written at boot, read-only afterwards.
 */
#include <lib/string.h>
#include <mm/numa.h>

struct numa_topology numa = { .count = 1, .distance = { { NODE_LOCAL_DISTANCE } } };

static bool matrix_sound(unsigned count, const uint8_t *distance)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < count; j++) {
            uint8_t d = distance[i * count + j];

            if (i == j ? d != NODE_LOCAL_DISTANCE : d <= NODE_LOCAL_DISTANCE)
                return false;
        }
    return true;
}

/* Insertion sort of the nodes by their distance from `from`; equals keep their numbers' order. */
static void order_make(unsigned from)
{
    uint8_t *order = numa.order[from];
    const uint8_t *distance = numa.distance[from];

    for (unsigned n = 0; n < numa.count; n++) {
        unsigned at = n;

        for (; at > 0 && distance[order[at - 1]] > distance[n]; at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)n;
    }
}

err_t numa_set(unsigned count, const uint8_t *distance)
{
    if (count == 0 || count > NODE_MAX || !matrix_sound(count, distance))
        return -EINVAL;
    numa.count = count;
    for (unsigned i = 0; i < count; i++)
        memcpy(numa.distance[i], distance + i * count, count);
    for (unsigned i = 0; i < count; i++)
        order_make(i);
    return 0;
}

unsigned numa_distance(unsigned from, unsigned to)
{
    return from < numa.count && to < numa.count ? numa.distance[from][to] : 255;
}
