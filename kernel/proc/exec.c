// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: execve(2): another program in the same process.
 *
 * Model: all that can fail is done beside the old program, which does not notice: the file is opened
 * and decoded, scripts lead to their interpreters, the strings are gathered, a new space is built.
 * Then comes the point of no return: the other tasks end, the spaces are exchanged, and what a program
 * does not inherit is reset.  After it only a kill is left for an error.
 *
 *     exec_resolve -> exec_strings -> exec_build  |  exec_alone -> exec_commit -> exec_start
 */
#define LOG_TAG "proc"
#include <proc/process.h>

#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/random.h>
#include <fs/vfs.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/elf.h>
#include <proc/internal.h>
#include <proc/pid.h>
#include <proc/script.h>
#include <proc/stack.h>

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/personality.h>
#include <linux/securebits.h>
#include <linux/stat.h>

#define SCRIPT_DEPTH 4
#define HEAD_BYTES 1024

unsigned exec_randomize = 2; /* atomic */

static err_t set_norandmaps(const char *value)
{
    exec_randomize = 0;
    return 0;
}
PARAM(norandmaps, "no random places in address spaces", set_norandmaps);

struct exec {
    char *name; /* as AT_EXECFN shows it; PATH_BYTES */
    char head[HEAD_BYTES]; /* of the file */
    size_t head_bytes;
    struct file *file, *interp;
    struct elf_plan plan, *interp_plan; /* the second: NULL without an interpreter */
    struct {
        char *interpreter, *argument;
    } scripts[SCRIPT_DEPTH];
    unsigned depth;
    struct arg_block args;
    struct space *space;
    vaddr_t bias, interp_bias, stack_top;
    const struct cred *cred; /* new one, or NULL: unchanged */
    bool secure;
};

_Static_assert(sizeof(struct exec) <= PAGE_SIZE, "a frame of the CPU's own will do");

/* ---- finding the program ------------------------------------------------------------------- */

static err_t read_head(struct exec *e)
{
    ssize_t n = file_read_at(e->file, e->head, sizeof e->head, 0);

    if (n < 0)
        return (err_t)n;
    e->head_bytes = (size_t)n;
    return 0;
}

