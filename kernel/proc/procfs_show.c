// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the texts of /proc/PID, in Linux's formats.
 * Model: a snapshot is taken under tree_lock, then printed.  Source: proc(5).
 */
#include <proc/procfs_pid.h>

#include <fs/proc_format.h>
#include <fs/tty.h>
#include <lib/bitmap.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/internal.h>
#include <proc/pid.h>
#include <sched/clock.h>
#include <vm/mempolicy.h>

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define TICKS(ns) ((ns) / (NS_PER_SEC / 100))
#define KIB(pages) ((unsigned long long)(pages) * (PAGE_SIZE / KiB))

/* ---- the snapshot -------------------------------------------------------------------------- */

struct snapshot {
    pid_t id, tgid, ppid, pgid, sid, tpgid;
    char name[16];
    char state;
    unsigned threads, tty, cpu;
    int nice, policy, rt_priority, lent, exit_signal, exit_code;
    uid_t uid[4];
    gid_t gid[4];
    struct rusage_sum own, children;
    ns_t started;
    uint64_t pending, shared_pending, blocked, ignored, caught;
    uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
    unsigned queued;
    uint64_t queue_limit, rss_limit;
    bool no_new_privs;
    struct space *space; /* with a reference; NULL: none */
    struct tty *tty_ref;
    uint64_t cpus[CPU_MAX / 64];
};

static char state_char(const struct thread *t)
{
    switch (t->state) {
    case THREAD_SLEEPING:
        return 'D';
    case THREAD_SLEEPING_INTR:
        return 'S';
    case THREAD_STOPPED:
        return 'T';
    case THREAD_DEAD:
        return 'X';
    default:
        return 'R';
    }
}

static void snap_actions(struct snapshot *s, const struct process *p)
{
    for (unsigned i = 0; i < SIG_COUNT; i++) {
        vaddr_t handler = p->sighand->action[i].handler;

        if (handler == SIGNAL_IGNORE)
            s->ignored |= 1ull << i;
        else if (handler != SIGNAL_DEFAULT)
            s->caught |= 1ull << i;
    }
}

static void snap_cred(struct snapshot *s, const struct cred *c)
{
    s->uid[0] = c->uid, s->uid[1] = c->euid, s->uid[2] = c->suid, s->uid[3] = c->fsuid;
    s->gid[0] = c->gid, s->gid[1] = c->egid, s->gid[2] = c->sgid, s->gid[3] = c->fsgid;
    s->cap_inh = c->cap_inheritable;
    s->cap_prm = c->cap_permitted;
    s->cap_eff = c->cap_effective;
    s->cap_bnd = c->cap_bounding;
    s->cap_amb = c->cap_ambient;
}

static void snap_task(struct snapshot *s, struct task *t)
{
    s->state = state_char(&t->thread);
    str_copy(s->name, t->thread.name, sizeof s->name);
    s->cpu = t->thread.ctx.cpu->id;
    s->nice = t->thread.nice;
    s->policy = t->thread.policy;
    s->rt_priority = t->thread.rt_priority;
    s->lent = t->thread.lent ? (int)sched_priority(&t->thread) : 0;
    s->pending = t->pending.set;
    s->blocked = t->blocked;
    snap_cred(s, t->actor.cred);
    for (unsigned i = 0; i < cpu_count; i++)
        if (bitmap_test(t->thread.affinity, i))
            bitmap_set(s->cpus, i);
}

static void snap_usage(struct snapshot *s, struct process *p, struct task *only)
{
    struct rusage_sum one;
    struct task *t;

    s->children = p->children_sum;
    if (only) {
        task_usage(only, &s->own);
        return;
    }
    s->own = p->own;
    list_for_each(t, &p->tasks, process_link) {
        task_usage(t, &one);
        rusage_add(&s->own, &one);
    }
}

