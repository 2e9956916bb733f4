// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: System V shared memory: shmget, shmat, shmdt, shmctl.
 *
 * Model: a segment is a file of memory without a name and its entry in the table.  An attachment is a
 * region over that file, and the regions are what is counted: the file's `mapped` operation hears of
 * each that begins (shmat, fork, a split) and ends (shmdt, munmap, execve, exit).  A segment that is
 * marked for removal goes with its last region.  The file holds the segment: whoever has a reference
 * to the one has the other.
 * Locking: ids.lock; `mapped` comes with the space's lock held, so nothing here takes that lock, or
 * touches user memory, under ids.lock.
 */
#include <abi/ipc.h>

#include <abi/syscalls_gen.h>
#include <fs/memfd.h>
#include <fs/proc_format.h>
#include <hal/usercopy.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <proc/process.h>
#include <vm/space.h>

#include <linux/capability.h>
#include <linux/mman.h>
#include <linux/shm.h>

/* Bits of shm_perm.mode (shmctl(2)), which the UAPI headers leave out. */
#define SHM_DEST 01000
#define SHM_LOCKED 02000
#define SHMALL_DEFAULT (ULONG_MAX - (1ul << 24))

static unsigned long shm_max = SHMALL_DEFAULT, shm_all = SHMALL_DEFAULT; /* bytes, pages; atomic */
static unsigned shm_count_max = 4096; /* atomic */

struct segment {
    struct ipc_object ipc; /* must be first */
    struct file *file; /* with a reference until it is removed; constant */
    uint64_t size; /* bytes; constant */
    /* ids.lock: */
    uint64_t attached; /* regions, and shmat calls under way */
    int64_t atime, dtime, ctime;
    pid_t creator, last;
    bool removed; /* out of the table */
};

static struct ipc_ids ids = IPC_IDS(ids, &shm_count_max);
static uint64_t pages_total; /* ids.lock */

static struct segment *segment_of(struct ipc_object *o)
{
    return container_of(o, struct segment, ipc);
}

static struct segment *find(int id)
{
    struct ipc_object *o = ipc_find(&ids, id);

    return o ? segment_of(o) : NULL;
}

/* Return: the file, whose reference the caller drops without the lock. */
static struct file *remove_locked(struct segment *s)
{
    s->removed = true;
    pages_total -= PAGES(s->size);
    ipc_remove(&ids, &s->ipc);
    return s->file;
}

static struct file *detach_locked(struct segment *s)
{
    s->attached--;
    if (s->attached || !(s->ipc.mode & SHM_DEST) || s->removed)
        return NULL;
    return remove_locked(s);
}

/* A region over the file begins or ends; the space's lock is held. */
static void segment_mapped(struct file *f, int change)
{
    struct segment *s = f->data;
    struct file *drop = NULL;

    mutex_lock(&ids.lock);
    s->last = ipc_pid();
    if (change > 0) {
        s->attached++;
        s->atime = ipc_now();
    } else {
        s->dtime = ipc_now();
        drop = detach_locked(s);
    }
    mutex_unlock(&ids.lock);
    if (drop)
        file_put(drop);
}

static void segment_release(struct file *f)
{
    kfree(f->data);
}

static const struct file_ops segment_ops = { .release = segment_release, .mapped = segment_mapped };

/* ---- shmget -------------------------------------------------------------------------------- */

static err_t check_size(size_t size, int flags)
{
    uint64_t pages = PAGES(size);

    if (size < SHMMIN || size > atomic_load_relaxed(&shm_max))
        return -EINVAL;
    if (pages << PAGE_SHIFT < size || pages_total + pages < pages ||
        pages_total + pages > atomic_load_relaxed(&shm_all))
        return -ENOSPC;
    if (flags & SHM_HUGETLB)
        return -EINVAL; /* there are no huge pages of that kind */
    return !(flags & SHM_NORESERVE) && pages > frame_total() ? -ENOMEM : 0;
}

