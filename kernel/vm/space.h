// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the address space of a process: a tree of regions over memory objects.
 *
 * Model: three nouns.  A region is [start, end) with rights, flags and either nothing (anonymous
 * private) or an object and an offset in it.  Regions do not overlap; neighbours that could be one
 * are merged.  Page tables are only a cache of this.
 * Private anonymous frames hang in the page tables: a frame whose count is 1 belongs to the one
 * table that holds it; fork adds a reference for the child and takes the write right from both; a
 * write fault on a frame with count 1 just gives the right back, else copies.
 * Locking: `lock` (rwlock, sleeps): readers fault, writers change the tree.  `pt_lock`
 * (LOCK_SPACE): entries of the page tables.  A fault holds lock as reader all the time.
 * Invariants (space_check): (1) regions sorted, aligned, inside [USER_MIN, USER_TOP); (2) counts
 * add up; (3) no entry maps an address outside a region; (4) a writable entry's frame has no other
 * private owner.
 */
#pragma once

#include <hal/mmu.h>
#include <lib/list.h>
#include <lib/tree.h>
#include <sched/mutex.h>
#include <vm/object.h>

struct file; /* fs/ */
struct mempolicy;

enum {
    VM_READ = 1u << 0, /* same bits as PROT_* */
    VM_WRITE = 1u << 1,
    VM_EXEC = 1u << 2,
    VM_SHARED = 1u << 3,
    VM_STACK = 1u << 4, /* grows down on faults below it */
    VM_MAY_READ = 1u << 5, /* mprotect may give these */
    VM_MAY_WRITE = 1u << 6,
    VM_MAY_EXEC = 1u << 7,
    VM_LOCKED = 1u << 8, /* mlock */
    VM_DONTFORK = 1u << 9,
    VM_WIPEONFORK = 1u << 10,
    VM_NORESERVE = 1u << 11,
    VM_SPECIAL = 1u << 12, /* vDSO, vvar: fixed frames, no unmap of parts by fork rules */
    VM_HEAP = 1u << 13, /* made by brk */
    VM_NOHUGE = 1u << 14,
    VM_DONTDUMP = 1u << 15,
};

/* Reference counts of mapped files, one for each region, by who owns them (fs/ registers at boot).
 * Context: may sleep; the space's lock is held. */
struct vm_file_ops {
    void (*get)(struct file *f);
    void (*put)(struct file *f);
};
extern const struct vm_file_ops *vm_file_ops;

struct region {
    struct tree_node node; /* space->lock */
    vaddr_t start, end; /* space->lock */
    unsigned flags; /* VM_*; space->lock */
    /* start, end and offset change with maps->lock held as well. */
    struct object *object; /* NULL: private anonymous; has a reference; constant */
    uint64_t offset; /* of `start` in the object, bytes; space->lock */
    pte_t entry; /* with the region's rights and address 0; space->lock */
    struct file *file; /* for maps and msync; reference through vm_file_ops; may be NULL */
    struct space *space;
    struct object_maps *maps; /* which part of the object's mappings it is in; constant there */
    struct list object_link; /* maps->lock */
    const char *name; /* "[heap]", "[vdso]" or NULL; static storage */
    paddr_t special; /* VM_SPECIAL: the frame of offset 0 */
    uint64_t gap, gap_max; /* free bytes below it; the largest in its subtree; space->lock */
    struct mempolicy *policy; /* of mbind, with a reference; NULL: none; space->lock */
    /* Where entries may be: all else below the region is empty.  low >= high: everything is.  May go beyond
     * start and end.  Changed with space->lock and pt_lock held, or with space->lock held for writing. */
    vaddr_t touched_low, touched_high;
    uint32_t has_anon; /* private frames may hang below it: fork must copy; atomic, only set */
};

struct space {
    struct hal_space hal;
    struct rwlock lock;
    struct spinlock pt_lock;
    refcount_t refs;
    struct tree regions; /* lock */
    struct region *last_found; /* cache of look-ups; atomic; cleared by writers */
    struct region *placed_below; /* where the last search for a hole ended; lock */
    unsigned region_count; /* lock */
    uint64_t resident_anon, resident_file, resident_shared; /* pages; pt_lock */
    uint64_t resident_max;
    uint64_t total_pages, locked_pages, data_pages, stack_pages, exec_pages; /* lock */
    vaddr_t brk_start, brk; /* lock */
    vaddr_t mmap_top; /* where top-down search starts; constant after exec */
    vaddr_t stack_top;
    vaddr_t arg_start, arg_end, env_start, env_end; /* for procfs; lock */
    vaddr_t vdso; /* address of the vDSO image */
    uint64_t auxv[64]; /* for /proc/PID/auxv; constant after exec */
    unsigned auxv_words;
    unsigned map_flags_all; /* mlockall(MCL_FUTURE): VM_LOCKED for new regions; lock */
    uint64_t limit_as, limit_data, limit_stack, limit_memlock; /* RLIMIT_*; bytes; atomic */
    struct file *exe; /* /proc/PID/exe; reference through vm_file_ops; lock */
    uint32_t membarrier; /* registrations, MEMBARRIER_CMD_REGISTER_*; atomic */
    uint32_t oom_kill; /* atomic: being killed for memory, faults fail at once */
};

/* Makes the zero page; once, at boot, after frame_init. */
void vm_init(void);

/* Regions that a space may have (vm.max_map_count); atomic. */
extern unsigned vm_max_map_count;

struct space *__must_check space_create(void); /* NULL: out of memory */
void space_get(struct space *s);
void space_put(struct space *s); /* last: unmaps all, frees tables; may sleep */
/* Copy-on-write duplicate of the running process' space.  0, -ENOMEM (nothing leaks). */
err_t __must_check space_fork(struct space *parent, struct space **out);
/* Makes `s` the running thread's space (exec); returns with it loaded. */
void space_activate(struct space *s);

