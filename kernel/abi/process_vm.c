// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: process_vm_readv and process_vm_writev: copies between two processes.
 *
 * Model: a page at a time through a kernel buffer; each side takes its own faults, so nothing is
 * locked while the other is touched.  A fault ends the copy; what was moved before counts.
 */
#include <abi/syscalls_gen.h>
#include <fs/uio.h>
#include <hal/usercopy.h>
#include <mm/heap.h>
#include <proc/process.h>
#include <vm/space.h>

struct remote_copy {
    struct space *space;
    struct uio local;
    uint8_t *bounce; /* one page */
    bool write; /* to the remote side */
};

/* Moves up to n bytes at one remote address; less when a side ends or faults. */
static size_t remote_piece(struct remote_copy *c, vaddr_t addr, size_t n)
{
    size_t done = 0;

    while (done < n && c->local.left > 0) {
        size_t part = MIN(MIN(n - done, PAGE_SIZE), c->local.left), moved;

        if (c->write) {
            part = uio_copy_from(&c->local, c->bounce, part);
            moved = space_access_checked(c->space, addr + done, c->bounce, part, true);
        } else {
            moved = space_access_checked(c->space, addr + done, c->bounce, part, false);
            moved = uio_copy_to(&c->local, c->bounce, moved);
        }
        done += moved;
        if (moved == 0 || moved < part)
            break;
    }
    return done;
}

static long remote_run(struct remote_copy *c, const struct iovec *remote, size_t count)
{
    bool any = c->local.left > 0;
    size_t done = 0;

    for (size_t i = 0; i < count && c->local.left > 0; i++) {
        size_t n = remote_piece(c, (vaddr_t)remote[i].iov_base, remote[i].iov_len);

        done += n;
        if (n < remote[i].iov_len)
            break;
    }
    for (size_t i = 0; any && done == 0 && i < count; i++)
        if (remote[i].iov_len > 0)
            return -EFAULT;
    return done;
}

static err_t remote_open(pid_t pid, struct space **out)
{
    struct process *p = process_get(pid);
    err_t err;

    if (p == NULL)
        return -ESRCH;
    err = process_may_inspect(p);
    *out = err == 0 ? process_space_get(p) : NULL;
    process_put(p);
    if (err == 0 && *out == NULL)
        err = -ESRCH;
    return err;
}

static long remote_vm(pid_t pid, const struct iovec __user *local, size_t nlocal,
                      const struct iovec __user *remote, size_t nremote, unsigned long flags,
                      bool write)
{
    struct remote_copy c = { .write = write };
    struct iovec inline_iov[UIO_INLINE], *heap = NULL, *vec;
    long result = -ENOMEM;

    if (flags != 0 || nlocal > UIO_MAXIOV || nremote > UIO_MAXIOV)
        return -EINVAL;
    result = uio_init_vector(&c.local, local, nlocal, inline_iov, &heap);
    if (result)
        return result;
    vec = kmalloc(nremote * sizeof(*vec));
    c.bounce = kmalloc(PAGE_SIZE);
    if (vec == NULL || c.bounce == NULL)
        result = -ENOMEM;
    else if (copy_from_user(vec, remote, nremote * sizeof(*vec)))
        result = -EFAULT;
    else
        result = remote_open(pid, &c.space);
    if (result == 0) {
        result = remote_run(&c, vec, nremote);
        space_put(c.space);
    }
    kfree(c.bounce);
    kfree(vec);
    kfree(heap);
    return result;
}

long sys_process_vm_readv(pid_t pid, const struct iovec __user *local, size_t nlocal,
                          const struct iovec __user *remote, size_t nremote, unsigned long flags)
{
    return remote_vm(pid, local, nlocal, remote, nremote, flags, false);
}

long sys_process_vm_writev(pid_t pid, const struct iovec __user *local, size_t nlocal,
                           const struct iovec __user *remote, size_t nremote, unsigned long flags)
{
    return remote_vm(pid, local, nlocal, remote, nremote, flags, true);
}
