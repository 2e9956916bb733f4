// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interleavings of look-ups of an object's pages, which take no lock that others take, with those
 * who take pages away; and of who maps an object with who goes through its mappings.
 *
 * Model: page i holds content(i) and nothing else.  A frame that was given to somebody else while a look-up
 * had it holds something else, or nothing refers to it.
 */
#include <boot/explore.h>

#include <hal/usercopy.h>
#include <lib/string.h>
#include <vm/internal.h>
#include <vm/radix.h>

#include <linux/mman.h>

#define ROUNDS 4
#define VA 0x50000000ul
#define FAR 70u /* a page behind another node than page 0 is */
#define BYTES ((FAR + 1) * PAGE_SIZE)
#define OWN 0x0111u /* what a program writes into its copy of page 1 */

static struct object *object;

static uint32_t content(uint64_t index)
{
    return 0xc0de0000u + (uint32_t)index;
}

static err_t page_read(struct object *o, uint64_t index, paddr_t frame)
{
    (void)o;
    explore_point();
    *(uint32_t *)phys_to_virt(frame) = content(index);
    return 0;
}

static const struct pager pager = { .read_page = page_read };

static void object_prepare(void)
{
    object = object_create(&pager, NULL, BYTES);
    explore_must(object != NULL);
}

static const char *object_check(void)
{
    object_truncate(object, 0);
    if (object->pages != 0 || object->root != 0)
        return "pages stayed";
    object_put(object);
    return NULL;
}

/* Page 0 is found without any node while it is alone. */
static uint64_t some_page(void)
{
    return explore_random(2) ? 0 : explore_random(2) ? 1 : FAR;
}

static void page_use(paddr_t pa, uint64_t index)
{
    const uint32_t *word = phys_to_virt(pa);

    explore_must(atomic_load(word) == content(index));
    explore_must(atomic_load(word) == content(index));
    frame_put(pa);
}

/* --- look-ups -------------------------------------------------------------------------------- */

static void look_up(void)
{
    uint64_t index = some_page();
    paddr_t pa[2];

    if (explore_random(3) == 0) {
        for (unsigned n = object_pages_present(object, index, pa, 2); n > 0; n--)
            page_use(pa[n - 1], index + n - 1);
        return;
    }
    explore_must(object_page(object, index, OBJECT_CREATE, &pa[0]) == 0);
    page_use(pa[0], index);
}

static void take_away(uint64_t *hand)
{
    if (explore_random(2) == 0) {
        (void)object_evict(object, hand, 2);
        return;
    }
    object_truncate(object, explore_random(2) * PAGE_SIZE);
    object_truncate(object, BYTES);
}

static void lookup_work(unsigned id)
{
    uint64_t hand = 0;

    for (unsigned i = 0; i < 2 * ROUNDS; i++)
        if (id < 2)
            take_away(&hand);
        else
            look_up();
}

EXPLORE(lookup, .name = "object.lookup", .workers = 4, .prepare = object_prepare, .work = lookup_work,
        .check = object_check);
EXPLORE(lookup_free, .name = "object.lookup_moving", .workers = 6, .flags = EXPLORE_FREE,
        .prepare = object_prepare, .work = lookup_work, .check = object_check);

/* Finds a page and takes a reference, but is no reader meanwhile. */
static void look_up_unmarked(void)
{
    slot_t value = atomic_load(&object->root);

    if (value == 0) {
        look_up();
        return;
    }
    if (!slot_ready(value))
        return; /* a node, or being read */
    explore_point();
    explore_must(atomic_fetch_add(&frame_of(slot_frame(value))->refs, 1) != 0);
    page_use(slot_frame(value), 0);
}

static void unmarked_work(unsigned id)
{
    uint64_t hand = 0;

    for (unsigned i = 0; i < 2 * ROUNDS; i++)
        if (id == 0)
            take_away(&hand);
        else
            look_up_unmarked();
}

EXPLORE(lookup_unmarked, .name = "object.lookup!without_a_mark", .broken = true, .workers = 3,
        .prepare = object_prepare, .work = unmarked_work);

/* Takes pages out with the object's lock alone.  Nodes stay: reading one that is gone ends the explorer. */
static void take_unannounced(void)
{
    paddr_t pa[2];
    uint64_t next = 0;
    unsigned n;

    spin_lock(&object->lock);
    n = radix_take(object, &next, 1, pa, 1);
    spin_unlock(&object->lock);
    for (unsigned i = 0; i < n; i++) {
        object_frame_disown(pa[i]);
        *(uint32_t *)phys_to_virt(pa[i]) = 0;
        explore_must(frame_refs(pa[i]) > 0);
        frame_put(pa[i]);
    }
}

static void unannounced_work(unsigned id)
{
    paddr_t pa;

    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        if (id == 0) {
            take_unannounced();
            continue;
        }
        explore_must(object_page(object, 0, OBJECT_CREATE, &pa) == 0);
        explore_must(frame_refs(pa) > 1 || !(frame_of(pa)->flags & FRAME_IS_CACHE));
        frame_put(pa);
    }
}

