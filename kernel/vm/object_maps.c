// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the regions that map an object.
 *
 * Model: a list, in one part, o->maps, until two meet at its mutex: from then on the object has a part for
 * each of a few CPUs besides, and each CPU puts its new regions into its own.  Forks and exits of one
 * program on different CPUs do not meet then, though all map the same file.
 *
 *     who maps, unmaps, forks, changes bounds        who goes through all of them
 *     one part's mutex                               all parts' mutexes, o->maps first
 *
 * So any part's mutex keeps walkers out of the whole object: a fork that copies entries holds the part that
 * the copy goes to, and a truncation sees parent and child or the parent alone, before anything is copied.
 * Locking: the mutexes sleep: after a space's lock, before all spinlocks.  o->maps_more is set once, with
 * o->maps.lock, so that a walker finds the parts with which it began.
 * Invariants: a region's `maps` is the part that has it, from its insertion to its removal.
 */
#include <hal/cpu.h>
#include <vm/internal.h>

#define MAPS_PARTS 16

static uint64_t parts_bytes; /* atomic */

uint64_t object_maps_bytes(void)
{
    return atomic_load_relaxed(&parts_bytes);
}

void object_maps_init(struct object *o)
{
    mutex_init(&o->maps.lock);
    list_init(&o->maps.regions);
}

static struct object_maps *parts_make(void)
{
    struct object_maps *parts = kmalloc(MAPS_PARTS * sizeof(*parts));

    if (parts == NULL)
        return NULL;
    for (unsigned i = 0; i < MAPS_PARTS; i++) {
        mutex_init(&parts[i].lock);
        list_init(&parts[i].regions);
    }
    atomic_fetch_add(&parts_bytes, kmalloc_cost(parts));
    return parts;
}

/* Somebody is there.  Others that come will have a part of their own, if there is memory for it. */
static __noinline struct object_maps *lock_crowded(struct object *o, struct object_maps *maps)
{
    mutex_lock(&maps->lock);
    if (maps == &o->maps && cpu_count > 1 && o->maps_more == NULL)
        atomic_store(&o->maps_more, parts_make());
    return maps;
}

/* Which CPU it is matters to nobody but the next one that comes. */
struct object_maps *object_maps_lock(struct object *o)
{
    struct object_maps *more = atomic_load(&o->maps_more), *maps = &o->maps;

    if (unlikely(more != NULL))
        maps = &more[hal_current()->cpu->id % MAPS_PARTS];
    return likely(mutex_try(&maps->lock)) ? maps : lock_crowded(o, maps);
}

void object_maps_add(struct object_maps *maps, struct region *r)
{
    r->maps = maps;
    list_add_tail(&maps->regions, &r->object_link);
}

void object_maps_remove(struct region *r)
{
    mutex_lock(&r->maps->lock);
    list_del(&r->object_link);
    mutex_unlock(&r->maps->lock);
}

static bool part_walk(struct object_maps *maps, bool (*fn)(struct region *r, void *arg), void *arg)
{
    struct region *r;

    list_for_each (r, &maps->regions, object_link)
        if (!fn(r, arg))
            return false;
    return true;
}

void object_maps_walk(struct object *o, bool (*fn)(struct region *r, void *arg), void *arg)
{
    struct object_maps *more;
    unsigned parts;
    bool on;

    mutex_lock(&o->maps.lock);
    more = o->maps_more;
    parts = more != NULL ? MAPS_PARTS : 0;
    for (unsigned i = 0; i < parts; i++)
        mutex_lock(&more[i].lock);
    on = part_walk(&o->maps, fn, arg);
    for (unsigned i = 0; i < parts && on; i++)
        on = part_walk(&more[i], fn, arg);
    for (unsigned i = 0; i < parts; i++)
        mutex_unlock(&more[i].lock);
    mutex_unlock(&o->maps.lock);
}

void object_maps_fini(struct object *o)
{
    K_ASSERT(list_empty(&o->maps.regions));
    for (unsigned i = 0; o->maps_more != NULL && i < MAPS_PARTS; i++)
        K_ASSERT(list_empty(&o->maps_more[i].regions));
    if (o->maps_more != NULL)
        atomic_fetch_sub(&parts_bytes, kmalloc_cost(o->maps_more));
    kfree(o->maps_more);
    o->maps_more = NULL;
}
