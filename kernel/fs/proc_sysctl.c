// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: settings in /proc/sys that belong to this layer and those below.
 * Model: what can be written has its effect; what would have none is read-only or absent.  Those of
 * processes are in proc/sysctl.c.
 * Source: Documentation/admin-guide/sysctl/{kernel,vm,fs}, random(4).
 */
#include <fs/procfs.h>

#include <core/log.h>
#include <core/panic.h>
#include <core/random.h>
#include <core/spinlock.h>
#include <fs/actor.h>
#include <fs/internal.h>
#include <fs/pipe.h>
#include <fs/proc_format.h>
#include <fs/usage.h>
#include <fs/uts.h>
#include <lib/atomic.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/mutex.h>
#include <sched/sched.h>
#include <vm/space.h>

#include <linux/capability.h>

/* A file that shows one constant number. */
#define SYSCTL_CONSTANT(id, path_, value)                                                          \
    static void show_##id(struct textbuf *out, void *arg)                                          \
    {                                                                                              \
        text_printf(out, "%lld\n", (long long)(value));                                            \
    }                                                                                              \
    PROC_FILE(id, path_, 0444, show_##id)

/* ---- kernel: names ---- */

/* A field of struct new_utsname by its offset. */
static void show_uts(struct textbuf *out, size_t offset)
{
    struct new_utsname u;

    uts_get(&u);
    text_printf(out, "%s\n", (const char *)&u + offset);
}

static void show_ostype(struct textbuf *out, void *arg)
{
    show_uts(out, offsetof(struct new_utsname, sysname));
}
PROC_FILE(ostype, "sys/kernel/ostype", 0444, show_ostype);

static void show_osrelease(struct textbuf *out, void *arg)
{
    show_uts(out, offsetof(struct new_utsname, release));
}
PROC_FILE(osrelease, "sys/kernel/osrelease", 0444, show_osrelease);

static void show_osversion(struct textbuf *out, void *arg)
{
    show_uts(out, offsetof(struct new_utsname, version));
}
PROC_FILE(osversion, "sys/kernel/version", 0444, show_osversion);

static void show_hostname(struct textbuf *out, void *arg)
{
    show_uts(out, offsetof(struct new_utsname, nodename));
}

static void show_domainname(struct textbuf *out, void *arg)
{
    show_uts(out, offsetof(struct new_utsname, domainname));
}

/* The first line, cut to what fits, as Linux does. */
static size_t line_length(const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);

    n = end ? (size_t)(end - text) : n;
    return strnlen(text, MIN(n, (size_t)__NEW_UTS_LEN));
}

static err_t store_hostname(const char *text, size_t n, void *arg)
{
    return uts_set_nodename(text, line_length(text, n));
}
PSEUDO_FILE(hostname, "proc", "sys/kernel/hostname", 0644, show_hostname, store_hostname);

static err_t store_domainname(const char *text, size_t n, void *arg)
{
    return uts_set_domainname(text, line_length(text, n));
}
PSEUDO_FILE(domainname, "proc", "sys/kernel/domainname", 0644, show_domainname, store_domainname);

/* ---- kernel: log and panic ---- */

#define PRINTK_MESSAGE LOG_NOTICE /* level of messages that name none */
#define PRINTK_MINIMUM 1
#define PRINTK_DEFAULT 5

static void show_printk(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\t%u\t%u\t%u\n", log_console_level(), PRINTK_MESSAGE, PRINTK_MINIMUM,
                PRINTK_DEFAULT);
}

/* The console's level can be set; the three others must stay what they are. */
static err_t store_printk(const char *text, size_t n, void *arg)
{
    const int64_t fixed[] = { PRINTK_MESSAGE, PRINTK_MINIMUM, PRINTK_DEFAULT };
    int64_t level, v;
    err_t err = parse_number(&text, &level);

    if (err != 0 || level < 0 || level > 15)
        return -EINVAL;
    for (unsigned i = 0; i < ARRAY_SIZE(fixed) && parse_number(&text, &v) == 0; i++)
        if (v != fixed[i])
            return -EINVAL;
    while (*text == ' ' || *text == '\t' || *text == '\n')
        text++;
    if (*text)
        return -EINVAL;
    log_console_level_set((unsigned)level);
    return 0;
}
PSEUDO_FILE(printk, "proc", "sys/kernel/printk", 0644, show_printk, store_printk);

