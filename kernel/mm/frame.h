// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: physical memory in frames of 4 KiB.
 *
 * Model: each region of the boot record has a bitmap (1 = free) with summary levels above it (bit n
 * of a level tells whether word n below has a free bit), so that a free frame is found by a few
 * count-trailing-zeros whatever the size.  Single frames go through per-CPU caches.  Beside the
 * bitmap each frame has a struct frame in one virtually contiguous table (FRAME_TABLE_BASE), mapped
 * only where RAM is, so that it is one addition away from its number.
 * Reference counts: frame_alloc gives 1; each page-table entry of a process and each memory object
 * that holds a frame has one; the last frame_put frees it.  Frames of the kernel stay at 1.
 * Out of memory: first other CPUs give what their caches hold, then the shrinkers are asked.
 * An allocation never waits.  It fails, and sets PENDING_MEMORY in the running thread, so
 * that a system call that fails therefore with -ENOMEM begins again after others have died
 * (entry/return.c): there no lock is held any more.
 * Context: never sleeps; interrupts allowed (short irq-off sections inside).
 */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>
#include <hal/mmu.h>

struct boot_record;

struct frame {
    uint32_t refs; /* atomic; 0 = free */
    uint8_t node;
    uint8_t flags; /* FRAME_IS_* */
    uint16_t region; /* index of its region, for the way back */
    void *owner; /* memory object of a page-cache frame, heap block of a heap frame */
};

enum { FRAME_IS_RESERVED = 1u << 0, FRAME_IS_HEAP = 1u << 1, FRAME_IS_TABLE = 1u << 2,
       FRAME_IS_CACHE = 1u << 3 };

/* Flags of an allocation. */
enum {
    FRAME_ZERO = 1u << 0, /* zeroed */
    FRAME_USER = 1u << 1, /* for user memory: leaves the kernel's reserve alone */
    FRAME_NODE_ONLY = 1u << 2, /* fail rather than go to another node */
    FRAME_NO_SHRINK = 1u << 3, /* fail rather than ask the shrinkers; the caller has another way */
};

/* What nodes count, in the order of /sys/devices/system/node/nodeN/numastat. */
enum numa_stat { NUMA_HIT, NUMA_MISS, NUMA_FOREIGN, NUMA_INTERLEAVE_HIT, NUMA_LOCAL, NUMA_OTHER,
                 NUMA_STATS };

/* What frames in use are counted by. */
enum frame_use {
    USE_TABLES, /* page tables */
    USE_STACKS, /* of threads in the kernel */
    USE_PAGES, /* of memory objects */
    USE_BUFFERS, /* of those: of objects that have a device behind them */
    USE_DIRTY, /* of those: not yet written back */
    FRAME_USES
};

/* From the boot record, once, before anything else of mm: maps the frame table with mmu_map under
 * the early page tables and sets the mmu's frame source.  Panics when there is no RAM at all. */
void frame_init(const struct boot_record *rec);
/* Gives a secondary CPU its cache of frames; without one it takes the slow path. */
struct cpu;
void frame_init_cpu(struct cpu *cpu);

/* One frame from the running CPU's node, else the nearest.  Return: PADDR_NONE when out of memory
 * (after shrinkers ran). */
paddr_t __must_check frame_alloc(unsigned flags);
paddr_t __must_check frame_alloc_node(unsigned node, unsigned flags);
/* One frame of a node in `set` (bit n: node n), by their distance from node `from`; never of another. */
paddr_t __must_check frame_alloc_nodes(unsigned from, uint64_t set, unsigned flags);
/* 2^order frames, aligned to their size (order 9: 2 MiB, 18: 1 GiB). */
paddr_t __must_check frame_alloc_order(unsigned order, unsigned flags);
/* `count` contiguous frames whose address is a multiple of align (power of two, bytes). */
paddr_t __must_check frame_alloc_contiguous(size_t count, uint64_t align, unsigned flags);
/* The same from `node` first. */
paddr_t __must_check frame_alloc_contiguous_node(unsigned node, size_t count, uint64_t align,
                                                 unsigned flags);
