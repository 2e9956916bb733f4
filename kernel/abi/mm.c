// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the system calls about memory: decode, check what Linux checks in its order, hand over
 * to vm/.
 *
 * Model: user flags become VM_* here; vm/ knows neither files' modes nor capabilities.  Limits that
 * capabilities lift are computed here and passed down.
 * Locking: none held at entry; space->lock inside vm/.
 */
#include <abi/syscalls_gen.h>
#include <fs/fdtable.h>
#include <fs/memfd.h>
#include <hal/usercopy.h>
#include <lib/checked.h>
#include <proc/process.h>
#include <proc/signal.h>
#include <vm/space.h>

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/membarrier.h>
#include <linux/mman.h>
#include <linux/mount.h>

#define MAY_ALL (VM_MAY_READ | VM_MAY_WRITE | VM_MAY_EXEC)

/* The flags that Linux knows for MAP_SHARED and MAP_PRIVATE; others it ignores there. */
#define MAP_KNOWN                                                                                  \
    (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED |          \
     MAP_GROWSDOWN | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |       \
     MAP_UNINITIALIZED | MAP_32BIT_FLAG)
#ifdef MAP_32BIT
#define MAP_32BIT_FLAG MAP_32BIT
#else
#define MAP_32BIT_FLAG 0
#endif

static struct space *space_current(void)
{
    return process_current()->space;
}

/* Bytes that the running process may lock. */
static uint64_t lock_limit(void)
{
    if (task_capable(CAP_IPC_LOCK))
        return UINT64_MAX;
    return process_limit(process_current(), RLIMIT_MEMLOCK);
}

/* ---- mmap ---------------------------------------------------------------------------------- */

static err_t decode_anonymous(struct map_request *q, int type)
{
    if (type == MAP_SHARED) {
        if (q->map_flags & MAP_GROWSDOWN)
            return -EINVAL;
        q->vm_flags |= VM_SHARED;
    } else if (type != MAP_PRIVATE) {
        return -EINVAL;
    }
    q->offset = 0;
    return 0;
}

static err_t decode_file_shared(struct map_request *q, const struct file *f, int type)
{
    if (type == MAP_SHARED_VALIDATE && (q->map_flags & ~MAP_KNOWN))
        return -EOPNOTSUPP;
    if (q->vm_flags & VM_WRITE) {
        if (!(f->fmode & FMODE_WRITE))
            return -EACCES;
    }
    if (atomic_load_relaxed(&f->inode->seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
        if (q->vm_flags & VM_WRITE)
            return -EPERM;
        q->vm_flags &= ~VM_MAY_WRITE;
    }
    q->vm_flags |= VM_SHARED;
    if (!(f->fmode & FMODE_WRITE))
        q->vm_flags &= ~VM_MAY_WRITE;
    return 0;
}

static err_t decode_file(struct map_request *q, struct file *f, int type)
{
    err_t err;

    if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) {
        err = decode_file_shared(q, f, type);
        if (err)
            return err;
    } else if (type != MAP_PRIVATE) {
        return -EINVAL;
    }
    if (!(f->fmode & FMODE_READ))
        return -EACCES;
    if (f->path.mount != NULL && (f->path.mount->flags & MS_NOEXEC)) {
        if (q->vm_flags & VM_EXEC)
            return -EPERM;
        q->vm_flags &= ~VM_MAY_EXEC;
    }
    if (f->ops->mmap == NULL)
        return -ENODEV;
    if (q->map_flags & MAP_GROWSDOWN)
        return -EINVAL;
    err = f->ops->mmap(f, q->offset, q->length, &q->object);
    if (err)
        return err;
    if (q->object != NULL)
        q->file = f;
    else
        q->offset = 0; /* /dev/zero: anonymous memory */
    return 0;
}

/* MAP_LOCKED: may this process lock at all? */
static err_t decode_locked(struct map_request *q)
{
    uint64_t limit = lock_limit();

    q->may_lock = limit == UINT64_MAX;
    if (!(q->map_flags & MAP_LOCKED))
        return 0;
    q->vm_flags |= VM_LOCKED;
    return limit == 0 ? -EPERM : 0;
}