/* tree_lock held. */
static void snap_process(struct snapshot *s, struct process *p, struct task *t, bool one_task)
{
    s->tgid = p->id;
    s->id = one_task && t ? t->id : p->id;
    s->ppid = p->parent ? p->parent->id : 0;
    if (p->group) {
        s->pgid = p->group->id;
        s->sid = p->group->session->id;
        s->tty_ref = p->group->session->tty;
        if (s->tty_ref)
            tty_get(s->tty_ref);
    }
    s->threads = p->task_count;
    s->exit_signal = p->exit_signal;
    s->exit_code = p->state == PROCESS_ALIVE ? 0 : p->exit_status;
    s->started = p->started;
    s->shared_pending = p->pending.set;
    s->queued = t ? (unsigned)atomic_load_relaxed(&t->user->signals) : 0;
    s->queue_limit = process_limit(p, RLIMIT_SIGPENDING);
    s->rss_limit = process_limit(p, RLIMIT_RSS);
    s->no_new_privs = p->no_new_privs;
    snap_actions(s, p);
    snap_usage(s, p, one_task ? t : NULL);
    if (t) {
        snap_task(s, t);
    } else {
        s->state = 'Z';
        str_copy(s->name, p->name, sizeof s->name);
    }
    s->space = p->space;
    if (s->space)
        space_get(s->space);
}

/* False when the process or task is gone. */
static bool snapshot(struct snapshot *s, const struct pid_node *n)
{
    struct process *p = n->process;
    unsigned long flags;
    struct task *t;

    memset(s, 0, sizeof *s);
    s->tpgid = -1;
    flags = brlock_write_irqsave(&tree_lock);
    t = n->tid ? task_find(n->tid) : p->leader ? p->leader
                                               : list_first_or_null(&p->tasks, struct task,
                                                                    process_link);
    if (p->state == PROCESS_DEAD || (n->tid && (!t || t->process != p))) {
        brlock_write_irqrestore(&tree_lock, flags);
        return false;
    }
    snap_process(s, p, t, n->tid != 0);
    brlock_write_irqrestore(&tree_lock, flags);
    if (s->tty_ref) {
        s->tty = tty_device(s->tty_ref);
        s->tpgid = tty_foreground(s->tty_ref);
        tty_put(s->tty_ref);
    }
    return true;
}

static void snapshot_free(struct snapshot *s)
{
    if (s->space)
        space_put(s->space);
}

/* ---- stat, statm, status ------------------------------------------------------------------- */

/* Linux's encoding of a device number in one int. */
static unsigned tty_number(unsigned dev)
{
    unsigned major = dev >> 20, minor = dev & 0xfffff;

    return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static long priority_of(const struct snapshot *s)
{
    if (s->lent)
        return (int)PRIORITY_REALTIME - s->lent - (s->lent > (int)PRIORITY_REALTIME);
    return s->rt_priority ? -1 - s->rt_priority : 20 + s->nice;
}

static uint64_t rss_of(const struct space *s)
{
    return s->resident_anon + s->resident_file + s->resident_shared;
}

static void show_stat(struct textbuf *out, void *arg)
{
    struct snapshot s;

    if (!snapshot(&s, arg)) {
        out->error = -ESRCH;
        return;
    }
    text_printf(out, "%d (%s) %c %d %d %d %u %d 0 %llu %llu %llu %llu %llu %llu %llu %llu %ld %d %u 0 %llu ",
                s.id, s.name, s.state, s.ppid, s.pgid, s.sid, tty_number(s.tty), s.tpgid,
                (unsigned long long)s.own.minor_faults, (unsigned long long)s.children.minor_faults,
                (unsigned long long)s.own.major_faults, (unsigned long long)s.children.major_faults,
                (unsigned long long)TICKS(s.own.user), (unsigned long long)TICKS(s.own.system),
                (unsigned long long)TICKS(s.children.user),
                (unsigned long long)TICKS(s.children.system), priority_of(&s), s.nice, s.threads,
                (unsigned long long)TICKS(s.started));
    text_printf(out, "%llu %llu %llu 1 1 %lu 0 0 %llu %llu %llu %llu 0 0 0 %d %u %d %d 0 0 0 ",
                s.space ? (unsigned long long)(s.space->total_pages * PAGE_SIZE) : 0,
                s.space ? (unsigned long long)rss_of(s.space) : 0, (unsigned long long)s.rss_limit,
                s.space ? s.space->stack_top : 0, (unsigned long long)(s.pending & 0x7fffffff),
                (unsigned long long)(s.blocked & 0x7fffffff),
                (unsigned long long)(s.ignored & 0x7fffffff),
                (unsigned long long)(s.caught & 0x7fffffff), s.exit_signal, s.cpu, s.rt_priority,
                s.policy);
    if (s.space)
        text_printf(out, "0 0 %lu %lu %lu %lu %lu %d\n", s.space->brk_start, s.space->arg_start,
                    s.space->arg_end, s.space->env_start, s.space->env_end, s.exit_code);
    else
        text_printf(out, "0 0 0 0 0 0 0 %d\n", s.exit_code);
    snapshot_free(&s);
}

static void show_statm(struct textbuf *out, void *arg)
{
    struct pid_node *n = arg;
    struct space *s = process_space_get(n->process);

    if (!s) {
        text_printf(out, "0 0 0 0 0 0 0\n");
        return;
    }
    text_printf(out, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)s->total_pages,
                (unsigned long long)rss_of(s),
                (unsigned long long)(s->resident_file + s->resident_shared),
                (unsigned long long)s->exec_pages,
                (unsigned long long)(s->data_pages + s->stack_pages));
    space_put(s);
}

