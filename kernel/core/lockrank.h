// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the order of all spinlocks.  A CPU that holds a lock takes only locks further down this
 * list.  Two locks of one rank are never held together, except where the line says in which order
 * (then the second is taken with spin_lock_nested semantics of its owner).
 * Sleeping mutexes (sched/mutex.h) are all taken before any spinlock.
 */
#pragma once

#include <lib/types.h>

#define LOCK_RANKS(X)                                                                              \
    X(LOCK_THREADS)      /* all threads: a big-reader lock (brlock.h) */                           \
    X(LOCK_THREADS_PART) /* a part of their list */                                                \
    X(LOCK_TTY)          /* a terminal's line state */                                             \
    X(LOCK_PROC_TREE)    /* parents, children, groups, sessions, ids: a big-reader lock */         \
    X(LOCK_FAMILY)       /* one process' children */                                               \
    X(LOCK_GROUP)        /* the list of a process group's members */                               \
    X(LOCK_SIGNAL)       /* one process' signal state */                                           \
    X(LOCK_SIGHAND)      /* actions that processes share */                                        \
    X(LOCK_FILES)        /* one file-descriptor table */                                           \
    X(LOCK_FS)           /* dentry hash, mounts, roots: a big-reader lock (brlock.h) */            \
    X(LOCK_FS_CONTEXTS)  /* a part of the list of roots and current directories */                 \
    X(LOCK_INODE)        /* one inode's small state */                                             \
    X(LOCK_PIPE)         /* one pipe, socket, eventfd */                                           \
    X(LOCK_SPACE)        /* one address space's page tables */                                     \
    X(LOCK_OBJECTS)      /* look-ups of pages in memory objects: a big-reader lock */              \
    X(LOCK_OBJECT)       /* one memory object's pages */                                           \
    X(LOCK_FUTEX)        /* a futex bucket (two: ascending address) */                             \
    X(LOCK_FUTEX_PI)     /* owners and waiters of futexes that lend priority */                    \
    X(LOCK_SVC)          /* service table */                                                       \
    X(LOCK_DEVICE)       /* a driver's registers */                                                \
    X(LOCK_WAITQ)        /* a wait queue */                                                        \
    X(LOCK_EPOLL)        /* an epoll's ready list: taken by callbacks of wait queues */            \
    X(LOCK_TIMER)        /* a CPU's timer queue */                                                 \
    X(LOCK_THREAD)       /* one thread's scheduling state */                                       \
    X(LOCK_RUNQ)         /* a CPU's run queues (two: ascending CPU) */                             \
    X(LOCK_IRQ)          /* interrupt table */                                                     \
    X(LOCK_IRQCHIP)      /* an interrupt controller's registers */                                 \
    X(LOCK_PCI)          /* ports that PCI's configuration is reached through */                   \
    X(LOCK_VMAP)         /* kernel virtual areas and page tables */                                \
    X(LOCK_HEAP)         /* the kernel heap */                                                     \
    X(LOCK_FRAME)        /* the frame allocator */                                                 \
    X(LOCK_RANDOM)       /* entropy pool */                                                        \
    X(LOCK_CONSOLE)      /* a console's output registers */                                        \
    X(LOCK_LOG)          /* the log */

enum lock_rank {
#define X(name) name,
    LOCK_RANKS(X)
#undef X
    LOCK_RANK_COUNT
};

extern const char *const lock_rank_name[LOCK_RANK_COUNT];

/* Debug builds count, for each rank: locks taken, of them contended, and turns of waiting. */
struct lock_stat {
    uint64_t taken, contended, spins;
};
/* Adds up the CPUs' counts.  Return: false when this build does not count. */
bool lock_stat_get(enum lock_rank rank, struct lock_stat *out);
