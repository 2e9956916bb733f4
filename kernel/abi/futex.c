// SPDX-License-Identifier: CC0-1.0
/* Purpose: futex(2), robust lists. */
#include <abi/syscalls_gen.h>
#include <abi/timespec.h>
#include <hal/usercopy.h>
#include <proc/futex.h>
#include <proc/process.h>

#include <linux/futex.h>

/* FUTEX_WAIT's time is relative, that of the others absolute on one of two clocks. */
static err_t futex_deadline(int op, const void __user *timeout, ns_t *deadline)
{
    struct __kernel_timespec ts;

    *deadline = NS_NEVER;
    if (!timeout)
        return 0;
    if (copy_from_user(&ts, timeout, sizeof ts))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT)
        *deadline = timespec_deadline(&ts);
    else if (op & FUTEX_CLOCK_REALTIME)
        *deadline = clock_realtime_to_monotonic((int64_t)MIN(timespec_ns(&ts), (ns_t)INT64_MAX));
    else
        *deadline = timespec_ns(&ts);
    return 0;
}

static long wait_restart(struct task *t);

/* A wait with a time goes on with the same deadline after a signal without handler. */
static long wait(struct futex_word w, uint32_t val, ns_t deadline, uint32_t bits)
{
    struct task *t = task_current();
    long ret = bits ? futex_wait(w, val, deadline, bits) : -EINVAL;

    if (ret != -ERESTARTSYS || deadline == NS_NEVER)
        return ret;
    t->restart.fn = wait_restart;
    t->restart.a = w.addr;
    t->restart.flags = w.shared;
    t->restart.val = val;
    t->restart.val2 = bits;
    t->restart.deadline = deadline;
    return -ERESTART_RESTARTBLOCK;
}

static long wait_restart(struct task *t)
{
    return wait((struct futex_word){ t->restart.a, t->restart.flags }, t->restart.val,
                t->restart.deadline, t->restart.val2);
}

static unsigned at_least_zero(uint64_t n)
{
    return (int)n < 0 ? UINT_MAX : (unsigned)n;
}

long sys_futex(uint32_t __user *uaddr, int op, uint32_t val, const void __user *timeout,
               uint32_t __user *uaddr2, uint32_t val3)
{
    struct futex_word a = { USER_ADDR(uaddr), !(op & FUTEX_PRIVATE_FLAG) };
    struct futex_word b = { USER_ADDR(uaddr2), a.shared };
    unsigned val2 = (unsigned)USER_ADDR(timeout);
    int cmd = op & FUTEX_CMD_MASK;
    ns_t deadline;
    err_t err;

    if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
        return -ENOSYS;
    switch (cmd) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        err = futex_deadline(op, timeout, &deadline);
        if (err)
            return err;
        return wait(a, val, deadline, cmd == FUTEX_WAIT ? FUTEX_BITSET_MATCH_ANY : val3);
    case FUTEX_WAKE:
        return futex_wake(a, MAX(val, 1u), FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return val3 ? futex_wake(a, MAX(val, 1u), val3) : -EINVAL;
    case FUTEX_REQUEUE:
        if ((int)val < 0 || (int)val2 < 0)
            return -EINVAL;
        return futex_requeue(a, b, val, val2, false, 0);
    case FUTEX_CMP_REQUEUE:
        if ((int)val < 0 || (int)val2 < 0)
            return -EINVAL;
        return futex_requeue(a, b, val, val2, true, val3);
    case FUTEX_WAKE_OP:
        return futex_wake_op(a, b, at_least_zero(val), at_least_zero(val2), val3);
    case FUTEX_LOCK_PI: /* always by the real-time clock */
    case FUTEX_LOCK_PI2:
        err = futex_deadline(cmd == FUTEX_LOCK_PI ? op | FUTEX_CLOCK_REALTIME : op, timeout,
                             &deadline);
        return err ? err : futex_lock_pi(a, deadline, false);
    case FUTEX_TRYLOCK_PI:
        return futex_lock_pi(a, NS_NEVER, true);
    case FUTEX_UNLOCK_PI:
        return futex_unlock_pi(a);
    default:
        return -ENOSYS;
    }
}

long sys_set_robust_list(struct robust_list_head __user *head, size_t len)
{
    struct task *t = task_current();

    if (len != sizeof(struct robust_list_head))
        return -EINVAL;
    t->robust_list = USER_ADDR(head);
    t->robust_len = len;
    return 0;
}

long sys_get_robust_list(pid_t pid, struct robust_list_head __user *__user *head,
                         size_t __user *len)
{
    struct task *t = task_current();
    vaddr_t list;
    err_t err = 0;

    if (pid) {
        t = task_get(pid);
        if (!t)
            return -ESRCH;
        err = process_may_inspect(t->process);
    }
    list = t->robust_list;
    if (pid)
        thread_put(&t->thread);
    if (err)
        return err;
    if (user_store_u64((uint64_t __user *)len, sizeof(struct robust_list_head)) ||
        user_store_u64((uint64_t __user *)head, list))
        return -EFAULT;
    return 0;
}