static const char *state_name(char c)
{
    switch (c) {
    case 'R':
        return "running";
    case 'D':
        return "disk sleep";
    case 'T':
        return "stopped";
    case 'Z':
        return "zombie";
    case 'X':
        return "dead";
    default:
        return "sleeping";
    }
}

static void status_memory(struct textbuf *out, const struct space *s)
{
    text_printf(out,
                "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\nVmPin:\t       0 kB\n"
                "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\n"
                "RssShmem:\t%8llu kB\nVmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\n"
                "VmLib:\t       0 kB\nVmPTE:\t%8llu kB\nVmSwap:\t       0 kB\n",
                KIB(s->total_pages), KIB(s->total_pages), KIB(s->locked_pages),
                KIB(MAX(s->resident_max, rss_of(s))), KIB(rss_of(s)), KIB(s->resident_anon),
                KIB(s->resident_file), KIB(s->resident_shared), KIB(s->data_pages),
                KIB(s->stack_pages), KIB(s->exec_pages), KIB(s->hal.table_pages));
}

static void status_groups(struct textbuf *out, struct process *p)
{
    const struct cred *c = process_cred_get(p);

    text_printf(out, "Groups:\t");
    for (unsigned i = 0; c && i < c->group_count; i++)
        text_printf(out, "%u ", c->groups[i]);
    text_printf(out, "\n");
    if (c)
        cred_put(c);
}

/* The width of Mems_allowed tells libnuma how large its sets of nodes must be. */
static void status_allowed(struct textbuf *out, const struct snapshot *s)
{
    uint64_t nodes = frame_nodes();

    text_printf(out, "Cpus_allowed:\t");
    format_mask(out, s->cpus, cpu_count);
    text_printf(out, "Cpus_allowed_list:\t");
    format_list(out, s->cpus, cpu_count);
    text_printf(out, "Mems_allowed:\t");
    format_mask(out, &nodes, NODE_MAX);
    text_printf(out, "Mems_allowed_list:\t");
    format_list(out, &nodes, NODE_MAX);
}

