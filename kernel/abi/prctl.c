// SPDX-License-Identifier: CC0-1.0
/* Purpose: prctl, personality.  Options that are not here give EINVAL, as on a Linux without them. */
#include <abi/syscalls_gen.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <proc/process.h>

#include <linux/capability.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#define NAME_BYTES 16

static long set_name(unsigned long addr)
{
    struct thread *t = thread_current();
    char name[NAME_BYTES];
    ssize_t n = user_copy_string(name, USER_PTR(const char, addr), sizeof name);

    if (n < 0)
        return n;
    name[NAME_BYTES - 1] = '\0';
    thread_set_name(t, name);
    return 0;
}

static long get_name(unsigned long addr)
{
    char name[NAME_BYTES] = "";

    str_copy(name, thread_current()->name, sizeof name);
    return copy_to_user(USER_PTR(void, addr), name, sizeof name);
}

static long set_death_signal(unsigned long sig)
{
    if (sig > SIG_COUNT)
        return -EINVAL;
    task_current()->parent_death_signal = (int)sig;
    return 0;
}

static long int_out(unsigned long addr, int v)
{
    return user_store_u32(USER_PTR(uint32_t, addr), (uint32_t)v);
}

/* ---- credentials --------------------------------------------------------------------------- */

#define SECUREBITS_KNOWN                                                                           \
    (SECURE_ALL_BITS | SECURE_ALL_LOCKS)

static long set_securebits(unsigned long bits)
{
    const struct cred *old = cred_current();
    unsigned locked = (old->securebits & SECURE_ALL_LOCKS) >> 1;
    struct cred *new;

    if (bits & ~(unsigned long)SECUREBITS_KNOWN)
        return -EINVAL;
    if (!task_capable(CAP_SETPCAP) || ((old->securebits ^ bits) & locked) ||
        (old->securebits & SECURE_ALL_LOCKS & ~bits))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    new->securebits = (uint32_t)bits;
    task_set_cred(task_current(), new);
    return 0;
}

static long set_keep_caps(unsigned long on)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (on > 1)
        return -EINVAL;
    if (old->securebits & issecure_mask(SECURE_KEEP_CAPS_LOCKED))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    new->securebits &= ~issecure_mask(SECURE_KEEP_CAPS);
    if (on)
        new->securebits |= issecure_mask(SECURE_KEEP_CAPS);
    task_set_cred(task_current(), new);
    return 0;
}

static long drop_bounding(unsigned long cap)
{
    struct cred *new;

    if (cap > CAP_LAST_CAP)
        return -EINVAL;
    if (!task_capable(CAP_SETPCAP))
        return -EPERM;
    new = cred_copy(cred_current());
    if (!new)
        return -ENOMEM;
    new->cap_bounding &= ~BIT(cap);
    task_set_cred(task_current(), new);
    return 0;
}

static long change_ambient(unsigned long how, unsigned long cap)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (how == PR_CAP_AMBIENT_CLEAR_ALL ? cap != 0 : cap > CAP_LAST_CAP)
        return -EINVAL;
    if (how == PR_CAP_AMBIENT_IS_SET)
        return old->cap_ambient >> cap & 1;
    if (how != PR_CAP_AMBIENT_CLEAR_ALL && how != PR_CAP_AMBIENT_LOWER &&
        how != PR_CAP_AMBIENT_RAISE)
        return -EINVAL;
    if (how == PR_CAP_AMBIENT_RAISE &&
        (!(old->cap_permitted & old->cap_inheritable & BIT(cap)) ||
         (old->securebits & issecure_mask(SECURE_NO_CAP_AMBIENT_RAISE))))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    if (how == PR_CAP_AMBIENT_CLEAR_ALL)
        new->cap_ambient = 0;
    else if (how == PR_CAP_AMBIENT_RAISE)
        new->cap_ambient |= BIT(cap);
    else
        new->cap_ambient &= ~BIT(cap);
    task_set_cred(task_current(), new);
    return 0;
}

static long prctl_cred(int option, unsigned long a2, unsigned long a3, unsigned long rest)
{
    const struct cred *c = cred_current();

    switch (option) {
    case PR_GET_KEEPCAPS:
        return !!(c->securebits & issecure_mask(SECURE_KEEP_CAPS));
    case PR_SET_KEEPCAPS:
        return set_keep_caps(a2);
    case PR_GET_SECUREBITS:
        return c->securebits;
    case PR_SET_SECUREBITS:
        return set_securebits(a2);
    case PR_CAPBSET_READ:
        return a2 <= CAP_LAST_CAP ? (long)(c->cap_bounding >> a2 & 1) : -EINVAL;
    case PR_CAPBSET_DROP:
        return drop_bounding(a2);
    case PR_CAP_AMBIENT:
        return rest ? -EINVAL : change_ambient(a2, a3);
    default:
        return -EINVAL;
    }
}

/* ---- the process --------------------------------------------------------------------------- */

static long set_dumpable(unsigned long v)
{
    if (v > 1)
        return -EINVAL;
    process_current()->dumpable = v;
    return 0;
}

static long set_no_new_privs(unsigned long a2, unsigned long rest)
{
    if (a2 != 1 || rest)
        return -EINVAL;
    process_current()->no_new_privs = true;
    return 0;
}

long sys_prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5)
{
    struct process *p = process_current();
    struct task *t = task_current();

    switch (option) {
    case PR_SET_NAME:
        return set_name(a2);
    case PR_GET_NAME:
        return get_name(a2);
    case PR_SET_PDEATHSIG:
        return set_death_signal(a2);
    case PR_GET_PDEATHSIG:
        return int_out(a2, t->parent_death_signal);
    case PR_GET_DUMPABLE:
        return p->dumpable;
    case PR_SET_DUMPABLE:
        return set_dumpable(a2);
    case PR_SET_NO_NEW_PRIVS:
        return set_no_new_privs(a2, a3 | a4 | a5);
    case PR_GET_NO_NEW_PRIVS:
        return a2 | a3 | a4 | a5 ? -EINVAL : (long)p->no_new_privs;
    case PR_SET_CHILD_SUBREAPER:
        p->subreaper = a2 != 0;
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        return int_out(a2, p->subreaper);
    case PR_SET_TIMERSLACK:
        t->timer_slack_ns = a2 && a2 <= UINT_MAX ? (unsigned)a2 : t->timer_slack_default_ns;
        return 0;
    case PR_GET_TIMERSLACK:
        return t->timer_slack_ns;
    case PR_GET_TID_ADDRESS:
        return user_store_u64(USER_PTR(uint64_t, a2), t->clear_tid);
    default:
        return prctl_cred(option, a2, a3, a4 | a5);
    }
}

long sys_personality(unsigned long persona)
{
    struct process *p = process_current();
    unsigned long before = p->personality;

    if ((unsigned)persona == 0xffffffffu)
        return (long)before;
    /* Only Linux itself, and only the flags that mean something here. */
    if ((persona & PER_MASK) != PER_LINUX || (persona & ~(unsigned long)(PER_MASK |
                                                                         ADDR_NO_RANDOMIZE)))
        return -EINVAL;
    p->personality = persona;
    return (long)before;
}
