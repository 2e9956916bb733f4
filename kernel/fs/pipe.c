// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: pipes and FIFOs.
 *
 * Model: a ring of bytes over pages that are made when they are first needed and kept; head and
 * tail run freely and are masked at access.  An empty ring starts again at 0, so that small messages
 * stay in one page.
 * A reader is woken when there is something to read; a writer only when PIPE_BUF bytes (or all)
 * are free, so a long stream costs two switches for each full pipe, not for each page.
 * Locking: `mutex` for everything; head and tail are also read without it by predicates and poll.
 * Invariants: (1) head - tail <= size; (2) size is a power of two of at least one page.
 * Source: pipe(7), fifo(7).
 */
#include <fs/pipe.h>

#include <fs/internal.h>
#include <fs/poll.h>
#include <fs/usage.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <asm/ioctls.h>
#include <asm/poll.h>
#include <linux/capability.h>

#define INLINE_PAGES (PIPE_BYTES_DEFAULT / PAGE_SIZE)
#define SMALL_PAGES 2 /* of the pipes of a user who has too many */

uint64_t pipe_pages_soft = 16384, pipe_pages_hard, pipe_bytes_max = 1 * MiB;

struct pipe {
    struct mutex mutex;
    size_t head, tail; /* bytes ever written and read; mutex for writers */
    size_t size; /* mutex */
    paddr_t *pages; /* 0: not made yet; mutex */
    unsigned readers, writers; /* openings; mutex for writers */
    unsigned reader_opens, writer_opens; /* how many there ever were; mutex for writers */
    unsigned openings; /* of either kind, and opens under way; the inode's mutex */
    struct usage *user; /* constant; NULL: its pages are not counted */
    struct waitq read_wait, write_wait;
    paddr_t inline_pages[INLINE_PAGES];
};

static struct pipe *pipe_of(const struct file *f)
{
    return f->inode->data;
}

static bool exceeds(uint64_t pages, const uint64_t *limit)
{
    uint64_t most = atomic_load_relaxed(limit);

    return most != 0 && pages > most;
}

/* The size of a new pipe, counted.  Return: 0, -ENFILE, -ENOMEM. */
static err_t pipe_choose_size(struct pipe *p)
{
    struct usage *u = usage_get();
    size_t pages = INLINE_PAGES;

    p->size = PIPE_BYTES_DEFAULT;
    if (likely(!u))
        return 0;
    if (IS_ERR(u))
        return PTR_ERR(u);
    p->size = MIN(p->size, (size_t)atomic_load_relaxed(&pipe_bytes_max));
    pages = p->size / PAGE_SIZE;
    uint64_t total = atomic_add_fetch(&u->pipe_pages, pages);
    if (exceeds(total, &pipe_pages_soft) && pages > SMALL_PAGES) {
        p->size = SMALL_PAGES * PAGE_SIZE;
        total = atomic_sub_fetch(&u->pipe_pages, pages - SMALL_PAGES);
        pages = SMALL_PAGES;
    }
    if (exceeds(total, &pipe_pages_hard)) {
        atomic_sub_fetch(&u->pipe_pages, pages);
        usage_put(u);
        return -ENFILE;
    }
    p->user = u;
    return 0;
}

/* ERR_PTR: -ENOMEM, -ENFILE. */
static struct pipe *pipe_alloc(void)
{
    struct pipe *p = kzalloc(sizeof *p);
    err_t err = p ? pipe_choose_size(p) : -ENOMEM;

    if (err != 0) {
        kfree(p);
        return ERR_PTR(err);
    }
    mutex_init(&p->mutex);
    waitq_init(&p->read_wait);
    waitq_init(&p->write_wait);
    p->pages = p->inline_pages;
    return p;
}

static void pages_free(paddr_t *pages, size_t size)
{
    for (size_t i = 0; i < size / PAGE_SIZE; i++)
        if (pages[i])
            frame_put(pages[i]);
}

static void pipe_free(struct pipe *p)
{
    pages_free(p->pages, p->size);
    if (p->pages != p->inline_pages)
        kfree(p->pages);
    if (p->user)
        atomic_sub_fetch(&p->user->pipe_pages, p->size / PAGE_SIZE);
    usage_put(p->user);
    kfree(p);
}