static void show_status(struct textbuf *out, void *arg)
{
    struct pid_node *n = arg;
    struct snapshot s;

    if (!snapshot(&s, n)) {
        out->error = -ESRCH;
        return;
    }
    text_printf(out,
                "Name:\t%s\nState:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n"
                "TracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t64\n",
                s.name, s.state, state_name(s.state), s.tgid, s.id, s.ppid, s.uid[0], s.uid[1],
                s.uid[2], s.uid[3], s.gid[0], s.gid[1], s.gid[2], s.gid[3]);
    status_groups(out, n->process);
    if (s.space)
        status_memory(out, s.space);
    text_printf(out,
                "Threads:\t%u\nSigQ:\t%u/%llu\nSigPnd:\t%016llx\nShdPnd:\t%016llx\n"
                "SigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
                s.threads, s.queued, (unsigned long long)s.queue_limit,
                (unsigned long long)s.pending, (unsigned long long)s.shared_pending,
                (unsigned long long)s.blocked, (unsigned long long)s.ignored,
                (unsigned long long)s.caught);
    text_printf(out,
                "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
                "CapAmb:\t%016llx\nNoNewPrivs:\t%d\nSeccomp:\t0\n",
                (unsigned long long)s.cap_inh, (unsigned long long)s.cap_prm,
                (unsigned long long)s.cap_eff, (unsigned long long)s.cap_bnd,
                (unsigned long long)s.cap_amb, s.no_new_privs);
    status_allowed(out, &s);
    text_printf(out, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
                (unsigned long long)s.own.voluntary, (unsigned long long)s.own.forced);
    snapshot_free(&s);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void append_memory(struct textbuf *out, struct process *p, vaddr_t start, vaddr_t end)
{
    struct space *s = process_space_get(p);
    char chunk[256];

    while (s && start < end) {
        size_t n = space_access(s, start, chunk, MIN(sizeof chunk, end - start), false);

        if (n == 0)
            break;
        text_append(out, chunk, n);
        start += n;
    }
    if (s)
        space_put(s);
}

static void show_cmdline(struct textbuf *out, void *arg)
{
    struct pid_node *n = arg;
    struct space *s = process_space_get(n->process);

    if (!s)
        return;
    append_memory(out, n->process, s->arg_start, s->arg_end);
    space_put(s);
}

/* The space of a process that the caller may look into, with a reference; NULL: gone, or not allowed. */
static struct space *inspected_space(struct textbuf *out, struct pid_node *n)
{
    if (process_may_inspect(n->process)) {
        out->error = -EACCES;
        return NULL;
    }
    return process_space_get(n->process);
}

static void show_environ(struct textbuf *out, void *arg)
{
    struct pid_node *n = arg;
    struct space *s = inspected_space(out, n);

    if (!s)
        return;
    append_memory(out, n->process, s->env_start, s->env_end);
    space_put(s);
}

static void show_auxv(struct textbuf *out, void *arg)
{
    struct space *s = inspected_space(out, arg);

    if (!s)
        return;
    text_append(out, (const char *)s->auxv, s->auxv_words * sizeof s->auxv[0]);
    space_put(s);
}

#define MAPS_NAME_COLUMN 73

static void map_pad(struct textbuf *out, size_t line_start)
{
    while (out->length - line_start < MAPS_NAME_COLUMN && !out->error)
        text_append(out, " ", 1);
}

static void map_name(struct textbuf *out, const struct region *r, size_t line_start)
{
    char *page, *name;

    if (!r->name && !r->file)
        return;
    map_pad(out, line_start);
    if (r->name) {
        text_printf(out, "%s", r->name);
        return;
    }
    page = kmalloc(PATH_BYTES);
    if (!page)
        return;
    name = path_name(&r->file->path, page, PATH_BYTES);
    if (!IS_ERR(name))
        text_printf(out, "%s", name);
    kfree(page);
}

static void map_line(struct textbuf *out, const struct region *r)
{
    size_t line_start = out->length;
    unsigned dev = r->file ? r->file->inode->sb->dev : 0;

    text_printf(out, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu", r->start, r->end,
                r->flags & VM_READ ? 'r' : '-', r->flags & VM_WRITE ? 'w' : '-',
                r->flags & VM_EXEC ? 'x' : '-', r->flags & VM_SHARED ? 's' : 'p',
                r->file ? (unsigned long long)r->offset : 0ull, dev >> 20, dev & 0xfffff,
                r->file ? (unsigned long long)r->file->inode->ino : 0ull);
    map_name(out, r, line_start);
    text_append(out, "\n", 1);
}

/* The first region of the next piece. */
static const struct region *piece_begin(struct textbuf *out, struct space *s)
{
    const struct region *r = space_find(s, out->next);

    out->next = 0;
    return r;
}

/* The next region of this piece: NULL after the last, or where the piece is long enough. */
static const struct region *piece_next(struct textbuf *out, const struct region *r)
{
    const struct region *next = region_next(r);

    if (!next || out->length < TEXT_PIECE)
        return next;
    out->next = next->start;
    return NULL;
}

static void show_maps(struct textbuf *out, void *arg)
{
    struct space *s = inspected_space(out, arg);

    if (!s)
        return;
    rwlock_read(&s->lock);
    for (const struct region *r = piece_begin(out, s); r; r = piece_next(out, r))
        map_line(out, r);
    rwlock_read_done(&s->lock);
    space_put(s);
}

/* ---- numa_maps ----------------------------------------------------------------------------- */

/* Its policy, or that of the process' first task. */
static void numa_policy(struct textbuf *out, const struct region *r, const struct mempolicy *task)
{
    struct mempolicy *own = region_policy(r, r->start);
    char text[128];

    mempolicy_format(own != NULL ? own : task, text, sizeof text);
    mempolicy_put(own);
    text_printf(out, "%08lx %s", r->start, text);
}

static void numa_name(struct textbuf *out, const struct region *r)
{
    char *page, *name;

    if (r->file == NULL) {
        if (r->name != NULL && strcmp(r->name, "[heap]") == 0)
            text_printf(out, " heap");
        else if (r->flags & VM_STACK)
            text_printf(out, " stack");
        return;
    }
    page = kmalloc(PATH_BYTES);
    name = page != NULL ? path_name(&r->file->path, page, PATH_BYTES) : NULL;
    if (name != NULL && !IS_ERR(name))
        text_printf(out, " file=%s", name);
    kfree(page);
}

static void numa_counts(struct textbuf *out, const struct region_census *c)
{
    if (c->anon != 0) /* they exist because they were written */
        text_printf(out, " anon=%llu dirty=%llu", (unsigned long long)c->anon,
                    (unsigned long long)c->anon);
    if (c->total != c->anon)
        text_printf(out, " mapped=%llu", (unsigned long long)c->total);
    if (c->shared_max > 1)
        text_printf(out, " mapmax=%llu", (unsigned long long)c->shared_max);
    for (unsigned n = 0; n < numa.count; n++)
        if (c->node[n] != 0)
            text_printf(out, " N%u=%llu", n, (unsigned long long)c->node[n]);
    text_printf(out, " kernelpagesize_kB=%u", (unsigned)(PAGE_SIZE / KiB));
}

static struct mempolicy *task_policy(struct process *p)
{
    struct task *t = task_get(p->id);
    struct mempolicy *policy = t ? mempolicy_of(&t->thread) : NULL;

    if (t)
        thread_put(&t->thread);
    return policy;
}

static void show_numa_maps(struct textbuf *out, void *arg)
{
    struct pid_node *n = arg;
    struct region_census *census;
    struct mempolicy *policy;
    struct space *s;

    if (process_may_inspect(n->process)) {
        out->error = -EACCES;
        return;
    }
    s = process_space_get(n->process);
    if (!s)
        return;
    census = kmalloc(sizeof *census);
    policy = task_policy(n->process);
    rwlock_read(&s->lock);
    for (const struct region *r = piece_begin(out, s); r && census; r = piece_next(out, r)) {
        numa_policy(out, r, policy);
        numa_name(out, r);
        region_count(r, census);
        if (census->total != 0)
            numa_counts(out, census);
        text_append(out, "\n", 1);
    }
    rwlock_read_done(&s->lock);
    mempolicy_put(policy);
    kfree(census);
    space_put(s);
}

/* ---- smaps --------------------------------------------------------------------------------- */

static void smaps_add(struct region_census *sum, const struct region_census *c)
{
    sum->total += c->total;
    sum->anon += c->anon;
    sum->shared += c->shared;
    sum->shared_anon += c->shared_anon;
    sum->share_bytes += c->share_bytes;
    sum->share_anon_bytes += c->share_anon_bytes;
}

static void smaps_line(struct textbuf *out, const char *name, uint64_t bytes)
{
    text_printf(out, "%-16s%8llu kB\n", name, (unsigned long long)(bytes / KiB));
}

/* Pages that were written are the anonymous ones; a file's count as clean. */
static void smaps_counts(struct textbuf *out, const struct region_census *c, bool rollup,
                         uint64_t locked_bytes)
{
    static const char *const none[] = { "LazyFree:",       "AnonHugePages:",   "ShmemPmdMapped:",
                                        "FilePmdMapped:",  "Shared_Hugetlb:",  "Private_Hugetlb:",
                                        "Swap:",           "SwapPss:" };
    uint64_t private_anon = c->anon - c->shared_anon, shared_file = c->shared - c->shared_anon;

    smaps_line(out, "Rss:", c->total * PAGE_SIZE);
    smaps_line(out, "Pss:", c->share_bytes);
    smaps_line(out, "Pss_Dirty:", c->share_anon_bytes);
    if (rollup) {
        smaps_line(out, "Pss_Anon:", c->share_anon_bytes);
        smaps_line(out, "Pss_File:", c->share_bytes - c->share_anon_bytes);
        smaps_line(out, "Pss_Shmem:", 0);
    }
    smaps_line(out, "Shared_Clean:", shared_file * PAGE_SIZE);
    smaps_line(out, "Shared_Dirty:", c->shared_anon * PAGE_SIZE);
    smaps_line(out, "Private_Clean:", (c->total - c->shared - private_anon) * PAGE_SIZE);
    smaps_line(out, "Private_Dirty:", private_anon * PAGE_SIZE);
    smaps_line(out, "Referenced:", c->total * PAGE_SIZE);
    smaps_line(out, "Anonymous:", c->anon * PAGE_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        smaps_line(out, none[i], 0);
    smaps_line(out, "Locked:", locked_bytes);
}

static void smaps_flags(struct textbuf *out, const struct region *r)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        { VM_READ, "rd" },        { VM_WRITE, "wr" },     { VM_EXEC, "ex" },
        { VM_SHARED, "sh" },      { VM_MAY_READ, "mr" },  { VM_MAY_WRITE, "mw" },
        { VM_MAY_EXEC, "me" },    { VM_STACK, "gd" },     { VM_LOCKED, "lo" },
        { VM_DONTFORK, "dc" },    { VM_NORESERVE, "nr" }, { VM_WIPEONFORK, "wf" },
        { VM_DONTDUMP, "dd" },    { VM_NOHUGE, "nh" },
    };

    text_printf(out, "VmFlags: ");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (r->flags & names[i].flag)
            text_printf(out, "%s ", names[i].name);
    text_append(out, "\n", 1);
}

