// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: rseq(2): registration; proc/rseq.c keeps the areas true.
 */
#include <abi/syscalls_gen.h>
#include <proc/process.h>
#include <proc/rseq.h>

#include <linux/rseq.h>

#define RSEQ_BYTES 32 /* of the original struct; its alignment, too */

long sys_rseq(struct rseq __user *area, unsigned len, int flags, unsigned sig)
{
    struct task *t = task_current();
    vaddr_t addr = USER_ADDR(area);

    if (flags & RSEQ_FLAG_UNREGISTER) {
        if ((flags & ~RSEQ_FLAG_UNREGISTER) || t->rseq != addr || !t->rseq || len != t->rseq_len)
            return -EINVAL;
        if (t->rseq_sig != sig)
            return -EPERM;
        return rseq_unregister(t);
    }
    if (flags)
        return -EINVAL;
    if (t->rseq) {
        if (t->rseq != addr || t->rseq_len != len)
            return -EINVAL;
        return t->rseq_sig == sig ? -EBUSY : -EPERM;
    }
    if (len != RSEQ_BYTES || addr % RSEQ_BYTES != 0)
        return -EINVAL;
    if (addr >= USER_TOP - RSEQ_BYTES)
        return -EFAULT;
    return rseq_register(t, addr, len, sig);
}
