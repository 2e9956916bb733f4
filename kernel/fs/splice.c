// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: sendfile, splice, copy_file_range underneath.
 * Model: a buffer of a few pages between the two; a source with offsets moves on by what the target
 * took, a pipe gives its pages straight to the target and loses only what was taken.
 * Locking: the target is never waited for with the source's position locked: two transfers may go to and
 * fro between the same files, or within one.  Between pipes nothing waits with either mutex.
 */
#include <fs/splice.h>

#include <fs/internal.h>
#include <fs/pipe.h>
#include <mm/heap.h>

#define BUFFER_BYTES (32 * KiB)

static ssize_t target_write(struct file *out, off_t *pos, struct uio *u)
{
    return pos ? out->ops->write(out, u, pos) : file_write(out, u);
}

struct target {
    struct file *out;
    off_t *pos;
};

static ssize_t pipe_sink(void *arg, struct uio *u)
{
    struct target *t = arg;

    return target_write(t->out, t->pos, u);
}

/* One buffer's worth from a source that has offsets. */
static ssize_t step_offset(struct file *in, off_t *pos, struct target *t, char *buf, size_t n)
{
    struct uio u;
    off_t at = *pos;

    uio_init_kernel(&u, buf, n);
    ssize_t got = in->ops->read(in, &u, &at);
    if (got <= 0)
        return got;
    uio_init_kernel(&u, buf, (size_t)got);
    ssize_t put = target_write(t->out, t->pos, &u);
    if (put > 0)
        *pos += put;
    return put;
}

/* From a stream: only what the target surely takes is read. */
static ssize_t step_stream(struct file *in, struct target *t, char *buf, size_t n, bool nonblock)
{
    struct uio u;

    if (file_is_pipe(t->out)) {
        ssize_t room = pipe_room(t->out, nonblock);

        if (room <= 0)
            return room;
        n = MIN(n, (size_t)room);
    }
    uio_init_kernel(&u, buf, n);
    ssize_t got = file_read(in, &u), done = 0;
    while (done < got) {
        uio_init_kernel(&u, buf + done, (size_t)(got - done));
        ssize_t put = target_write(t->out, t->pos, &u);

        if (put <= 0)
            return done ? done : put;
        done += put;
    }
    return got;
}

static err_t transfer_check(struct file *in, struct file *out)
{
    if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE))
        return -EBADF;
    if (!in->ops->read || !out->ops->write)
        return -EINVAL;
    return 0;
}

static off_t position_get(struct file *f)
{
    bool locked = file_pos_lock(f);
    off_t pos = f->pos;

    if (locked)
        mutex_unlock(&f->pos_mutex);
    return pos;
}

static void position_set(struct file *f, off_t pos)
{
    bool locked = file_pos_lock(f);

    f->pos = pos;
    if (locked)
        mutex_unlock(&f->pos_mutex);
}

ssize_t file_transfer(struct file *in, off_t *in_pos, struct file *out, off_t *out_pos, size_t n,
                      bool nonblock)
{
    struct target t = { out, out_pos };
    ssize_t total = 0, got = transfer_check(in, out);

    if (got != 0)
        return got;
    if (file_is_pipe(in) && file_is_pipe(out))
        return pipe_tee(in, out, n, nonblock, true);
    if (file_is_pipe(in))
        return pipe_drain(in, n, nonblock, pipe_sink, &t);
    bool offsets = in->fmode & FMODE_PREAD;
    char *buf = kmalloc(BUFFER_BYTES);
    if (!buf)
        return -ENOMEM;
    off_t own = 0, *pos = in_pos ? in_pos : &own;
    if (offsets && !in_pos)
        own = position_get(in);
    while ((size_t)total < n) {
        size_t piece = MIN(n - (size_t)total, BUFFER_BYTES);

        got = offsets ? step_offset(in, pos, &t, buf, piece)
                      : step_stream(in, &t, buf, piece, nonblock);
        if (got <= 0)
            break;
        total += got;
        if (!offsets || thread_signal_pending())
            break;
    }
    if (offsets && !in_pos && total > 0)
        position_set(in, own);
    kfree(buf);
    return total ? total : got;
}