static long do_map(struct map_request *q, struct file *f, int type)
{
    vaddr_t addr;
    err_t err;

    if (q->length == 0)
        return -EINVAL;
    if (ALIGN_UP(q->length, PAGE_SIZE) == 0)
        return -ENOMEM;
    if (q->offset + ALIGN_UP(q->length, PAGE_SIZE) < q->offset)
        return -EOVERFLOW;
    err = decode_locked(q);
    if (err == 0)
        err = f != NULL ? decode_file(q, f, type) : decode_anonymous(q, type);
    if (err == 0)
        err = space_map(space_current(), q, &addr);
    return err ? err : (long)addr;
}

/* Nobody seals it between the look at its seals and the mapping. */
static long do_map_sealable(struct map_request *q, struct file *f, int type)
{
    long result;

    mutex_lock(&f->inode->mutex);
    result = do_map(q, f, type);
    mutex_unlock(&f->inode->mutex);
    return result;
}

long sys_mmap(vaddr_t addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    struct map_request q = {
        .addr = addr,
        .length = length,
        .vm_flags = (prot & (VM_READ | VM_WRITE | VM_EXEC)) | MAY_ALL,
        .map_flags = flags,
        .offset = offset,
        .below = flags & MAP_32BIT_FLAG ? 2 * GiB : 0,
    };
    struct fd f;
    long result;

    if (!IS_ALIGNED((uint64_t)offset, PAGE_SIZE))
        return -EINVAL;
    if (flags & MAP_NORESERVE)
        q.vm_flags |= VM_NORESERVE;
    if (flags & MAP_ANONYMOUS)
        return flags & MAP_HUGETLB ? -EINVAL : do_map(&q, NULL, flags & MAP_TYPE);
    f = fd_get(fd);
    if (f.file == NULL)
        return -EBADF;
    if (flags & MAP_HUGETLB)
        result = -EINVAL;
    else if (memfd_sealable(f.file))
        result = do_map_sealable(&q, f.file, flags & MAP_TYPE);
    else
        result = do_map(&q, f.file, flags & MAP_TYPE);
    fd_put(f);
    return result;
}

long sys_munmap(vaddr_t addr, size_t length)
{
    return space_unmap(space_current(), addr, length);
}

long sys_mprotect(vaddr_t addr, size_t length, int prot)
{
    return space_protect(space_current(), addr, length, prot & ~PROT_SEM);
}

long sys_brk(vaddr_t addr)
{
    return space_brk(space_current(), addr);
}

long sys_mremap(vaddr_t addr, size_t old_len, size_t new_len, int flags, vaddr_t new_addr)
{
    vaddr_t out;
    err_t err = space_remap(space_current(), addr, old_len, new_len, flags, new_addr, &out);

    return err ? err : (long)out;
}

long sys_madvise(vaddr_t addr, size_t length, int advice)
{
    return space_advise(space_current(), addr, length, advice);
}

/* ---- msync, mincore ------------------------------------------------------------------------ */

/* The file of the first mapping in [*at, end) whose pages lie somewhere else, too; with a reference.  NULL:
 * there is none.  *at becomes the mapping's end. */
static struct file *file_to_sync(struct space *s, vaddr_t *at, vaddr_t end)
{
    struct file *found = NULL;
    struct region *r;

    rwlock_read(&s->lock);
    for (r = space_find(s, *at); r != NULL && r->start < end && found == NULL; r = region_next(r)) {
        *at = r->end;
        if ((r->flags & VM_SHARED) && r->file != NULL && r->object != NULL && r->object->pager != NULL &&
            r->object->pager->tracks_dirty) {
            found = r->file;
            file_get(found);
        }
    }
    rwlock_read_done(&s->lock);
    return found;
}

static err_t sync_mapped(struct space *s, vaddr_t at, vaddr_t end)
{
    struct file *f;
    err_t err = 0;

    while (err == 0 && at < end && (f = file_to_sync(s, &at, end)) != NULL) {
        err = f->ops->fsync != NULL ? f->ops->fsync(f) : 0;
        file_put(f);
    }
    return err;
}

