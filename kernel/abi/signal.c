// SPDX-License-Identifier: CC0-1.0
/* Purpose: signals: actions, masks, sending, waiting, the alternate stack. */
#include <abi/syscalls_gen.h>
#include <abi/timespec.h>
#include <hal/abi.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <proc/process.h>
#include <sched/clock.h>

#define SIGSET_BYTES 8

static err_t mask_in(const sigset_t __user *set, uint64_t *mask)
{
    return user_load_u64((const uint64_t __user *)set, mask);
}

static err_t mask_out(sigset_t __user *set, uint64_t mask)
{
    return user_store_u64((uint64_t __user *)set, mask);
}

/* ---- actions and masks --------------------------------------------------------------------- */

long sys_rt_sigaction(int sig, const struct sigaction __user *act, struct sigaction __user *old,
                      size_t size)
{
    struct signal_action new, before;
    err_t err;

    if (size != SIGSET_BYTES)
        return -EINVAL;
    if (act && copy_from_user(&new, act, sizeof new))
        return -EFAULT;
    err = signal_action(sig, act ? &new : NULL, old ? &before : NULL);
    if (!err && old)
        err = copy_to_user(old, &before, sizeof before);
    return err;
}

long sys_rt_sigprocmask(int how, const sigset_t __user *set, sigset_t __user *old, size_t size)
{
    uint64_t before = task_current()->blocked, mask;

    if (size != SIGSET_BYTES)
        return -EINVAL;
    if (set) {
        if (mask_in(set, &mask))
            return -EFAULT;
        if (how == SIG_BLOCK)
            mask |= before;
        else if (how == SIG_UNBLOCK)
            mask = before & ~mask;
        else if (how != SIG_SETMASK)
            return -EINVAL;
        signal_set_mask(mask);
    }
    return old ? mask_out(old, before) : 0;
}

long sys_rt_sigpending(sigset_t __user *set, size_t size)
{
    struct task *t = task_current();

    if (size > SIGSET_BYTES)
        return -EINVAL;
    uint64_t pending = signal_pending_set(t) & t->blocked;

    return copy_to_user(set, &pending, size);
}

long sys_rt_sigsuspend(const sigset_t __user *mask, size_t size)
{
    uint64_t m;

    if (size != SIGSET_BYTES)
        return -EINVAL;
    if (mask_in(mask, &m))
        return -EFAULT;
    signal_mask_begin(m);
    (void)sleep_until(NS_NEVER, true);
    signal_mask_end(true);
    return -ERESTARTNOHAND;
}

long sys_pause(void)
{
    (void)sleep_until(NS_NEVER, true);
    return -ERESTARTNOHAND;
}

long sys_rt_sigtimedwait(const sigset_t __user *set, siginfo_t __user *uinfo,
                         const struct __kernel_timespec __user *timeout, size_t size)
{
    struct __kernel_timespec ts;
    ns_t deadline = NS_NEVER;
    siginfo_t info;
    uint64_t mask;
    int sig;

    if (size != SIGSET_BYTES)
        return -EINVAL;
    if (mask_in(set, &mask))
        return -EFAULT;
    if (timeout) {
        if (copy_from_user(&ts, timeout, sizeof ts))
            return -EFAULT;
        if (ts.tv_sec < 0 || (uint64_t)ts.tv_nsec >= NS_PER_SEC)
            return -EINVAL;
        deadline = ts.tv_sec == 0 && ts.tv_nsec == 0 ? 0 : timespec_deadline(&ts);
    }
    sig = signal_wait(mask, &info, deadline);
    if (sig > 0 && uinfo && copy_to_user(uinfo, &info, sizeof info))
        return -EFAULT;
    return sig;
}

/* ---- sending ------------------------------------------------------------------------------- */

static err_t check_signal(int sig)
{
    return sig < 0 || sig > SIG_COUNT ? -EINVAL : 0;
}

static err_t kill_process(pid_t pid, int sig, const siginfo_t *info)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct task *t = task_find(pid);
    struct process *p = t ? t->process : process_find(pid);
    err_t err = p ? signal_permitted(p, sig) : -ESRCH;

    if (!err && sig)
        err = signal_send_process(p, sig, info);
    brlock_read_irqrestore(&tree_lock, flags);
    return err;
}

static err_t kill_group(pid_t pgid, int sig, const siginfo_t *info)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    struct pgroup *g = pgid ? pgroup_find(pgid) : process_current()->group;
    err_t err = g ? signal_send_group_locked(g, sig, info, true) : -ESRCH;

    brlock_write_irqrestore(&tree_lock, flags);
    return err;
}