EXPLORE(lookup_unannounced, .name = "object.lookup!taken_among_readers", .broken = true, .workers = 4,
        .prepare = object_prepare, .work = unannounced_work);

/* --- faults and forks ------------------------------------------------------------------------ */

static struct space *spaces[2];
static uint32_t emptied; /* atomic; odd: the object's size is 0 */

static void faults_prepare(void)
{
    struct map_request q = { .addr = VA, .length = BYTES, .map_flags = MAP_FIXED | MAP_PRIVATE,
                             .vm_flags = VM_READ | VM_WRITE | VM_MAY_READ | VM_MAY_WRITE };
    vaddr_t at;

    object_prepare();
    q.object = object;
    for (unsigned i = 0; i < 2; i++) {
        spaces[i] = space_create();
        explore_must(spaces[i] != NULL && space_map(spaces[i], &q, &at) == 0);
    }
}

static void faults_take_away(uint64_t *hand)
{
    if (explore_random(3) == 0) {
        (void)object_evict(object, hand, 2);
        return;
    }
    object_truncate(object, 0);
    atomic_add_fetch(&emptied, 1);
    for (unsigned n = explore_random(6); n > 0; n--)
        hal_relax();
    atomic_add_fetch(&emptied, 1);
    object_truncate(object, BYTES);
}

/* Page 1 is a copy when somebody in this space has written to it. */
static void program_access(void)
{
    uint32_t before = atomic_load(&emptied), v = 0;
    uint64_t index = some_page();
    bool write = index == 1 && explore_random(2) == 0;
    err_t err = write ? user_store_u32(USER_PTR(uint32_t, VA + PAGE_SIZE), OWN)
                      : user_load_u32(USER_PTR(uint32_t, VA + index * PAGE_SIZE), &v);

    explore_must(write || err || v == content(index) || (index == 1 && v == OWN));
    if (before % 2 == 1 && atomic_load(&emptied) == before)
        explore_must(err != 0);
}

static void program_fork(struct space *s)
{
    struct space *child;

    explore_must(space_fork(s, &child) == 0);
    space_activate(child);
    program_access();
    space_activate(s);
    space_put(child);
}

/* Page 0 becomes a region of its own and is joined again with the others. */
static void program_split(struct space *s)
{
    explore_must(space_protect(s, VA, PAGE_SIZE, VM_READ) == 0);
    program_access();
    explore_must(space_protect(s, VA, PAGE_SIZE, VM_READ | VM_WRITE) == 0);
    program_access();
}

static void faults_work(unsigned id)
{
    struct space *s = spaces[id % 2];
    uint64_t hand = 0;

    space_activate(s);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0)
            faults_take_away(&hand);
        else if (explore_random(3) == 0)
            program_fork(s);
        else if (explore_random(3) == 0)
            program_split(s);
        else
            program_access();
    }
    space_activate(NULL);
}

static const char *faults_check(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!space_check(spaces[i]))
            return "a space is unsound";
        space_put(spaces[i]);
    }
    return object_check();
}

EXPLORE(faults, .name = "object.faults", .workers = 4, .prepare = faults_prepare, .work = faults_work,
        .check = faults_check);
EXPLORE(faults_free, .name = "object.faults_moving", .workers = 5, .flags = EXPLORE_FREE,
        .prepare = faults_prepare, .work = faults_work, .check = faults_check);

/* --- mappings -------------------------------------------------------------------------------- */

static struct region maps_regions[EXPLORE_WORKERS]; /* with an address and a twin that says the same */

static bool region_seen(struct region *r, void *count)
{
    vaddr_t start = r->start;

    explore_point();
    explore_must(r->end == start);
    ++*(unsigned *)count;
    return true;
}

static void region_come_and_go(struct region *r)
{
    struct object_maps *maps = object_maps_lock(object);

    object_maps_add(maps, r);
    r->start++;
    explore_point();
    r->end++;
    mutex_unlock(&maps->lock);
    object_maps_remove(r);
}

static void maps_work(unsigned id)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < ROUNDS; i++)
        if (id == 0)
            object_maps_walk(object, region_seen, &seen);
        else
            region_come_and_go(&maps_regions[id]);
}

EXPLORE(maps, .name = "object.maps", .workers = 5, .prepare = object_prepare, .work = maps_work,
        .check = object_check);

/* Goes through what is there with the mutex of the first part alone. */
static void maps_walk_one(unsigned id)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id != 0) {
            region_come_and_go(&maps_regions[id]);
            continue;
        }
        mutex_lock(&object->maps.lock);
        for (unsigned n = 1; n < EXPLORE_WORKERS; n++)
            (void)region_seen(&maps_regions[n], &seen);
        mutex_unlock(&object->maps.lock);
    }
}

EXPLORE(maps_one, .name = "object.maps!locks_one_part", .broken = true, .workers = 5,
        .prepare = object_prepare, .work = maps_walk_one);