static size_t pipe_used(const struct pipe *p)
{
    size_t tail = atomic_load_relaxed(&p->tail), head = atomic_load_relaxed(&p->head);

    return head - tail;
}

static bool pipe_readable(const struct pipe *p)
{
    return pipe_used(p) != 0 || atomic_load_relaxed(&p->writers) == 0;
}

/* Enough room for an atomic write. */
static bool pipe_roomy(const struct pipe *p)
{
    return p->size - pipe_used(p) >= MIN(p->size, (size_t)PIPE_BUF);
}

static bool pipe_writable(const struct pipe *p)
{
    return pipe_roomy(p) || atomic_load_relaxed(&p->readers) == 0;
}

static void pipe_wake_readers(struct pipe *p)
{
    if (waitq_active(&p->read_wait))
        waitq_wake(&p->read_wait, 1, POLLIN | POLLRDNORM | WAITQ_LAZY);
}

static void pipe_wake_writers(struct pipe *p)
{
    if (waitq_active(&p->write_wait) && pipe_roomy(p))
        waitq_wake(&p->write_wait, 1, POLLOUT | POLLWRNORM | WAITQ_LAZY);
}

/* ---- reading ---- */

/* Bytes at ring position `at` that lie in one piece of memory, n at most; all pages are there. */
static size_t pipe_span(const struct pipe *p, size_t at, size_t n)
{
    size_t page = at / PAGE_SIZE, last = p->size / PAGE_SIZE - 1;
    size_t bytes = PAGE_SIZE - at % PAGE_SIZE;

    while (bytes < n && page < last && p->pages[page + 1] == p->pages[page] + PAGE_SIZE) {
        bytes += PAGE_SIZE;
        page++;
    }
    return MIN(bytes, n);
}

static void *pipe_at(const struct pipe *p, size_t at)
{
    return (char *)phys_to_virt(p->pages[at / PAGE_SIZE]) + at % PAGE_SIZE;
}

/* Takes n bytes out of the ring. */
static void pipe_consume(struct pipe *p, size_t n)
{
    atomic_store(&p->tail, p->tail + n);
    if (p->tail == p->head) { /* start again in the first page */
        atomic_store(&p->head, 0);
        atomic_store(&p->tail, 0);
    }
}

/* Moves up to n bytes out; what is there suffices.  Return: how many. */
static size_t pipe_take(struct pipe *p, struct uio *u, size_t n)
{
    size_t done = 0;

    while (done < n) {
        size_t at = (p->tail + done) & (p->size - 1), piece = pipe_span(p, at, n - done);
        size_t got = uio_copy_to(u, pipe_at(p, at), piece);

        done += got;
        if (unlikely(got < piece))
            break;
    }
    pipe_consume(p, done);
    return done;
}

static ssize_t pipe_read(struct file *f, struct uio *u, off_t *pos)
{
    struct pipe *p = pipe_of(f);
    ssize_t n;

    if (u->left == 0)
        return 0;
    mutex_lock(&p->mutex);
    while (p->head == p->tail) {
        if (p->writers == 0 || f->flags & O_NONBLOCK) {
            n = p->writers == 0 ? 0 : -EAGAIN;
            mutex_unlock(&p->mutex);
            return n;
        }
        mutex_unlock(&p->mutex);
        err_t err = wait_event_intr_excl(&p->read_wait, pipe_readable(p));
        if (err != 0)
            return err;
        mutex_lock(&p->mutex);
    }
    n = (ssize_t)pipe_take(p, u, MIN(u->left, p->head - p->tail));
    bool more = p->head != p->tail;
    mutex_unlock(&p->mutex);
    pipe_wake_writers(p);
    if (more) /* the wake that brought us here may have been meant for two */
        pipe_wake_readers(p);
    return n ? n : -EFAULT;
}

/* ---- writing ---- */

/* Makes the pages for n bytes at ring position `at` that are not there yet.  Return: for how many
 * of the bytes there are pages. */
