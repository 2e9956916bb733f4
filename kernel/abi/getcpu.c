// SPDX-License-Identifier: CC0-1.0
/* Purpose: getcpu(2). */
#include <abi/syscalls_gen.h>

#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/usercopy.h>

/* The answer may be old when it arrives, as on Linux.  `cache` has meant nothing since 2.6.24. */
long sys_getcpu(unsigned __user *cpu, unsigned __user *node, void __user *cache)
{
    const struct cpu *c;
    unsigned id, at;

    (void)cache;
    preempt_disable();
    c = cpu_current();
    id = c->id;
    at = c->node;
    preempt_enable();
    if (cpu && user_store_u32(cpu, id))
        return -EFAULT;
    if (node && user_store_u32(node, at))
        return -EFAULT;
    return 0;
}
