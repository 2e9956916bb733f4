// SPDX-License-Identifier: CC0-1.0
#include <proc/pidfd.h>

#include <fs/poll.h>
#include <fs/vfs.h>

#include <asm/poll.h>

static unsigned pidfd_poll(struct file *f, struct poll_table *pt)
{
    struct process *p = f->data;

    poll_wait(pt, f, &p->pidfd_waiters);
    return atomic_load_relaxed(&p->state) == PROCESS_ALIVE ? 0 : POLLIN | POLLRDNORM;
}

static void pidfd_release(struct file *f)
{
    if (f->data)
        process_put(f->data);
}

static const struct file_ops pidfd_ops = { .poll = pidfd_poll, .release = pidfd_release };

err_t pidfd_create(struct process *p, unsigned flags, struct file **out)
{
    err_t err = file_create_anon("[pidfd]", &pidfd_ops, NULL, flags, out);

    if (!err && p)
        pidfd_bind(*out, p);
    return err;
}

void pidfd_bind(struct file *f, struct process *p)
{
    process_ref(p);
    f->data = p;
}

struct process *pidfd_process(const struct file *f)
{
    return f->ops == &pidfd_ops ? f->data : NULL;
}