static size_t pipe_populate(struct pipe *p, size_t at, size_t n)
{
    size_t first = at / PAGE_SIZE, count = PAGES(at % PAGE_SIZE + n), mask = p->size / PAGE_SIZE - 1;
    paddr_t fresh[INLINE_PAGES];
    size_t have = 0, used = 0;

    for (size_t i = 0; i < count; i++) {
        paddr_t *page = &p->pages[(first + i) & mask];

        if (likely(*page != 0))
            continue;
        if (used == have) {
            have = frame_alloc_bulk(fresh, MIN(count - i, INLINE_PAGES), FRAME_USER);
            used = 0;
            if (have == 0) {
                size_t bytes = i * PAGE_SIZE;

                return bytes > at % PAGE_SIZE ? bytes - at % PAGE_SIZE : 0;
            }
        }
        *page = fresh[used++];
    }
    while (used < have)
        frame_put(fresh[used++]);
    return n;
}

/* Moves up to n bytes in; there is room.  Return: how many; less: a fault, or -ENOMEM in *err. */
static size_t pipe_put(struct pipe *p, struct uio *u, size_t n, err_t *err)
{
    size_t done = 0, can = pipe_populate(p, p->head & (p->size - 1), n);

    *err = can < n ? -ENOMEM : -EFAULT;
    while (done < can) {
        size_t at = (p->head + done) & (p->size - 1), piece = pipe_span(p, at, can - done);
        size_t got = uio_copy_from(u, pipe_at(p, at), piece);

        done += got;
        if (unlikely(got < piece))
            break;
    }
    atomic_store(&p->head, p->head + done);
    return done;
}

static ssize_t pipe_write_wait(struct pipe *p)
{
    mutex_unlock(&p->mutex);
    pipe_wake_readers(p);
    ssize_t err = wait_event_intr_excl(&p->write_wait, pipe_writable(p));
    mutex_lock(&p->mutex);
    return err;
}

static ssize_t pipe_write(struct file *f, struct uio *u, off_t *pos)
{
    struct pipe *p = pipe_of(f);
    size_t total = u->left;
    bool atomic = total <= PIPE_BUF;
    ssize_t err = 0;

    if (total == 0)
        return 0;
    mutex_lock(&p->mutex);
    for (;;) {
        size_t room = p->size - (p->head - p->tail);

        if (unlikely(p->readers == 0)) {
            err = -EPIPE;
            break;
        }
        if (room > 0 && (!atomic || room >= total)) {
            size_t n = MIN(u->left, room);
            err_t why;

            if (unlikely(pipe_put(p, u, n, &why) < n)) {
                err = why;
                break;
            }
            if (u->left == 0)
                break;
            continue;
        }
        err = f->flags & O_NONBLOCK ? -EAGAIN : pipe_write_wait(p);
        if (err != 0)
            break;
    }
    bool roomy = p->head - p->tail < p->size;
    mutex_unlock(&p->mutex);
    pipe_wake_readers(p);
    if (roomy)
        pipe_wake_writers(p);
    if (err == -EPIPE)
        fs_sigpipe_hook();
    return total > u->left ? (ssize_t)(total - u->left) : err;
}

/* ---- the rest ---- */

static unsigned pipe_poll(struct file *f, struct poll_table *pt)
{
    struct pipe *p = pipe_of(f);
    unsigned mask = 0;

    if (f->fmode & FMODE_READ)
        poll_wait(pt, f, &p->read_wait);
    if (f->fmode & FMODE_WRITE)
        poll_wait(pt, f, &p->write_wait);
    if (f->fmode & FMODE_READ) {
        if (pipe_used(p) != 0)
            mask |= POLLIN | POLLRDNORM;
        /* A FIFO that nobody has opened for writing yet has not hung up. */
        if (p->writers == 0 && f->pos != (off_t)p->writer_opens)
            mask |= POLLHUP;
    }
    if (f->fmode & FMODE_WRITE) {
        if (pipe_roomy(p))
            mask |= POLLOUT | POLLWRNORM;
        if (p->readers == 0)
            mask |= POLLERR;
    }
    return mask;
}

static long pipe_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
    if (cmd != FIONREAD)
        return -ENOTTY;
    return user_store_u32(USER_PTR(uint32_t, arg), (uint32_t)pipe_used(pipe_of(f)));
}

/* One opening less, also one that was still waiting for the other end. */
static void pipe_forget(struct inode *i)
{
    struct pipe *p = i->data, *dead = NULL;

    mutex_lock(&i->mutex);
    if (--p->openings == 0) {
        dead = p;
        i->data = NULL;
    }
    mutex_unlock(&i->mutex);
    if (dead)
        pipe_free(dead);
}