/* Most files live in memory: there is nothing to write.  Those of block devices do not. */
long sys_msync(vaddr_t addr, size_t length, int flags)
{
    size_t bytes = ALIGN_UP(length, PAGE_SIZE);
    struct space *s = space_current();
    struct region *r;
    vaddr_t at = addr, end = addr + bytes;
    err_t err = 0;

    if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
        return -EINVAL;
    if (!IS_ALIGNED(addr, PAGE_SIZE) || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
        return -EINVAL;
    if (end < addr)
        return -ENOMEM;
    if (bytes == 0)
        return length == 0 ? 0 : -ENOMEM;
    rwlock_read(&s->lock);
    for (r = space_find(s, at); at < end && err == 0; r = region_next(r)) {
        if (r == NULL || r->start > at)
            err = -ENOMEM;
        else if ((flags & MS_INVALIDATE) && (r->flags & VM_LOCKED))
            err = -EBUSY;
        if (r == NULL)
            break;
        at = r->end;
    }
    rwlock_read_done(&s->lock);
    return err == 0 && (flags & MS_SYNC) ? sync_mapped(s, addr, end) : err;
}

long sys_mincore(vaddr_t addr, size_t length, unsigned char __user *vec)
{
    size_t pages = length / PAGE_SIZE + (length % PAGE_SIZE != 0);
    uint8_t chunk[256];

    if (!IS_ALIGNED(addr, PAGE_SIZE))
        return -EINVAL;
    if (!range_fits(addr, length, USER_TOP))
        return -ENOMEM;
    if (!range_fits(USER_ADDR(vec), pages, USER_TOP))
        return -EFAULT;
    for (size_t done = 0; done < pages;) {
        size_t n = MIN(pages - done, sizeof chunk);
        err_t err = space_mincore(space_current(), addr + done * PAGE_SIZE, n, chunk);

        if (err)
            return err;
        if (unlikely(signal_fatal_pending())) /* all of user space takes minutes */
            return -EINTR;
        if (copy_to_user(vec + done, chunk, n))
            return -EFAULT;
        done += n;
    }
    return 0;
}

/* ---- mlock --------------------------------------------------------------------------------- */

long sys_mlock(vaddr_t addr, size_t length)
{
    return space_lock_range(space_current(), addr, length, true, true, lock_limit());
}

long sys_mlock2(vaddr_t addr, size_t length, int flags)
{
    if (flags & ~MLOCK_ONFAULT)
        return -EINVAL;
    return space_lock_range(space_current(), addr, length, true, !(flags & MLOCK_ONFAULT),
                            lock_limit());
}

long sys_munlock(vaddr_t addr, size_t length)
{
    return space_lock_range(space_current(), addr, length, false, false, UINT64_MAX);
}

long sys_mlockall(int flags)
{
    if (flags == 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
        return -EINVAL;
    return space_lock_all(space_current(), flags, lock_limit());
}

long sys_munlockall(void)
{
    return space_lock_all(space_current(), 0, UINT64_MAX);
}

/* ---- membarrier ---------------------------------------------------------------------------- */

#define BARRIER_REGISTRATIONS                                                                      \
    (MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |        \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)
#define BARRIER_COMMANDS                                                                           \
    (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |  \
     MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | BARRIER_REGISTRATIONS)

/* A flush of the space's translations reaches every CPU that runs it and waits for each. */
static long barrier_run(struct space *s)
{
    atomic_fence();
    if (cpu_count > 1)
        mmu_flush_space(&s->hal);
    return 0;
}

long sys_membarrier(int cmd, unsigned flags, int cpu)
{
    struct space *s = space_current();

    if (flags != 0)
        return -EINVAL;
    switch (cmd) {
    case MEMBARRIER_CMD_QUERY:
        return BARRIER_COMMANDS;
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        return barrier_run(s);
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
        (void)atomic_fetch_or(&s->membarrier, cmd);
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
        /* The bit of a command's registration stands next to its own. */
        return atomic_load(&s->membarrier) & (uint32_t)cmd << 1 ? barrier_run(s) : -EPERM;
    default:
        return -EINVAL;
    }
}
