// SPDX-License-Identifier: CC0-1.0
#include <proc/rseq.h>

#include <hal/usercopy.h>
#include <proc/process.h>

#include <linux/rseq.h>

#define CPU_UNINITIALIZED ((uint32_t)-1)

struct section { /* struct rseq_cs */
    uint32_t version, flags;
    uint64_t start, length, abort;
};

static err_t write_cpu(vaddr_t area, uint32_t start, uint32_t cpu)
{
    uint32_t __user *words = USER_PTR(uint32_t, area);

    return user_store_u32(words, start) || user_store_u32(words + 1, cpu) ? -EFAULT : 0;
}

long rseq_register(struct task *t, vaddr_t addr, uint32_t len, uint32_t sig)
{
    uint32_t cpu;

    preempt_disable();
    cpu = cpu_current()->id;
    preempt_enable();
    if (write_cpu(addr, cpu, cpu))
        return -EFAULT;
    t->rseq = addr;
    t->rseq_len = len;
    t->rseq_sig = sig;
    t->thread.switch_pending = PENDING_WORK;
    t->rseq_cpu = cpu;
    return 0;
}

long rseq_unregister(struct task *t)
{
    if (write_cpu(t->rseq, 0, CPU_UNINITIALIZED))
        return -EFAULT;
    t->rseq = 0;
    t->rseq_len = 0;
    t->thread.switch_pending = 0;
    return 0;
}

/* Reads the section that the area points to. *at 0: none. */
static err_t read_section(const struct task *t, vaddr_t *at, struct section *s)
{
    uint64_t pointer;

    if (user_load_u64(USER_PTR(const uint64_t, t->rseq + 8), &pointer))
        return -EFAULT;
    *at = pointer;
    if (pointer == 0)
        return 0;
    if (copy_from_user(s, USER_PTR(const void, pointer), sizeof *s))
        return -EFAULT;
    if (s->version > 0 || s->start >= USER_TOP || s->length > USER_TOP - s->start ||
        s->abort >= USER_TOP || s->abort < 4)
        return -EINVAL;
    return 0;
}

/* Sends the task to the abort address when it stands in a section. */
static err_t abort_section(struct task *t, struct hal_regs *r)
{
    struct section s;
    uint32_t signature;
    vaddr_t at;
    err_t err = read_section(t, &at, &s);

    if (err || at == 0)
        return err;
    /* Left, or never entered: the pointer is stale. */
    if (user_store_u64(USER_PTR(uint64_t, t->rseq + 8), 0))
        return -EFAULT;
    if (regs_ip(r) - s.start >= s.length)
        return 0;
    if (s.abort - s.start < s.length)
        return -EINVAL;
    if (user_load_u32(USER_PTR(const uint32_t, s.abort - 4), &signature))
        return -EFAULT;
    if (signature != t->rseq_sig)
        return -EINVAL;
    regs_set_ip(r, s.abort);
    return 0;
}

void rseq_resume(struct task *t, struct hal_regs *r)
{
    uint32_t cpu = t->thread.ctx.cpu->id;
    err_t err = abort_section(t, r);

    if (!err && cpu != t->rseq_cpu) {
        err = write_cpu(t->rseq, cpu, cpu);
        t->rseq_cpu = cpu;
    }
    if (err)
        signal_force(SIGSEGV, SI_KERNEL, 0);
}