struct map_request {
    vaddr_t addr; /* hint, or exact with MAP_FIXED */
    size_t length; /* bytes, > 0 */
    unsigned vm_flags; /* VM_* including VM_MAY_* */
    int map_flags; /* MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE, MAP_GROWSDOWN ... of <linux/mman.h> */
    struct object *object; /* NULL: anonymous (VM_SHARED: an object is made) */
    uint64_t offset;
    struct file *file;
    const char *name;
    vaddr_t below; /* not 0: end of the place it may be given (MAP_32BIT) */
    bool may_lock; /* privileged: RLIMIT_MEMLOCK does not count */
};

/* 0 with *out the address; -ENOMEM, -EINVAL, -EEXIST (NOREPLACE), -EPERM, -EAGAIN (locked). */
err_t __must_check space_map(struct space *s, const struct map_request *r, vaddr_t *out);
/* As munmap(2): holes are fine.  0, -EINVAL, -ENOMEM (a split needs memory). */
err_t space_unmap(struct space *s, vaddr_t addr, size_t length);
/* Removes what is left of a mapping that began at addr, of a file of which is() holds (shmdt).
 * 0, -EINVAL: there is none. */
err_t space_unmap_mapping(struct space *s, vaddr_t addr, bool (*is)(const struct file *f));
/* As mprotect(2): 0, -EINVAL, -ENOMEM (hole), -EACCES. */
err_t space_protect(struct space *s, vaddr_t addr, size_t length, unsigned prot);
err_t space_remap(struct space *s, vaddr_t old, size_t old_len, size_t new_len, int flags,
                  vaddr_t new_addr, vaddr_t *out); /* mremap(2) */
err_t space_advise(struct space *s, vaddr_t addr, size_t length, int advice); /* madvise(2) */
vaddr_t space_brk(struct space *s, vaddr_t addr); /* brk(2): the break afterwards */
/* As mincore(2): one byte for each page into vec (kernel memory). 0, -ENOMEM (hole). */
err_t space_mincore(struct space *s, vaddr_t addr, size_t pages, uint8_t *vec);
/* mlock2(2) and munlock(2): sets or clears VM_LOCKED; with `populate` faults all in.
 * limit: bytes that may be locked (UINT64_MAX: a privileged caller). 0, -ENOMEM, -EPERM, -EAGAIN. */
err_t space_lock_range(struct space *s, vaddr_t addr, size_t length, bool on, bool populate,
                       uint64_t limit);
/* mlockall(2), munlockall(2); flags: MCL_*, 0 unlocks. 0, -ENOMEM, -EPERM. */
err_t space_lock_all(struct space *s, int flags, uint64_t limit);
/* Faults [addr, addr + length) in, as far as it can be. 0, -ENOMEM (hole), -EFAULT, -EAGAIN. */
err_t space_populate(struct space *s, vaddr_t addr, size_t length, bool write);
/* The vDSO and its data page, read-only; sets s->vdso. */
err_t space_map_vdso(struct space *s);

/* Region that holds addr, or the first above it; NULL.  Caller holds s->lock. */
struct region *space_find(struct space *s, vaddr_t addr);
struct region *region_next(const struct region *r);

/* What became of a fault. */
enum fault_result {
    FAULT_RESOLVED,
    FAULT_SIGSEGV_MAPERR,
    FAULT_SIGSEGV_ACCERR,
    FAULT_SIGBUS, /* beyond the end of the file, or an I/O error */
    FAULT_OOM, /* the process was chosen to die, or nothing could be freed */
    FAULT_RETRY_SIGNAL, /* a fatal signal came while waiting */
};
/*
 * Resolves a fault of the running thread at addr (access: FAULT_* of hal/upcall.h).
 * Context: thread; may sleep; no locks held.
 */
enum fault_result space_fault(struct space *s, vaddr_t addr, unsigned access);
/* Explains a fault in one line: nearest regions and their rights, into buf. */
void space_describe(struct space *s, vaddr_t addr, char *buf, size_t size);

/*
 * Reads or writes another process' memory (ptrace, /proc/PID/mem, cmdline); write breaks COW.
 * Return: bytes copied (maybe 0) .
 */
size_t space_access(struct space *s, vaddr_t addr, void *buf, size_t n, bool write);
/* As space_access, but only as far as the regions' own rights go (process_vm_readv, writev). */
size_t space_access_checked(struct space *s, vaddr_t addr, void *buf, size_t n, bool write);
/* Takes the frame behind a user address with a reference (futexes on shared memory, O_DIRECT).
 * 0, -EFAULT. */
err_t space_pin(struct space *s, vaddr_t addr, bool write, paddr_t *out);
/* Key of a futex word: private (space, addr) or shared (object, offset).  0, -EFAULT. */
struct futex_key {
    uintptr_t a;
    uint64_t b;
};
err_t space_futex_key(struct space *s, vaddr_t addr, bool shared, struct futex_key *key);
/* Walks all; true when the invariants hold. */
bool space_check(struct space *s);

/* Called when memory is short and nothing can be shrunk, no lock held: proc/ registers the killer.
 * Sleeps until some may have come back.  Returns false when nothing can be done. */
extern bool (*vm_oom_hook)(void);
/*
 * Memory is short for the running thread on `s`: waits until some may have come back.
 * Context: sleeps; no lock is held.
 * Return: does another try make sense?  Not for those that are dying for the memory of others.
 */
bool space_wait_for_memory(struct space *s);