static void show_panic(struct textbuf *out, void *arg)
{
    text_printf(out, "%lld\n", (long long)panic_timeout_get());
}

static err_t store_panic(const char *text, size_t n, void *arg)
{
    int64_t v;
    err_t err = parse_only_number(text, INT_MIN, INT_MAX, &v);

    if (err == 0)
        panic_timeout_set(v < 0 ? -1 : v);
    return err;
}
PSEUDO_FILE(panic, "proc", "sys/kernel/panic", 0644, show_panic, store_panic);

/* ---- kernel: constants ---- */

static void show_core_pattern(struct textbuf *out, void *arg)
{
    text_printf(out, "core\n"); /* no core files are written, whatever the limit */
}
PROC_FILE(core_pattern, "sys/kernel/core_pattern", 0444, show_core_pattern);

SYSCTL_CONSTANT(cap_last_cap, "sys/kernel/cap_last_cap", CAP_LAST_CAP);
SYSCTL_CONSTANT(ngroups_max, "sys/kernel/ngroups_max", CRED_GROUPS_MAX);
SYSCTL_CONSTANT(overflowuid, "sys/kernel/overflowuid", 65534);
SYSCTL_CONSTANT(overflowgid, "sys/kernel/overflowgid", 65534);
SYSCTL_CONSTANT(tainted, "sys/kernel/tainted", 0);
SYSCTL_CONSTANT(rr_timeslice, "sys/kernel/sched_rr_timeslice_ms",
                sched_level_slice(LEVEL_REALTIME) / NS_PER_MSEC);

/* ---- kernel: the share of real-time threads ---- */

static struct mutex rt_share_lock = MUTEX_INIT(rt_share_lock); /* for writers of both */

static void show_rt_runtime(struct textbuf *out, void *arg)
{
    ns_t ns = atomic_load_relaxed(&sched_rt_runtime_ns);

    text_printf(out, "%lld\n", ns == SCHED_RT_UNLIMITED ? -1LL : (long long)(ns / 1000));
}

static void show_rt_period(struct textbuf *out, void *arg)
{
    text_printf(out, "%lld\n", (long long)(atomic_load_relaxed(&sched_rt_period_ns) / 1000));
}

/* Linux's rules: -1 is without a limit; the run time never exceeds the period. */
static err_t rt_share_set(ns_t runtime, ns_t period)
{
    if (runtime != SCHED_RT_UNLIMITED && runtime > period)
        return -EINVAL;
    atomic_store(&sched_rt_runtime_ns, runtime);
    atomic_store(&sched_rt_period_ns, period);
    return 0;
}

static err_t store_rt_runtime(const char *text, size_t n, void *arg)
{
    int64_t us;
    err_t err = parse_only_number(text, -1, INT_MAX, &us);

    if (err != 0)
        return err;
    mutex_lock(&rt_share_lock);
    err = rt_share_set(us < 0 ? SCHED_RT_UNLIMITED : (ns_t)us * 1000, sched_rt_period_ns);
    mutex_unlock(&rt_share_lock);
    return err;
}
PSEUDO_FILE(sched_rt_runtime, "proc", "sys/kernel/sched_rt_runtime_us", 0644, show_rt_runtime,
            store_rt_runtime);

static err_t store_rt_period(const char *text, size_t n, void *arg)
{
    int64_t us;
    err_t err = parse_only_number(text, 1, INT_MAX, &us);

    if (err != 0)
        return err;
    mutex_lock(&rt_share_lock);
    err = rt_share_set(sched_rt_runtime_ns, (ns_t)us * 1000);
    mutex_unlock(&rt_share_lock);
    return err;
}
PSEUDO_FILE(sched_rt_period, "proc", "sys/kernel/sched_rt_period_us", 0644, show_rt_period,
            store_rt_period);