long sys_kill(pid_t pid, int sig)
{
    siginfo_t info;
    err_t err = check_signal(sig);

    if (err)
        return err;
    signal_info_user(&info, sig, SI_USER);
    if (pid > 0)
        return kill_process(pid, sig, &info);
    if (pid == -1)
        return signal_send_all(sig, &info);
    return pid == INT_MIN ? -ESRCH : kill_group(-pid, sig, &info);
}

/* tgid 0: whatever process the task is in. */
static err_t kill_task(pid_t tgid, pid_t tid, int sig, const siginfo_t *info)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct task *t = task_find(tid);
    err_t err = -ESRCH;

    if (t && (tgid == 0 || t->process->id == tgid)) {
        err = signal_permitted(t->process, sig);
        if (!err && sig)
            err = signal_send_task(t, sig, info);
    }
    brlock_read_irqrestore(&tree_lock, flags);
    return err;
}

long sys_tgkill(pid_t tgid, pid_t tid, int sig)
{
    siginfo_t info;

    if (tgid <= 0 || tid <= 0 || check_signal(sig))
        return -EINVAL;
    signal_info_user(&info, sig, SI_TKILL);
    return kill_task(tgid, tid, sig, &info);
}

long sys_tkill(pid_t tid, int sig)
{
    siginfo_t info;

    if (tid <= 0 || check_signal(sig))
        return -EINVAL;
    signal_info_user(&info, sig, SI_TKILL);
    return kill_task(0, tid, sig, &info);
}

/* A program may not pretend to be the kernel or kill() towards others. */
static err_t info_in(siginfo_t *info, const siginfo_t __user *user, int sig, pid_t target)
{
    if (copy_from_user(info, user, sizeof *info))
        return -EFAULT;
    info->si_signo = sig;
    if ((info->si_code >= 0 || info->si_code == SI_TKILL) && target != process_current()->id)
        return -EPERM;
    return check_signal(sig);
}

long sys_rt_sigqueueinfo(pid_t pid, int sig, siginfo_t __user *user)
{
    siginfo_t info;
    err_t err = info_in(&info, user, sig, pid);

    if (err)
        return err;
    return kill_process(pid, sig, &info);
}

long sys_rt_tgsigqueueinfo(pid_t tgid, pid_t tid, int sig, siginfo_t __user *user)
{
    siginfo_t info;
    err_t err = tgid <= 0 || tid <= 0 ? -EINVAL : info_in(&info, user, sig, tgid);

    if (err)
        return err;
    return kill_task(tgid, tid, sig, &info);
}

/* ---- frames and the alternate stack -------------------------------------------------------- */

static bool on_altstack(const stack_t *s, vaddr_t sp)
{
    vaddr_t base = (vaddr_t)s->ss_sp;

    return s->ss_size != 0 && !(s->ss_flags & SS_AUTODISARM) && sp > base &&
           sp - base <= s->ss_size;
}

static err_t altstack_set(struct task *t, const stack_t *s, vaddr_t sp)
{
    int mode = s->ss_flags & ~(int)SS_AUTODISARM;

    if (on_altstack(&t->altstack, sp))
        return -EPERM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        t->altstack = (stack_t){ .ss_flags = s->ss_flags };
        return 0;
    }
    if (s->ss_size < MINSIGSTKSZ)
        return -ENOMEM;
    t->altstack = *s;
    return 0;
}

long sys_sigaltstack(const stack_t __user *ss, stack_t __user *old)
{
    struct task *t = task_current();
    vaddr_t sp = regs_sp(hal_user_regs(&t->thread.ctx));
    stack_t new, before = t->altstack;
    err_t err = 0;

    before.ss_flags &= (int)SS_AUTODISARM;
    if (t->altstack.ss_size == 0)
        before.ss_flags |= SS_DISABLE;
    else if (on_altstack(&t->altstack, sp))
        before.ss_flags |= SS_ONSTACK;
    if (ss) {
        if (copy_from_user(&new, ss, sizeof new))
            return -EFAULT;
        err = altstack_set(t, &new, sp);
    }
    if (!err && old)
        err = copy_to_user(old, &before, sizeof before);
    return err;
}

long sys_rt_sigreturn(void)
{
    struct task *t = task_current();
    struct hal_regs *r = hal_user_regs(&t->thread.ctx);
    uint64_t mask = t->blocked;
    stack_t alt;
    err_t err = abi_signal_return(r, &mask, &alt);

    signal_set_mask(mask);
    if (err) {
        signal_force(SIGSEGV, SI_KERNEL, 0);
        return 0;
    }
    if (altstack_set(t, &alt, regs_sp(r)))
        compiler_barrier(); /* a bad one is left alone, as on Linux */
    return regs_return(r);
}

long sys_restart_syscall(void)
{
    struct task *t = task_current();

    return t->restart.fn ? t->restart.fn(t) : -EINTR;
}