static void smaps_region(struct textbuf *out, const struct region *r, const struct region_census *c)
{
    map_line(out, r);
    smaps_line(out, "Size:", r->end - r->start);
    smaps_line(out, "KernelPageSize:", PAGE_SIZE);
    smaps_line(out, "MMUPageSize:", PAGE_SIZE);
    smaps_counts(out, c, false, r->flags & VM_LOCKED ? c->share_bytes : 0);
    text_printf(out, "THPeligible:    %u\n", 0);
    smaps_flags(out, r);
}

static void smaps_each(struct textbuf *out, struct space *s, struct region_census *counts)
{
    for (const struct region *r = piece_begin(out, s); r; r = piece_next(out, r)) {
        region_count(r, &counts[0]);
        smaps_region(out, r, &counts[0]);
    }
}

/* All regions as one. counts[0]: of one, [1]: of all. */
static void smaps_sum(struct textbuf *out, struct space *s, struct region_census *counts)
{
    const struct region *first = space_find(s, 0), *last = first;
    uint64_t locked_bytes = 0;

    if (!first)
        return;
    for (const struct region *r = first; r; r = region_next(r)) {
        region_count(r, &counts[0]);
        smaps_add(&counts[1], &counts[0]);
        locked_bytes += r->flags & VM_LOCKED ? counts[0].share_bytes : 0;
        last = r;
    }
    size_t line_start = out->length;
    text_printf(out, "%08lx-%08lx ---p 00000000 00:00 0", first->start, last->end);
    map_pad(out, line_start);
    text_printf(out, "[rollup]\n");
    smaps_counts(out, &counts[1], true, locked_bytes);
}