static struct segment *segment_create(int key, size_t size)
{
    struct segment *s = kzalloc(sizeof *s);
    char name[16];

    if (!s)
        return NULL;
    fmt_snprintf(name, sizeof name, "/SYSV%08x", (unsigned)key);
    s->size = size;
    s->creator = ipc_pid();
    s->ctime = ipc_now();
    if (memfd_create_special(name, &segment_ops, s, &s->file)) {
        kfree(s);
        return NULL;
    }
    object_truncate(&s->file->inode->object, size);
    return s;
}

static long get_new(int key, size_t size, int flags)
{
    struct segment *s;
    err_t err = check_size(size, flags);

    if (err)
        return err;
    s = segment_create(key, size);
    if (!s)
        return -ENOMEM;
    err = ipc_add(&ids, &s->ipc, key, flags);
    if (err) {
        file_put(s->file);
        return err;
    }
    s->file->inode->ino = (uint64_t)s->ipc.id;
    pages_total += PAGES(size);
    return s->ipc.id;
}

long sys_shmget(int key, size_t size, int flags)
{
    struct ipc_object *o;
    long result;

    mutex_lock(&ids.lock);
    result = ipc_get(&ids, key, flags, &o);
    if (!result && !o)
        result = get_new(key, size, flags);
    else if (!result && segment_of(o)->size < size)
        result = -EINVAL;
    else if (!result)
        result = ipc_permitted(o, flags) ?: o->id;
    mutex_unlock(&ids.lock);
    return result;
}

/* ---- shmat, shmdt -------------------------------------------------------------------------- */

/* The segment with one more attachment, so that it stays while the region is made. */
static struct segment *attach_begin(int id, int flags)
{
    int access = flags & SHM_RDONLY ? IPC_READ : IPC_READ | IPC_WRITE;
    struct segment *s;
    err_t err;

    if (flags & SHM_EXEC)
        access |= IPC_EXEC;
    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? ipc_permitted(&s->ipc, access) : -EINVAL;
    if (!err)
        s->attached++;
    mutex_unlock(&ids.lock);
    return err ? ERR_PTR(err) : s;
}

static void attach_end(struct segment *s)
{
    struct file *drop;

    mutex_lock(&ids.lock);
    drop = detach_locked(s);
    mutex_unlock(&ids.lock);
    if (drop)
        file_put(drop);
}

static long attach(struct segment *s, vaddr_t addr, int flags)
{
    struct map_request q = {
        .addr = addr,
        .length = s->size,
        .vm_flags = VM_SHARED | VM_READ | VM_MAY_READ | VM_MAY_EXEC,
        .map_flags = flags & SHM_REMAP ? MAP_FIXED : addr ? MAP_FIXED_NOREPLACE : 0,
        .object = &s->file->inode->object,
        .file = s->file,
        .may_lock = task_capable(CAP_IPC_LOCK),
    };
    vaddr_t out;
    err_t err;

    if (!(flags & SHM_RDONLY))
        q.vm_flags |= VM_WRITE | VM_MAY_WRITE;
    if (flags & SHM_EXEC)
        q.vm_flags |= VM_EXEC;
    err = space_map(process_current()->space, &q, &out);
    return err == -EEXIST ? -EINVAL : err ? err : (long)out;
}

long sys_shmat(int id, vaddr_t addr, int flags)
{
    struct segment *s;
    long result;

    if (id < 0)
        return -EINVAL;
    if (addr && (flags & SHM_RND)) {
        addr = ALIGN_DOWN(addr, PAGE_SIZE);
        if (!addr && (flags & SHM_REMAP))
            return -EINVAL;
    }
    if (!IS_ALIGNED(addr, PAGE_SIZE) || (!addr && (flags & SHM_REMAP)))
        return -EINVAL;
    s = attach_begin(id, flags);
    if (IS_ERR(s))
        return PTR_ERR(s);
    result = attach(s, addr, flags);
    attach_end(s);
    return result;
}

static bool is_segment(const struct file *f)
{
    return f->ops == &segment_ops;
}