static void pipe_close_ends(struct pipe *p, unsigned fmode)
{
    mutex_lock(&p->mutex);
    if (fmode & FMODE_READ)
        p->readers--;
    if (fmode & FMODE_WRITE)
        p->writers--;
    bool last = p->readers == 0 || p->writers == 0;
    mutex_unlock(&p->mutex);
    if (!last)
        return;
    waitq_wake(&p->read_wait, UINT_MAX, POLLIN | POLLRDNORM | POLLHUP);
    waitq_wake(&p->write_wait, UINT_MAX, POLLOUT | POLLWRNORM | POLLERR);
}

static void pipe_release(struct file *f)
{
    pipe_close_ends(pipe_of(f), f->fmode);
    pipe_forget(f->inode);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
};

static struct file *pipe_end(const struct path *path, struct pipe *p, unsigned flags)
{
    struct file *f = file_on_path(path, &pipe_ops, NULL, flags);

    if (IS_ERR(f))
        return f;
    p->openings++;
    if (f->fmode & FMODE_READ)
        p->readers++;
    else
        p->writers++;
    f->pos = -1; /* hangs up as soon as there is no writer */
    return f;
}

static const struct file_ops reopen_ops;

err_t pipe_create(unsigned flags, struct file *out[2])
{
    struct pipe *p = pipe_alloc();
    struct path path;

    if (IS_ERR(p))
        return PTR_ERR(p);
    err_t err = path_anonymous("pipe", S_IFIFO | 0600, &path);
    if (err != 0) {
        pipe_free(p);
        return err;
    }
    path.dentry->inode->data = p;
    path.dentry->inode->fops = &reopen_ops;
    out[0] = pipe_end(&path, p, O_RDONLY | flags);
    out[1] = IS_ERR(out[0]) ? out[0] : pipe_end(&path, p, O_WRONLY | flags);
    if (IS_ERR(out[0]))
        pipe_free(p);
    else if (IS_ERR(out[1]))
        file_put(out[0]);
    path_put(&path);
    return IS_ERR(out[1]) ? PTR_ERR(out[1]) : 0;
}

/* ---- FIFOs ---- */

/* Opens one end and waits for the other, unless it is a pipe without a name.  The pipe is counted
 * in `openings` already. */
static err_t fifo_join(struct pipe *p, struct file *f, bool named)
{
    bool reads = f->fmode & FMODE_READ, writes = f->fmode & FMODE_WRITE;
    unsigned seen;
    err_t err = 0;

    mutex_lock(&p->mutex);
    if (named && writes && !reads && f->flags & O_NONBLOCK && p->readers == 0) {
        mutex_unlock(&p->mutex);
        return -ENXIO;
    }
    p->readers += reads;
    p->reader_opens += reads;
    p->writers += writes;
    p->writer_opens += writes;
    seen = reads ? p->writer_opens : p->reader_opens;
    bool wait = named && reads != writes && (reads ? p->writers : p->readers) == 0 &&
                !(f->flags & O_NONBLOCK);
    f->pos = named && reads && !p->writers ? (off_t)p->writer_opens : -1;
    mutex_unlock(&p->mutex);
    waitq_wake_all(&p->read_wait);
    waitq_wake_all(&p->write_wait);
    if (wait && reads)
        err = wait_event_intr(&p->read_wait, atomic_load(&p->writer_opens) != seen);
    else if (wait)
        err = wait_event_intr(&p->write_wait, atomic_load(&p->reader_opens) != seen);
    if (err != 0)
        pipe_close_ends(p, f->fmode);
    return err;
}

static err_t pipe_open(struct inode *i, struct file *f, bool named)
{
    mutex_lock(&i->mutex);
    struct pipe *p = i->data ? i->data : pipe_alloc();
    if (!IS_ERR(p)) {
        i->data = p;
        p->openings++;
    }
    mutex_unlock(&i->mutex);
    if (IS_ERR(p))
        return PTR_ERR(p);
    err_t err = fifo_join(p, f, named);
    if (err != 0)
        pipe_forget(i);
    else
        f->ops = &pipe_ops;
    return err;
}

static err_t fifo_open(struct inode *i, struct file *f)
{
    return pipe_open(i, f, true);
}