/* AT_EXECFN, and what a script's interpreter gets as the script's name. */
static err_t exec_name(struct exec *e, int dirfd, const char *name)
{
    int n;

    if (dirfd == AT_FDCWD || name[0] == '/')
        n = fmt_snprintf(e->name, PATH_BYTES, "%s", name);
    else
        n = fmt_snprintf(e->name, PATH_BYTES, "/dev/fd/%d%s%s", dirfd, name[0] ? "/" : "", name);
    return n < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* The file is a script: its interpreter takes its place. */
static err_t follow_script(struct exec *e)
{
    struct script_line line;
    err_t err;

    if (e->depth == SCRIPT_DEPTH)
        return -ELOOP;
    err = script_parse(e->head, e->head_bytes, &line);
    if (err)
        return err;
    e->scripts[e->depth].interpreter = kstrdup(line.interpreter);
    e->scripts[e->depth].argument = line.argument ? kstrdup(line.argument) : NULL;
    e->depth++;
    if (!e->scripts[e->depth - 1].interpreter ||
        (line.argument && !e->scripts[e->depth - 1].argument))
        return -ENOMEM;
    file_put(e->file);
    e->file = NULL;
    return file_open_exec(AT_FDCWD, e->scripts[e->depth - 1].interpreter, 0, &e->file);
}

/* The program named by PT_INTERP. */
static err_t open_interp(struct exec *e)
{
    char *name = kmalloc(e->plan.interp_bytes);
    ssize_t n;
    err_t err;

    if (!name)
        return -ENOMEM;
    n = file_read_at(e->file, name, e->plan.interp_bytes, e->plan.interp_offset);
    err = n < 0 ? (err_t)n : -ENOEXEC;
    if (n == (ssize_t)e->plan.interp_bytes && name[n - 1] == '\0')
        err = file_open_exec(AT_FDCWD, name, 0, &e->interp);
    kfree(name);
    if (err)
        return err;
    n = file_read_at(e->interp, e->head, sizeof e->head, 0);
    if (n < 0)
        return (err_t)n;
    e->interp_plan = kmalloc(sizeof *e->interp_plan);
    if (!e->interp_plan)
        return -ENOMEM;
    err = elf_read(e->interp, e->head, (size_t)n, e->interp_plan);
    return err == -ENOEXEC ? -ELIBBAD : err;
}

static err_t exec_resolve(struct exec *e, int dirfd, const char *name, int at_flags)
{
    err_t err = exec_name(e, dirfd, name);

    if (!err)
        err = file_open_exec(dirfd, name, (unsigned)at_flags, &e->file);
    if (!err)
        err = read_head(e);
    while (!err && e->head_bytes >= 2 && e->head[0] == '#' && e->head[1] == '!') {
        err = follow_script(e);
        if (!err)
            err = read_head(e);
    }
    if (!err)
        err = elf_read(e->file, e->head, e->head_bytes, &e->plan);
    if (!err && e->plan.interp_bytes)
        err = open_interp(e);
    return err;
}

/* ---- strings ------------------------------------------------------------------------------- */

static err_t add_kernel_strings(struct arg_block *b, const char *const *v, unsigned *count)
{
    err_t err = 0;

    for (; v && *v && !err; v++) {
        err = arg_add(b, *v);
        ++*count;
    }
    return err;
}

static err_t add_user_strings(struct arg_block *b, const char __user *const __user *v,
                              unsigned skip, unsigned *count)
{
    const uint64_t __user *words = (const uint64_t __user *)v;

    if (!v)
        return 0;
    for (uint64_t p;; words++) {
        err_t err = user_load_u64(words, &p);

        if (err || p == 0)
            return err;
        if (skip) {
            skip--;
            continue;
        }
        err = arg_add_user(b, USER_PTR(const char, p));
        if (err)
            return err;
        if (b->used + (++*count) * sizeof p > b->limit)
            return -E2BIG;
    }
}

/* interpreter, its argument, ..., the script's name: in front of argv[1]. */
static err_t add_script_strings(struct exec *e)
{
    struct arg_block *b = &e->args;
    err_t err = 0;

    for (unsigned i = e->depth; i-- > 0 && !err;) {
        err = arg_add(b, e->scripts[i].interpreter);
        b->argc++;
        if (err || !e->scripts[i].argument)
            continue;
        err = arg_add(b, e->scripts[i].argument);
        b->argc++;
    }
    if (!err && e->depth) {
        err = arg_add(b, e->name);
        b->argc++;
    }
    return err;
}

static err_t exec_strings(struct exec *e, const struct exec_strings *s)
{
    struct arg_block *b = &e->args;
    err_t err;

    b->limit = arg_limit(process_current());
    err = add_script_strings(e);
    if (!err && s->kernel_argv)
        err = add_kernel_strings(b, s->kernel_argv + !!e->depth, &b->argc);
    else if (!err)
        err = add_user_strings(b, s->argv, !!e->depth, &b->argc);
    if (!err && b->argc == 0) {
        err = arg_add(b, "");
        b->argc = 1;
    }
    if (!err && s->kernel_argv)
        err = add_kernel_strings(b, s->kernel_envp, &b->envc);
    else if (!err)
        err = add_user_strings(b, s->envp, 0, &b->envc);
    return err ? err : arg_add(b, e->name);
}

/* ---- the new space ------------------------------------------------------------------------- */

static bool randomized(void)
{
    return atomic_load_relaxed(&exec_randomize) != 0 && !(process_current()->personality & ADDR_NO_RANDOMIZE);
}

static uint64_t random_pages(unsigned bits)
{
    return randomized() ? (random_u64() >> (64 - bits)) << PAGE_SHIFT : 0;
}

#define STACK_RANDOM_BITS 22
#define MMAP_RANDOM_BITS 28
#define BRK_RANDOM_BITS 13
#define STACK_GAP_MIN (128 * MiB)
#define STACK_GUARD (1 * MiB)

static void place_stack(struct exec *e)
{
    struct space *s = e->space;
    uint64_t limit = process_limit(process_current(), RLIMIT_STACK);
    uint64_t gap = MAX(MIN(limit, USER_TOP / 6 * 5), STACK_GAP_MIN);

    gap += ((uint64_t)PAGE_SIZE << STACK_RANDOM_BITS) + STACK_GUARD;
    gap = MIN(gap, USER_TOP / 6 * 5);
    e->stack_top = USER_TOP - random_pages(STACK_RANDOM_BITS);
    s->stack_top = e->stack_top;
    s->mmap_top = ALIGN_DOWN(USER_TOP - gap, PAGE_SIZE) - random_pages(MMAP_RANDOM_BITS);
}

static err_t map_stack(struct exec *e)
{
    size_t bytes = ALIGN_UP(e->args.used + (e->args.argc + e->args.envc) * sizeof(uint64_t) +
                                32 * PAGE_SIZE, PAGE_SIZE);
    struct map_request r = {
        .addr = e->stack_top - bytes,
        .length = bytes,
        .vm_flags = VM_READ | VM_WRITE | (e->plan.exec_stack ? VM_EXEC : 0) | VM_STACK |
                    VM_MAY_READ | VM_MAY_WRITE | VM_MAY_EXEC,
        .map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
        .name = "[stack]",
    };
    vaddr_t at;

    return space_map(e->space, &r, &at);
}

static vaddr_t exec_base(void)
{
    return ALIGN_DOWN(USER_TOP / 3 * 2, PAGE_SIZE) + random_pages(MMAP_RANDOM_BITS);
}

/* Bias that puts a position-independent plan right below `top`. */
static vaddr_t bias_below(const struct elf_plan *p, vaddr_t top)
{
    return ALIGN_DOWN(top - (p->high - p->low), p->align) - p->low;
}

static void place_program(struct exec *e)
{
    struct elf_plan *p = &e->plan;
    vaddr_t below = e->space->mmap_top, brk;

    if (p->position_independent && e->interp)
        e->bias = ALIGN_DOWN(exec_base(), p->align) - p->low;
    else if (p->position_independent)
        e->bias = bias_below(p, below);
    if (p->position_independent && !e->interp)
        below = e->bias + p->low;
    if (e->interp && e->interp_plan->position_independent)
        e->interp_bias = bias_below(e->interp_plan, below);
    /* A static program that took its place among the mappings has its heap where others have theirs. */
    brk = p->position_independent && !e->interp ? exec_base() : e->bias + p->high;
    if (atomic_load_relaxed(&exec_randomize) == 2)
        brk += random_pages(BRK_RANDOM_BITS);
    e->space->brk_start = e->space->brk = brk;
}

static err_t exec_build(struct exec *e)
{
    err_t err;

    e->space = space_create();
    if (!e->space)
        return -ENOMEM;
    e->space->limit_as = e->space->limit_data = UINT64_MAX;
    e->space->limit_stack = process_limit(process_current(), RLIMIT_STACK);
    e->space->limit_memlock = process_limit(process_current(), RLIMIT_MEMLOCK);
    place_stack(e);
    place_program(e);
    err = elf_map(e->space, e->file, &e->plan, e->bias);
    if (!err && e->interp)
        err = elf_map(e->space, e->interp, e->interp_plan, e->interp_bias);
    if (!err)
        err = map_stack(e);
    if (!err)
        err = space_map_vdso(e->space);
    return err;
}

/* ---- credentials --------------------------------------------------------------------------- */

static void exec_set_ids(struct cred *c, const struct inode *i)
{
    if (i->mode & S_ISUID)
        c->euid = i->uid;
    if ((i->mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
        c->egid = i->gid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
}

/* capabilities(7), "Transformation of capabilities during execve", without file capabilities. */
static void exec_set_caps(struct cred *c, bool ids_changed)
{
    if (ids_changed)
        c->cap_ambient = 0;
    c->cap_permitted = c->cap_ambient;
    c->cap_effective = c->cap_ambient;
    if (c->securebits & issecure_mask(SECURE_NOROOT))
        return;
    if (c->uid == 0 || c->euid == 0)
        c->cap_permitted |= c->cap_inheritable | c->cap_bounding;
    if (c->euid == 0)
        c->cap_effective = c->cap_permitted;
}

static bool cred_same(const struct cred *a, const struct cred *b)
{
    return a->euid == b->euid && a->suid == b->suid && a->fsuid == b->fsuid && a->egid == b->egid &&
           a->sgid == b->sgid && a->fsgid == b->fsgid && a->cap_effective == b->cap_effective &&
           a->cap_permitted == b->cap_permitted && a->cap_ambient == b->cap_ambient &&
           a->securebits == b->securebits;
}

static err_t exec_cred(struct exec *e)
{
    const struct cred *now = cred_current();
    struct cred new = *now, *copy;
    bool nosuid = (e->file->path.mount && (e->file->path.mount->flags & MS_NOSUID)) ||
                  process_current()->no_new_privs;

    new.suid = new.fsuid = new.euid;
    new.sgid = new.fsgid = new.egid;
    if (!nosuid)
        exec_set_ids(&new, e->file->inode);
    exec_set_caps(&new, new.euid != now->euid || new.egid != now->egid);
    new.securebits &= ~issecure_mask(SECURE_KEEP_CAPS);
    e->secure = new.euid != new.uid || new.egid != new.gid;
    if (cred_same(now, &new))
        return 0;
    copy = cred_copy(now);
    if (!copy)
        return -ENOMEM;
    new.refs = copy->refs;
    new.groups = copy->groups;
    *copy = new;
    e->cred = copy;
    return 0;
}

/* ---- the point of no return ---------------------------------------------------------------- */

/* Nobody takes the only task's place.  Return: done? */
static bool stay_leader(struct task *t)
{
    struct process *p = t->process;
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    bool stays = p->leader == t && t->id == p->id && p->parent;

    if (stays) {
        spin_lock(&p->parent->family_lock);
        p->executed = true;
        p->exit_signal = SIGCHLD;
        spin_unlock(&p->parent->family_lock);
    }
    brlock_read_irqrestore(&tree_lock, flags);
    return stays;
}

/* The surviving task takes the process' id, whoever it was. */
static void become_leader(struct task *t)
{
    struct process *p = t->process;
    unsigned long inner, flags;
    pid_t old = t->id;

    if (stay_leader(t))
        return;
    flags = brlock_write_irqsave(&tree_lock);
    inner = spin_lock_irqsave(&p->signal_lock);
    if (old != p->id) {
        pid_hold(p->id);
        atomic_store(&pid_slot(p->id)->task, t);
        t->id = p->id;
        pid_release(old, t);
    }
    p->leader = t;
    p->executed = true;
    p->exit_signal = SIGCHLD;
    spin_unlock_irqrestore(&p->signal_lock, inner);
    brlock_write_irqrestore(&tree_lock, flags);
}

/* Ends all other tasks. 0; -EAGAIN when this one is being ended itself. */
static err_t exec_alone(struct task *t)
{
    struct process *p = t->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    err_t err = p->exiting || p->exec_task || t->killed ? -EAGAIN : 0;

    if (!err && p->task_count > 1) {
        p->exec_task = t;
        process_kill_tasks_locked(p, t);
    }
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (!err && p->exec_task) {
        wait_event(&p->wait_children, atomic_load(&p->task_count) == 1 || t->killed);
        flags = spin_lock_irqsave(&p->signal_lock);
        p->exec_task = NULL;
        err = t->killed ? -EAGAIN : 0;
        spin_unlock_irqrestore(&p->signal_lock, flags);
    }
    if (!err)
        become_leader(t);
    return err;
}

static err_t exec_files(struct task *t)
{
    err_t err = task_unshare(false, true);

    if (!err)
        fdtable_close_on_exec(t->actor.files);
    return err;
}

static void exec_swap_space(struct task *t, struct exec *e)
{
    struct process *p = t->process;
    struct space *old;
    unsigned long flags;

    task_leave_user(t);
    vm_file_ops->get(e->file);
    e->space->exe = e->file;
    flags = brlock_read_irqsave(&tree_lock);
    spin_lock(&p->signal_lock);
    old = p->space;
    p->space = e->space;
    e->space = NULL;
    spin_unlock(&p->signal_lock);
    brlock_read_irqrestore(&tree_lock, flags);
    space_activate(p->space);
    process_limits_to_space(p);
    task_vfork_done(t);
    if (old)
        space_put(old);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* What the new program does not inherit. */
static err_t exec_commit(struct task *t, struct exec *e)
{
    struct process *p = t->process;
    err_t err;

    exec_swap_space(t, e);
    err = signal_exec_reset(t);
    if (err)
        return err;
    if (process_timers_hook)
        process_timers_hook(p);
    err = exec_files(t);
    if (err)
        return err;
    if (e->cred) {
        t->parent_death_signal = 0;
        task_set_cred(t, e->cred);
        e->cred = NULL;
    }
    p->dumpable = !e->secure && inode_permission(e->file->inode, 4, cred_current()) == 0;
    thread_set_name(&t->thread, base_name(e->name));
    return 0;
}

/* A fresh FPU state, made once. */
static const void *fpu_fresh(void)
{
    static void *fresh;
    void *memory, *expected = NULL;

    if (atomic_load(&fresh))
        return fresh;
    memory = kmalloc(hal_fpu_size() + 64);
    if (!memory)
        return NULL;
    memory = (void *)ALIGN_UP((uintptr_t)memory, 64);
    hal_fpu_init(memory);
    (void)atomic_cas(&fresh, &expected, memory); /* two at once: one stays unused for ever */
    return fresh;
}

static err_t exec_start(struct task *t, struct exec *e)
{
    struct process *p = t->process;
    struct stack_aux aux = {
        .phdr = e->plan.phdr ? e->plan.phdr + e->bias : 0,
        .phnum = e->plan.phnum,
        .entry = e->plan.entry + e->bias,
        .interp_base = e->interp ? e->interp_bias : 0,
        .secure = e->secure,
        .file_name = e->name,
    };
    vaddr_t ip = e->interp ? e->interp_plan->entry + e->interp_bias : aux.entry, sp;
    const void *fpu = fpu_fresh();
    err_t err = fpu ? elf_clear_bss(&e->plan, e->bias) : -ENOMEM;

    if (!err && e->interp)
        err = elf_clear_bss(e->interp_plan, e->interp_bias);
    if (!err)
        err = stack_write(p->space, e->stack_top, &e->args, &aux, &sp);
    if (err)
        return err;
    regs_init_user(hal_user_regs(&t->thread.ctx), ip, sp);
    hal_fpu_load_current(fpu);
    hal_tls_set(0);
    hal_user_reset();
    return 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void exec_free(struct exec *e)
{
    for (unsigned i = 0; i < e->depth; i++) {
        kfree(e->scripts[i].interpreter);
        kfree(e->scripts[i].argument);
    }
    arg_free(&e->args);
    if (e->space)
        space_put(e->space);
    if (e->file)
        file_put(e->file);
    if (e->interp)
        file_put(e->interp);
    if (e->cred)
        cred_put(e->cred);
    kfree(e->interp_plan);
    kfree(e->name);
    kfree(e);
}

static err_t exec_prepare(struct exec *e, int dirfd, const char *name, const struct exec_strings *s,
                          int at_flags)
{
    err_t err = exec_resolve(e, dirfd, name, at_flags);

    if (!err) {
        sched_exec(); /* before the new program's memory is chosen and touched */
        err = exec_strings(e, s);
    }
    if (!err)
        err = exec_cred(e);
    if (!err)
        err = exec_build(e);
    return err;
}

/* Not zeroed: the head and the plan are written before they are read. */
static struct exec *exec_alloc(void)
{
    struct exec *e = kmalloc(sizeof *e);

    if (!e)
        return NULL;
    e->name = kmalloc(PATH_BYTES);
    if (!e->name) {
        kfree(e);
        return NULL;
    }
    e->file = e->interp = NULL;
    e->interp_plan = NULL;
    e->depth = 0;
    memset(&e->args, 0, sizeof e->args);
    e->space = NULL;
    e->bias = e->interp_bias = 0;
    e->cred = NULL;
    e->secure = false;
    return e;
}

err_t process_exec(int dirfd, const char *name, const struct exec_strings *s, int at_flags)
{
    struct task *t = task_current();
    struct exec *e = exec_alloc();
    err_t err;

    if (!e)
        return -ENOMEM;
    err = exec_prepare(e, dirfd, name, s, at_flags);
    if (!err)
        err = exec_alone(t);
    if (err) {
        exec_free(e);
        return err;
    }
    err = exec_commit(t, e);
    if (!err)
        err = exec_start(t, e);
    exec_free(e);
    if (err) {
        log_info("%s[%d] could not start its new program: error %d", t->thread.name, t->id, -err);
        process_exit_group(SIGKILL);
    }
    return 0;
}