static void smaps_show(struct textbuf *out, struct pid_node *n,
                       void (*show)(struct textbuf *, struct space *, struct region_census *))
{
    struct space *s = inspected_space(out, n);
    struct region_census *counts;

    if (!s)
        return;
    counts = kzalloc(2 * sizeof *counts);
    if (counts) {
        rwlock_read(&s->lock);
        show(out, s, counts);
        rwlock_read_done(&s->lock);
    } else {
        out->error = -ENOMEM;
    }
    kfree(counts);
    space_put(s);
}

static void show_smaps(struct textbuf *out, void *arg)
{
    smaps_show(out, arg, smaps_each);
}

static void show_smaps_rollup(struct textbuf *out, void *arg)
{
    smaps_show(out, arg, smaps_sum);
}

static ssize_t mem_access(struct file *f, struct uio *u, off_t *pos, bool write)
{
    struct pid_node *n = f->inode->data;
    char chunk[512];
    struct space *s;
    size_t done = 0;

    if (process_may_inspect(n->process))
        return -EACCES;
    s = process_space_get(n->process);
    while (s && u->left) {
        size_t want = MIN(u->left, sizeof chunk), got;

        if (write && uio_copy_from(u, chunk, want) != want)
            break;
        got = space_access(s, (vaddr_t)*pos, chunk, want, write);
        if (!write && got)
            got = uio_copy_to(u, chunk, got);
        if (got == 0)
            break;
        *pos += (off_t)got;
        done += got;
        if (got < want)
            break;
    }
    if (!s)
        return 0;
    space_put(s);
    return done || !u->left ? (ssize_t)done : -EIO;
}

static ssize_t mem_read(struct file *f, struct uio *u, off_t *pos)
{
    return mem_access(f, u, pos, false);
}

static ssize_t mem_write(struct file *f, struct uio *u, off_t *pos)
{
    return mem_access(f, u, pos, true);
}