/* /proc/PID/fd/N of a pipe(2). */
static err_t pipe_reopen(struct inode *i, struct file *f)
{
    return pipe_open(i, f, false);
}

static const struct file_ops reopen_ops = { .open = pipe_reopen };
const struct file_ops fifo_ops = { .open = fifo_open };

/* ---- sizes, tee ---- */

bool file_is_pipe(const struct file *f)
{
    return f->ops == &pipe_ops;
}

long pipe_size(struct file *f)
{
    return file_is_pipe(f) ? (long)pipe_of(f)->size : -EBADF;
}

/* Copies the ring's bytes to the beginning of `pages`. */
static err_t pipe_copy_pages(struct pipe *p, paddr_t *pages, size_t size)
{
    size_t used = p->head - p->tail, done = 0;

    while (done < used) {
        size_t at = (p->tail + done) & (p->size - 1);
        size_t n = MIN(MIN(PAGE_SIZE - at % PAGE_SIZE, PAGE_SIZE - done % PAGE_SIZE), used - done);
        paddr_t *to = &pages[done / PAGE_SIZE];

        if (!*to) {
            paddr_t pa = frame_alloc(FRAME_USER);

            if (pa == PADDR_NONE) {
                pages_free(pages, size);
                return -ENOMEM;
            }
            *to = pa;
        }
        memcpy((char *)phys_to_virt(*to) + done % PAGE_SIZE,
               (char *)phys_to_virt(p->pages[at / PAGE_SIZE]) + at % PAGE_SIZE, n);
        done += n;
    }
    return 0;
}

static err_t pipe_resize(struct pipe *p, size_t size)
{
    size_t used = p->head - p->tail;

    if (used > size)
        return -EBUSY;
    paddr_t *pages = kcalloc(size / PAGE_SIZE, sizeof *pages);
    err_t err = pages ? pipe_copy_pages(p, pages, size) : -ENOMEM;
    if (err != 0) {
        kfree(pages);
        return err;
    }
    pages_free(p->pages, p->size);
    if (p->pages != p->inline_pages)
        kfree(p->pages);
    p->pages = pages;
    p->size = size;
    atomic_store(&p->head, used);
    atomic_store(&p->tail, 0);
    return 0;
}

uint64_t pipe_weight(const struct file *f)
{
    const struct pipe *p = pipe_of(f);

    return sizeof *p + MIN(pipe_used(p), p->size);
}

/* A pipe that grows must fit into what its user may have; the pipe's mutex is held. */
static err_t pipe_charge_growth(struct pipe *p, size_t size)
{
    uint64_t total;

    if (!p->user)
        return 0;
    total = atomic_add_fetch(&p->user->pipe_pages, (size - p->size) / PAGE_SIZE);
    if (size <= p->size || (!exceeds(total, &pipe_pages_soft) && !exceeds(total, &pipe_pages_hard)))
        return 0;
    atomic_sub_fetch(&p->user->pipe_pages, (size - p->size) / PAGE_SIZE);
    return -EPERM;
}

static err_t pipe_change_size(struct pipe *p, size_t size)
{
    size_t old = p->size;
    err_t err = size == old ? 0 : pipe_charge_growth(p, size);

    if (err != 0 || size == old)
        return err;
    err = pipe_resize(p, size);
    if (err != 0 && p->user)
        atomic_sub_fetch(&p->user->pipe_pages, (size - old) / PAGE_SIZE);
    return err;
}

long pipe_set_size(struct file *f, size_t bytes)
{
    struct pipe *p = pipe_of(f);
    size_t size = PAGE_SIZE;

    if (!file_is_pipe(f))
        return -EBADF;
    if (bytes > 1u << 31)
        return -EINVAL;
    while (size < bytes)
        size *= 2;
    if (size > atomic_load_relaxed(&pipe_bytes_max) && size > p->size && !cred_capable(cred_current(), CAP_SYS_RESOURCE))
        return -EPERM;
    mutex_lock(&p->mutex);
    err_t err = pipe_change_size(p, size);
    mutex_unlock(&p->mutex);
    if (err == 0)
        pipe_wake_writers(p);
    return err ? err : (long)size;
}