void frame_free_contiguous(paddr_t pa, size_t count); /* each must have refs == 1 */
/* Up to `count` single frames into out[]; returns how many.  Cheaper than one by one. */
size_t __must_check frame_alloc_bulk(paddr_t *out, size_t count, unsigned flags);

static inline struct frame *frame_of(paddr_t pa)
{
    return (struct frame *)FRAME_TABLE_BASE + PFN(pa);
}

static inline void frame_get(paddr_t pa)
{
    arch_point(); /* between finding a frame and having it */
    __atomic_fetch_add(&frame_of(pa)->refs, 1, __ATOMIC_RELAXED);
}

static inline uint32_t frame_refs(paddr_t pa)
{
    return atomic_load(&frame_of(pa)->refs);
}

void frame_free(paddr_t pa); /* refs has just become 0 */

static inline void frame_put(paddr_t pa)
{
    if (atomic_sub_fetch(&frame_of(pa)->refs, 1) == 0)
        frame_free(pa);
}

/* frame_put for each of frame[0..count); cheaper than one by one. */
void frame_put_bulk(const paddr_t *frame, size_t count);

bool frame_is_ram(paddr_t pa); /* has a struct frame */

uint64_t frame_total(void); /* frames that can be allocated at all */
uint64_t frame_free_count(void); /* per-CPU caches included */
uint64_t frame_node_free(unsigned node); /* per-CPU caches included */
uint64_t frame_node_total(unsigned node); /* of what frame_total() counts */
uint64_t frame_nodes(void); /* the set of those that have memory */
/* `node`, or the nearest one that has memory. */
unsigned frame_near_node(unsigned node);
/* Allocations so far, by Linux's meaning of the names; of all CPUs. */
void frame_node_stats(unsigned node, uint64_t out[NUMA_STATS]);
/* The frame lies where an interleaving policy wanted it. */
void frame_note_interleaved(paddr_t pa);
uint64_t frame_reserve(void); /* what FRAME_USER leaves alone */
bool frame_short(void); /* is so little free that somebody should die for more? */
/* `count` frames, each where frame[] says, begin (by = 1) or end (by = -1) to be used so. */
void frame_use_count(const paddr_t *frame, size_t count, enum frame_use use, int by);
uint64_t frame_used(enum frame_use use); /* frames now, of all nodes */
uint64_t frame_node_used(unsigned node, enum frame_use use);
uint64_t frame_kernel_tables(void); /* of those, the kernel's own: they stay */
/* Gives memory of the boot record (initramfs, loader's tables) to the allocator. */
void frame_release_boot(paddr_t start, uint64_t bytes);
/* Walks everything; true when the invariants hold.  Slow, for tests. */
bool frame_check(void);

/* What frame_trim() is asked for; the bits of Linux's /proc/sys/vm/drop_caches. */
enum {
    TRIM_PAGES = 1u << 0, /* of files, as far as they are clean and a device has them */
    TRIM_OBJECTS = 1u << 1, /* all else: names, the dead, stacks, blocks, frames of all CPUs */
};

/*
 * Caches that can give memory back register here: those of a layer after those that they are made of.
 * A cache in parts of CPUs gives those of all: an allocation must not fail for what another CPU hoards
 * (smp_call() takes it from there, wherever that CPU waits with interrupts off).
 */
struct shrinker {
    const char *name;
    /* Free about `frames` frames.  Never sleeps, may fail.  Return: how many.
     * The allocation that runs it may hold any lock above LOCK_FRAME: only spin_try is allowed.
     * NULL: nothing that can be had in any context. */
    size_t (*shrink)(size_t frames);
    /* Free all of `what` (TRIM_*) that nobody uses.  Context: a thread without any lock; may sleep.
     * NULL: none. */
    void (*trim)(unsigned what);
    struct shrinker *next;
};
void frame_shrinker_add(struct shrinker *s);
/* Asks them for about so many frames.  Return: did any come back? */
bool frame_shrink(size_t frames);
/* Brings the frames of all CPUs' caches into the pool.  Context: any but an NMI.  Return: how many. */
size_t frame_drain(void);
/*
 * All caches give back what they can, the latest registered first, the CPUs' frames at the end: what is then
 * not free is in use.  Context: a thread without any lock; may sleep.
 */
void frame_trim(unsigned what);