long sys_shmdt(vaddr_t addr)
{
    if (!IS_ALIGNED(addr, PAGE_SIZE))
        return -EINVAL;
    return space_unmap_mapping(process_current()->space, addr, is_segment);
}

/* ---- shmctl -------------------------------------------------------------------------------- */

static void stat_locked(struct segment *s, struct shmid64_ds *out)
{
    memset(out, 0, sizeof *out);
    ipc_stat(&s->ipc, &out->shm_perm);
    out->shm_segsz = s->size;
    out->shm_atime = s->atime;
    out->shm_dtime = s->dtime;
    out->shm_ctime = s->ctime;
    out->shm_cpid = s->creator;
    out->shm_lpid = s->last;
    out->shm_nattch = s->attached;
}

static long control_stat(int id, int cmd, struct shmid64_ds __user *buf)
{
    struct shmid64_ds ds;
    struct ipc_object *o;
    long result = -EINVAL;

    mutex_lock(&ids.lock);
    o = cmd == IPC_STAT ? ipc_find(&ids, id) : ipc_at(&ids, id);
    if (o)
        result = cmd == SHM_STAT_ANY ? 0 : ipc_permitted(o, IPC_READ);
    if (o && !result) {
        stat_locked(segment_of(o), &ds);
        result = cmd == IPC_STAT ? 0 : o->id;
    }
    mutex_unlock(&ids.lock);
    return result >= 0 && copy_to_user(buf, &ds, sizeof ds) ? -EFAULT : result;
}

static long control_set(int id, const struct shmid64_ds __user *buf)
{
    struct shmid64_ds ds;
    struct segment *s;
    err_t err;

    if (copy_from_user(&ds, buf, sizeof ds))
        return -EFAULT;
    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? ipc_owned(&s->ipc) ?: ipc_set(&s->ipc, &ds.shm_perm) : -EINVAL;
    if (!err)
        s->ctime = ipc_now();
    mutex_unlock(&ids.lock);
    return err;
}

static long control_remove(int id)
{
    struct file *drop = NULL;
    struct segment *s;
    err_t err;

    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? ipc_owned(&s->ipc) : -EINVAL;
    if (!err && s->attached) {
        s->ipc.mode |= SHM_DEST;
        ipc_forget_key(&s->ipc);
    } else if (!err) {
        drop = remove_locked(s);
    }
    mutex_unlock(&ids.lock);
    if (drop)
        file_put(drop);
    return err;
}

/* Nothing is ever written out, so a lock is the right to it, its limit and a flag. */
static err_t lock_permitted(const struct segment *s, bool lock)
{
    const struct cred *c = cred_current();
    uint64_t limit = process_limit(process_current(), RLIMIT_MEMLOCK);

    if (cred_capable(c, CAP_IPC_LOCK))
        return 0;
    if (c->euid != s->ipc.uid && c->euid != s->ipc.cuid)
        return -EPERM;
    if (lock && !limit)
        return -EPERM;
    return lock && s->size > limit ? -ENOMEM : 0;
}

static long control_lock(int id, bool lock)
{
    struct segment *s;
    err_t err;

    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? lock_permitted(s, lock) : -EINVAL;
    if (!err && lock)
        s->ipc.mode |= SHM_LOCKED;
    else if (!err)
        s->ipc.mode &= ~(unsigned)SHM_LOCKED;
    mutex_unlock(&ids.lock);
    return err;
}

static long control_limits(struct shminfo64 __user *buf)
{
    struct shminfo64 info = { 0 };
    int highest;

    info.shmmax = atomic_load_relaxed(&shm_max);
    info.shmmin = SHMMIN;
    info.shmmni = info.shmseg = atomic_load_relaxed(&shm_count_max);
    info.shmall = atomic_load_relaxed(&shm_all);
    mutex_lock(&ids.lock);
    highest = ipc_highest_index(&ids);
    mutex_unlock(&ids.lock);
    return copy_to_user(buf, &info, sizeof info) ? -EFAULT : highest;
}