/* ---- kernel/random ---- */

#define POOL_BITS 256

static void show_boot_id(struct textbuf *out, void *arg)
{
    static struct mutex lock = MUTEX_INIT(lock);
    static uint8_t id[16]; /* lock; made when it is first asked for */
    static bool made; /* lock */

    mutex_lock(&lock);
    if (!made)
        random_bytes(id, sizeof id);
    made = true;
    format_uuid(out, id);
    mutex_unlock(&lock);
}
PROC_FILE(boot_id, "sys/kernel/random/boot_id", 0444, show_boot_id);

static void show_uuid(struct textbuf *out, void *arg)
{
    uint8_t id[16];

    random_bytes(id, sizeof id);
    format_uuid(out, id);
}
PROC_FILE(random_uuid, "sys/kernel/random/uuid", 0444, show_uuid);

SYSCTL_CONSTANT(entropy_avail, "sys/kernel/random/entropy_avail", random_ready() ? POOL_BITS : 0);
SYSCTL_CONSTANT(poolsize, "sys/kernel/random/poolsize", POOL_BITS);

/* ---- vm ---- */

SYSCTL_CONSTANT(overcommit_memory, "sys/vm/overcommit_memory", 0); /* heuristic: vm/map.c */
static void show_max_map_count(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", atomic_load_relaxed(&vm_max_map_count));
}

static err_t store_max_map_count(const char *text, size_t n, void *arg)
{
    int64_t v;
    err_t err = parse_only_number(text, 0, INT_MAX, &v);

    if (err == 0)
        atomic_store(&vm_max_map_count, (unsigned)v);
    return err;
}
PSEUDO_FILE(max_map_count, "proc", "sys/vm/max_map_count", 0644, show_max_map_count,
            store_max_map_count);
SYSCTL_CONSTANT(mmap_min_addr, "sys/vm/mmap_min_addr", USER_BOTTOM);

/* The bits are frame_trim()'s.  4 would silence the message, which there is none of. */
static err_t store_drop_caches(const char *text, size_t n, void *arg)
{
    int64_t v;
    err_t err = parse_only_number(text, 1, 3, &v);

    if (err == 0)
        frame_trim((unsigned)v);
    return err;
}
PSEUDO_FILE(drop_caches, "proc", "sys/vm/drop_caches", 0200, NULL, store_drop_caches);

/* ---- fs ---- */

SYSCTL_NUMBER(file_max, "sys/fs/file-max", file_max, 0, INT64_MAX);
SYSCTL_NUMBER(pipe_user_soft, "sys/fs/pipe-user-pages-soft", pipe_pages_soft, 0, INT64_MAX);
SYSCTL_NUMBER(pipe_user_hard, "sys/fs/pipe-user-pages-hard", pipe_pages_hard, 0, INT64_MAX);

static void show_pipe_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%llu\n", (unsigned long long)atomic_load_relaxed(&pipe_bytes_max));
}

/* Rounded up to a power of two of pages. */
static err_t store_pipe_max(const char *text, size_t n, void *arg)
{
    uint64_t size = PAGE_SIZE;
    int64_t v;
    err_t err = parse_only_number(text, 0, 1ll << 31, &v);

    if (err != 0)
        return err;
    while (size < (uint64_t)v)
        size *= 2;
    atomic_store(&pipe_bytes_max, size);
    return 0;
}
PSEUDO_FILE(pipe_max_size, "proc", "sys/fs/pipe-max-size", 0644, show_pipe_max, store_pipe_max);

static void show_file_nr(struct textbuf *out, void *arg)
{
    text_printf(out, "%llu\t0\t%lld\n", (unsigned long long)file_count(),
                (long long)atomic_load_relaxed(&file_max));
}
PROC_FILE(file_nr, "sys/fs/file-nr", 0444, show_file_nr);

static void show_inode_nr(struct textbuf *out, void *arg)
{
    text_printf(out, "%llu\t0\n", (unsigned long long)inode_count());
}
PROC_FILE(inode_nr, "sys/fs/inode-nr", 0444, show_inode_nr);