static off_t mem_seek(struct file *f, off_t offset, int whence)
{
    if (whence == 1 /* SEEK_CUR */)
        offset += f->pos;
    else if (whence != 0)
        return -EINVAL;
    f->pos = offset;
    return offset;
}

static const struct file_ops mem_ops = { .read = mem_read, .write = mem_write, .seek = mem_seek };

/* ---- limits -------------------------------------------------------------------------------- */

static void limit_value(struct textbuf *out, uint64_t v)
{
    if (v == RLIM64_INFINITY)
        text_printf(out, "%-20s ", "unlimited");
    else
        text_printf(out, "%-20llu ", (unsigned long long)v);
}

static void show_limits(struct textbuf *out, void *arg)
{
    static const char *const names[RLIM_NLIMITS][2] = {
        [RLIMIT_CPU] = { "Max cpu time", "seconds" },
        [RLIMIT_FSIZE] = { "Max file size", "bytes" },
        [RLIMIT_DATA] = { "Max data size", "bytes" },
        [RLIMIT_STACK] = { "Max stack size", "bytes" },
        [RLIMIT_CORE] = { "Max core file size", "bytes" },
        [RLIMIT_RSS] = { "Max resident set", "bytes" },
        [RLIMIT_NPROC] = { "Max processes", "processes" },
        [RLIMIT_NOFILE] = { "Max open files", "files" },
        [RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
        [RLIMIT_AS] = { "Max address space", "bytes" },
        [RLIMIT_LOCKS] = { "Max file locks", "locks" },
        [RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
        [RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
        [RLIMIT_NICE] = { "Max nice priority", "" },
        [RLIMIT_RTPRIO] = { "Max realtime priority", "" },
        [RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
    };
    struct pid_node *n = arg;

    text_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
        text_printf(out, "%-25s ", names[i][0]);
        limit_value(out, process_limit(n->process, i));
        limit_value(out, n->process->limits.r[i].rlim_max);
        text_printf(out, "%s%s", names[i][1], *names[i][1] ? " \n" : "\n");
    }
}

/* ---- small ones ---------------------------------------------------------------------------- */

static void show_comm(struct textbuf *out, void *arg)
{
    struct snapshot s;

    if (!snapshot(&s, arg)) {
        out->error = -ESRCH;
        return;
    }
    text_printf(out, "%s\n", s.name);
    snapshot_free(&s);
}

static err_t store_comm(const char *text, size_t n, void *arg)
{
    struct pid_node *node = arg;
    struct task *t = task_get(node->tid ? node->tid : node->pid);
    char name[16];

    if (!t)
        return -ESRCH;
    if (t->process == process_current()) {
        str_copy(name, text, MIN(n + 1, sizeof name));
        for (char *c = name; *c; c++)
            if (*c == '\n')
                *c = '\0';
        thread_set_name(&t->thread, name);
    }
    err_t err = t->process == process_current() ? 0 : -EINVAL;
    thread_put(&t->thread);
    return err;
}

static void show_oom_score(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", process_oom_score(((struct pid_node *)arg)->process));
}

static void show_oom_adj(struct textbuf *out, void *arg)
{
    text_printf(out, "%d\n", ((struct pid_node *)arg)->process->oom_score_adj);
}

static err_t store_oom_adj(const char *text, size_t n, void *arg)
{
    struct process *p = ((struct pid_node *)arg)->process;
    bool negative = *text == '-';
    const char *s = text + negative;
    uint64_t v;
    int adj;

    if (str_to_u64(&s, 10, &v) || v > 1000)
        return -EINVAL;
    adj = negative ? -(int)v : (int)v;
    if (adj < p->oom_score_adj && !task_capable(CAP_SYS_RESOURCE))
        return -EACCES;
    p->oom_score_adj = adj;
    return 0;
}

static void show_wchan(struct textbuf *out, void *arg)
{
    text_printf(out, "0");
}

static void show_personality(struct textbuf *out, void *arg)
{
    text_printf(out, "%08lx\n", ((struct pid_node *)arg)->process->personality);
}

static struct fs_context *fs_of(struct process *p)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct task *t = p->leader ? p->leader : list_first_or_null(&p->tasks, struct task, process_link);
    struct fs_context *fs = t ? t->actor.fs : NULL;

    if (fs)
        fs_context_get(fs);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return fs;
}

static void show_mount_list(struct textbuf *out, void *arg, enum mount_list what)
{
    struct fs_context *fs = fs_of(((struct pid_node *)arg)->process);

    if (!fs)
        return;
    mounts_show(out, fs, what);
    fs_context_put(fs);
}

static void show_mounts(struct textbuf *out, void *arg)
{
    show_mount_list(out, arg, MOUNT_LIST_MOUNTS);
}

static void show_mountinfo(struct textbuf *out, void *arg)
{
    show_mount_list(out, arg, MOUNT_LIST_INFO);
}

static void show_mountstats(struct textbuf *out, void *arg)
{
    show_mount_list(out, arg, MOUNT_LIST_STATS);
}

void show_fdinfo(struct textbuf *out, void *arg)
{
    struct pid_node *n = arg;
    struct file *f = pid_file(n->process, n->fd);

    if (!f) {
        out->error = -ENOENT;
        return;
    }
    text_printf(out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n", (long long)f->pos,
                f->flags, f->path.mount ? f->path.mount->id : 0,
                (unsigned long long)f->inode->ino);
    file_put(f);
}

/* ---- links --------------------------------------------------------------------------------- */

static err_t follow_exe(struct process *p, struct path *out)
{
    struct space *s = process_space_get(p);
    err_t err = -ENOENT;

    if (!s)
        return err;
    if (s->exe) {
        *out = s->exe->path;
        path_get(out);
        err = 0;
    }
    space_put(s);
    return err;
}

static err_t follow_cwd(struct process *p, struct path *out)
{
    struct fs_context *fs = fs_of(p);

    if (!fs)
        return -ENOENT;
    fs_context_cwd(fs, out);
    fs_context_put(fs);
    return 0;
}

static err_t follow_root(struct process *p, struct path *out)
{
    struct fs_context *fs = fs_of(p);

    if (!fs)
        return -ENOENT;
    fs_context_root(fs, out);
    fs_context_put(fs);
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

#define TEXT(name_, mode_, show_, store_)                                                          \
    { .name = name_, .mode = S_IFREG | (mode_), .task = true,                                      \
      .text = { .mode = mode_, .show = show_, .store = store_ } }
#define MOUNTS(name_, show_)                                                                       \
    { .name = name_, .mode = S_IFREG | 0444, .task = true, .fops = &pseudo_polled_ops,             \
      .text = { .mode = 0444, .show = show_, .changes = &mount_changes } }
#define LINK(name_, follow_)                                                                       \
    { .name = name_, .mode = S_IFLNK | 0777, .task = true, .follow = follow_, .ops = &pid_link_ops }
#define DIR(name_, mode_, ops_, fops_, task_)                                                      \
    { .name = name_, .mode = S_IFDIR | (mode_), .ops = ops_, .fops = fops_, .task = task_ }

const struct pid_entry pid_entries[] = {
    DIR("task", 0555, &pid_task_ops, &pid_task_dir_ops, false),
    DIR("fd", 0500, &pid_fd_ops, &pid_fd_dir_ops, true),
    DIR("fdinfo", 0555, &pid_fdinfo_ops, &pid_fdinfo_dir_ops, true),
    TEXT("stat", 0444, show_stat, NULL),
    TEXT("statm", 0444, show_statm, NULL),
    TEXT("status", 0444, show_status, NULL),
    TEXT("cmdline", 0444, show_cmdline, NULL),
    TEXT("comm", 0644, show_comm, store_comm),
    TEXT("environ", 0400, show_environ, NULL),
    TEXT("auxv", 0400, show_auxv, NULL),
    TEXT("maps", 0444, show_maps, NULL),
    TEXT("numa_maps", 0444, show_numa_maps, NULL),
    TEXT("smaps", 0444, show_smaps, NULL),
    TEXT("smaps_rollup", 0444, show_smaps_rollup, NULL),
    TEXT("limits", 0444, show_limits, NULL),
    MOUNTS("mounts", show_mounts),
    MOUNTS("mountinfo", show_mountinfo),
    TEXT("mountstats", 0400, show_mountstats, NULL),
    TEXT("oom_score", 0444, show_oom_score, NULL),
    TEXT("oom_score_adj", 0644, show_oom_adj, store_oom_adj),
    TEXT("personality", 0400, show_personality, NULL),
    TEXT("wchan", 0444, show_wchan, NULL),
    LINK("exe", follow_exe),
    LINK("cwd", follow_cwd),
    LINK("root", follow_root),
    { .name = "mem", .mode = S_IFREG | 0600, .fops = &mem_ops, .task = true },
};
const unsigned pid_entry_count = ARRAY_SIZE(pid_entries);