static uint64_t resident_pages(const struct segment *s)
{
    return atomic_load_relaxed(&s->file->inode->object.pages);
}

static long control_usage(struct shm_info __user *buf)
{
    struct shm_info info = { 0 };
    int highest;

    mutex_lock(&ids.lock);
    info.used_ids = ids.in_use;
    info.shm_tot = pages_total;
    highest = ipc_highest_index(&ids);
    for (int i = 0; i <= highest; i++) {
        struct ipc_object *o = ipc_at(&ids, i);

        info.shm_rss += o ? resident_pages(segment_of(o)) : 0;
    }
    mutex_unlock(&ids.lock);
    return copy_to_user(buf, &info, sizeof info) ? -EFAULT : highest;
}

long sys_shmctl(int id, int cmd, void __user *buf)
{
    if (id < 0 || cmd < 0)
        return -EINVAL;
    switch (cmd) {
    case IPC_INFO:
        return control_limits(buf);
    case SHM_INFO:
        return control_usage(buf);
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY:
        return control_stat(id, cmd, buf);
    case IPC_SET:
        return control_set(id, buf);
    case IPC_RMID:
        return control_remove(id);
    case SHM_LOCK:
    case SHM_UNLOCK:
        return control_lock(id, cmd == SHM_LOCK);
    default:
        return -EINVAL;
    }
}

/* ---- /proc --------------------------------------------------------------------------------- */

static void show_shm(struct textbuf *out, void *arg)
{
    text_printf(out, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  "
                     "cuid  cgid      atime      dtime      ctime                   rss"
                     "                  swap\n");
    mutex_lock(&ids.lock);
    for (int i = 0; i < ids.capacity; i++) {
        struct ipc_object *o = ids.slots[i];
        struct segment *s = o ? segment_of(o) : NULL;

        if (!s)
            continue;
        text_printf(out, "%10d %10d  %4o %21llu %5u %5u  %5llu %5u %5u %5u %5u %10lld %10lld %10lld "
                         "%21llu %21u\n",
                    o->key, o->id, o->mode, (unsigned long long)s->size, s->creator, s->last,
                    (unsigned long long)s->attached, o->uid, o->gid, o->cuid, o->cgid,
                    (long long)s->atime, (long long)s->dtime, (long long)s->ctime,
                    (unsigned long long)resident_pages(s) << PAGE_SHIFT, 0u);
    }
    mutex_unlock(&ids.lock);
}
PROC_FILE(sysvipc_shm, "sysvipc/shm", 0444, show_shm);

/* These two go up to ULONG_MAX, which does not fit a signed number. */
static err_t store_unsigned(const char *text, unsigned long *to)
{
    uint64_t v;
    err_t err;

    while (*text == ' ' || *text == '\t')
        text++;
    err = str_to_u64(&text, 10, &v);
    if (err)
        return err;
    while (*text == ' ' || *text == '\n')
        text++;
    if (*text)
        return -EINVAL;
    atomic_store_relaxed(to, v);
    return 0;
}

static void show_shmmax(struct textbuf *out, void *arg)
{
    text_printf(out, "%lu\n", atomic_load_relaxed(&shm_max));
}

static err_t store_shmmax(const char *text, size_t n, void *arg)
{
    return store_unsigned(text, &shm_max);
}
PSEUDO_FILE(shmmax, "proc", "sys/kernel/shmmax", 0644, show_shmmax, store_shmmax);

static void show_shmall(struct textbuf *out, void *arg)
{
    text_printf(out, "%lu\n", atomic_load_relaxed(&shm_all));
}

static err_t store_shmall(const char *text, size_t n, void *arg)
{
    return store_unsigned(text, &shm_all);
}
PSEUDO_FILE(shmall, "proc", "sys/kernel/shmall", 0644, show_shmall, store_shmall);

SYSCTL_NUMBER(shmmni, "sys/kernel/shmmni", shm_count_max, 0, IPC_INDEX_MAX);
