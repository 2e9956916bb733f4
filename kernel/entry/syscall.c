// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: system calls: number -> handler -> return register.
 *
 * Model: the hottest path of the kernel.  Everything rare (strace=1) hangs on one flag; what must
 * happen before user mode runs again hangs on the pending bits, which the architecture looks at.
 * Invariant: an ERESTART code never reaches user mode: it sets PENDING_SIGNAL, and signal_deliver
 * resolves it even when another task took the signal away.
 */
#include <abi/strace.h>
#include <abi/syscall.h>
#include <hal/context.h>
#include <hal/upcall.h>
#include <lib/atomic.h>

__hot void upcall_syscall(struct hal_regs *r)
{
    unsigned nr = (unsigned)regs_nr(r);
    long ret = -ENOSYS;

    if (unlikely(syscall_trace))
        ret = strace_call(r);
    else if (likely(nr < syscall_count))
        ret = syscall_table[nr](r);
    regs_set_return(r, ret);
    if (unlikely((unsigned long)(ret + ERESTART_RESTARTBLOCK) <=
                 ERESTART_RESTARTBLOCK - ERESTARTSYS))
        atomic_fetch_or(&hal_current()->pending, PENDING_SIGNAL);
}
