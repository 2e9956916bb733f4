// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: process 1, and the proc subsystem's hooks in the layers below.
 * Model: the names are Linux's: rdinit= (else /init) when it is there, else init= alone, else the usual
 * ones.  Process 1 starts in group and session 0, which no id names, so that it may call setsid.
 */
#define LOG_TAG "init"
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <fs/vfs.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <proc/internal.h>
#include <proc/job.h>
#include <proc/pid.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#include <linux/fcntl.h>

static const char *rdinit = "/init";
static const char *init_name;

static err_t set_rdinit(const char *value)
{
    if (!value || !*value)
        return -EINVAL;
    rdinit = value; /* params.h keeps the line */
    return 0;
}
PARAM(rdinit, "the first program, in the initramfs", set_rdinit);

static err_t set_init(const char *value)
{
    if (!value || !*value)
        return -EINVAL;
    init_name = value;
    return 0;
}
PARAM(init, "the first program when there is no /init", set_init);

/* ---- finding it ---------------------------------------------------------------------------- */

static char tried[256];

static void note_tried(const char *name, err_t err)
{
    size_t n = strlen(tried);

    fmt_snprintf(tried + n, sizeof tried - n, "%s%s: error %d", n ? ", " : "", name, -err);
}

static err_t try_exec(const char *name)
{
    const struct init_args *a = params_init();
    const char *argv[PARAMS_INIT_MAX + 2] = { name };
    const char *envp[PARAMS_INIT_MAX + 3] = { "HOME=/", "TERM=linux" };
    struct exec_strings s = { .kernel_argv = argv, .kernel_envp = envp };
    err_t err;

    memcpy(argv + 1, a->argv, a->argc * sizeof argv[0]);
    memcpy(envp + 2, a->envp, a->envc * sizeof envp[0]);
    err = process_exec(AT_FDCWD, name, &s, 0);
    if (err)
        note_tried(name, err);
    else
        log_info("process 1 is %s", name);
    return err;
}

static void find_init(void)
{
    static const char *const usual[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };

    if (try_exec(rdinit) == 0)
        return;
    if (init_name) {
        err_t err = try_exec(init_name);

        if (err)
            panic("Requested init %s failed (error %d).", init_name, err);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(usual); i++)
        if (try_exec(usual[i]) == 0)
            return;
    panic("No working init found. Tried %s. Try passing rdinit= or init= option to the kernel.",
          tried);
}

/* ---- what it starts with ------------------------------------------------------------------- */

static void open_console(void)
{
    struct file *f;
    err_t err = file_open(AT_FDCWD, "/dev/console", O_RDWR, 0, &f);

    if (err) {
        log_warn("unable to open an initial console: error %d", -err);
        return;
    }
    for (int fd = 0; fd < 3; fd++) {
        if (fd != 0)
            file_get(f);
        if (fd_install(f, fd, false) < 0)
            panic("process 1 has no descriptor %d", fd);
    }
}

static void init_main(void *arg)
{
    open_console();
    find_init();
    hal_enter_user();
}

/* Linux's INIT_RLIMITS. */
static void set_limits(struct process *p)
{
    uint64_t tasks_max = MAX(frame_total() / (8 * (KERNEL_STACK_SIZE / PAGE_SIZE)), 20u) / 2;

    for (unsigned i = 0; i < RLIM_NLIMITS; i++)
        p->limits.r[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
    p->limits.r[RLIMIT_STACK].rlim_cur = 8 * MiB;
    p->limits.r[RLIMIT_CORE].rlim_cur = 0;
    p->limits.r[RLIMIT_NPROC] = (struct rlimit64){ tasks_max, tasks_max };
    p->limits.r[RLIMIT_NOFILE] = (struct rlimit64){ 1024, 4096 };
    p->limits.r[RLIMIT_MEMLOCK] = (struct rlimit64){ 8 * MiB, 8 * MiB };
    p->limits.r[RLIMIT_SIGPENDING] = (struct rlimit64){ tasks_max, tasks_max };
    p->limits.r[RLIMIT_MSGQUEUE] = (struct rlimit64){ 819200, 819200 };
    p->limits.r[RLIMIT_NICE] = (struct rlimit64){ 0, 0 };
    p->limits.r[RLIMIT_RTPRIO] = (struct rlimit64){ 0, 0 };
}

static void link_init(struct task *t)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);

    t->user = user_count_add(0, UINT64_MAX);
    if (pid_alloc_exact(1) || IS_ERR(t->user))
        panic("no memory for process 1");
    t->id = 1;
    group_join_locked(t->process, group_boot());
    task_link_locked(t);
    brlock_write_irqrestore(&tree_lock, flags);
}

static void make_actor(struct task *t)
{
    cred_get(&cred_kernel);
    t->actor.cred = &cred_kernel;
    t->actor.fs = fs_context_copy(actor_current()->fs);
    t->actor.files = fdtable_create();
    t->process->sighand = sighand_create(NULL);
    if (!t->actor.fs || !t->actor.files || !t->process->sighand)
        panic("no memory for process 1");
}

void proc_start_init(void)
{
    struct process *p = process_create();
    struct task *t = p ? task_create(p) : NULL;
    struct thread_params params = { .name = "init", .level = LEVEL_NORMAL, .process = p,
                                    .user = true, .entry = init_main };

    if (!t)
        panic("no memory for process 1");
    params.release = t->thread.release;
    p->unkillable = true;
    p->started = clock_monotonic();
    p->exit_signal = 0;
    set_limits(p);
    make_actor(t);
    if (thread_init(&t->thread, &params))
        panic("no memory for process 1");
    t->thread.actor = &t->actor;
    link_init(t);
    thread_start(&t->thread);
}

/* ---- the subsystem ------------------------------------------------------------------------- */

/* What a broken pipe and a file beyond its limit do to the running task. */
static void signal_self(int sig)
{
    siginfo_t info;

    if (!thread_current()->process)
        return;
    signal_info_user(&info, sig, SI_USER);
    if (signal_send_task(task_current(), sig, &info))
        log_once(LOG_WARN, "no memory for a signal of the file layer");
}

static void broken_pipe(void)
{
    signal_self(SIGPIPE);
}

static void file_too_large(void)
{
    signal_self(SIGXFSZ);
}

static err_t proc_init(struct subsystem *self)
{
    fs_sigpipe_hook = broken_pipe;
    fs_sigxfsz_hook = file_too_large;
    futex_init();
    job_init();
    oom_init();
    graves_init();
    itimer_init();
    procfs_pid_init();
    return 0;
}

static struct subsystem proc_subsystem = { .name = "proc", .privilege = PRIV_KERNEL,
                                           .core = "it makes process 1",
                                           .early_init = proc_init };
REGISTER_SUBSYSTEM(proc_subsystem);