/* What tee and splice do between pipes: copy, or move.  Both mutexes are held. */
static ssize_t tee_copy(struct pipe *a, struct pipe *b, size_t n, bool take)
{
    size_t done = 0;

    n = MIN(n, MIN(a->head - a->tail, b->size - (b->head - b->tail)));
    while (done < n) {
        size_t at = (a->tail + done) & (a->size - 1);
        size_t piece = pipe_span(a, at, n - done);
        struct uio u;
        err_t why;

        uio_init_kernel(&u, pipe_at(a, at), piece);
        size_t got = pipe_put(b, &u, piece, &why);
        done += got;
        if (got < piece)
            break;
    }
    if (take)
        pipe_consume(a, done);
    return done || !n ? (ssize_t)done : -ENOMEM;
}

ssize_t pipe_tee(struct file *from, struct file *to, size_t n, bool nonblock, bool take)
{
    struct pipe *a = pipe_of(from), *b = pipe_of(to);

    if (!file_is_pipe(from) || !file_is_pipe(to) || a == b)
        return -EINVAL;
    nonblock |= ((from->flags | to->flags) & O_NONBLOCK) != 0;
    for (;;) {
        mutex_lock(a < b ? &a->mutex : &b->mutex); /* in the order of addresses */
        mutex_lock(a < b ? &b->mutex : &a->mutex);
        bool broken = b->readers == 0, ended = a->head == a->tail && a->writers == 0;
        ssize_t done = broken || ended ? 0 : tee_copy(a, b, n, take);
        mutex_unlock(&a->mutex);
        mutex_unlock(&b->mutex);
        if (broken) {
            fs_sigpipe_hook();
            return -EPIPE;
        }
        if (done != 0 || ended || n == 0) {
            pipe_wake_readers(b);
            if (take)
                pipe_wake_writers(a);
            return done;
        }
        if (nonblock)
            return -EAGAIN;
        err_t err = wait_event_intr(&a->read_wait, pipe_readable(a));
        if (err == 0)
            err = wait_event_intr(&b->write_wait, pipe_writable(b));
        if (err != 0)
            return err;
    }
}

/* ---- for splice ---- */

static ssize_t drain_locked(struct pipe *p, size_t n, ssize_t (*sink)(void *arg, struct uio *u),
                            void *arg)
{
    size_t done = 0;

    while (done < n && p->head != p->tail) {
        size_t at = p->tail & (p->size - 1);
        size_t piece = pipe_span(p, at, MIN(n - done, p->head - p->tail));
        struct uio u;

        uio_init_kernel(&u, pipe_at(p, at), piece);
        ssize_t got = sink(arg, &u);
        if (got <= 0)
            return done ? (ssize_t)done : got;
        pipe_consume(p, (size_t)got);
        done += (size_t)got;
        if ((size_t)got < piece)
            break;
    }
    return (ssize_t)done;
}

ssize_t pipe_drain(struct file *f, size_t n, bool nonblock,
                   ssize_t (*sink)(void *arg, struct uio *u), void *arg)
{
    struct pipe *p = pipe_of(f);

    mutex_lock(&p->mutex);
    while (p->head == p->tail) {
        bool ended = p->writers == 0;

        mutex_unlock(&p->mutex);
        if (ended || nonblock || f->flags & O_NONBLOCK)
            return ended ? 0 : -EAGAIN;
        err_t err = wait_event_intr_excl(&p->read_wait, pipe_readable(p));
        if (err != 0)
            return err;
        mutex_lock(&p->mutex);
    }
    ssize_t done = drain_locked(p, n, sink, arg);
    bool more = p->head != p->tail;
    mutex_unlock(&p->mutex);
    pipe_wake_writers(p);
    if (more)
        pipe_wake_readers(p);
    return done;
}

ssize_t pipe_room(struct file *f, bool nonblock)
{
    struct pipe *p = pipe_of(f);

    for (;;) {
        if (atomic_load(&p->readers) == 0) {
            fs_sigpipe_hook();
            return -EPIPE;
        }
        size_t room = p->size - pipe_used(p);
        if (room != 0)
            return (ssize_t)room;
        if (nonblock || f->flags & O_NONBLOCK)
            return -EAGAIN;
        err_t err = wait_event_intr(&p->write_wait, pipe_writable(p));
        if (err != 0)
            return err;
    }
}
