// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the clocks as programs see them, and sleeping on them.
 *
 * Model: every clock reads as nanoseconds.  There is no suspend, so BOOTTIME and MONOTONIC_RAW are
 * MONOTONIC; the TAI offset is 0 until adjtimex tells it.  Clocks of CPU time: cpualarm.h.
 * What adjtimex keeps is only kept: nothing disciplines the clock, so what would is refused.
 * A relative sleep is turned into a deadline at once; interrupted, it leaves the deadline in
 * task->restart and goes on there (restart_syscall).  An absolute sleep on CLOCK_REALTIME is woken
 * when the clock is set and works its deadline out again.
 * Source: clock_gettime(2), clock_nanosleep(2), settimeofday(2), adjtimex(2), times(2).
 */
#include <abi/time.h>

#include <abi/syscalls_gen.h>
#include <abi/time_convert.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <proc/cpualarm.h>
#include <proc/process.h>
#include <sched/clock.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#include <linux/capability.h>
#include <linux/time.h>
#include <linux/times.h>
#include <linux/timex.h>

#define CLOCK_TICK_NS (NS_PER_SEC / 100) /* the unit of times(2) */

static struct waitq clock_set_waiters = WAITQ_INIT(clock_set_waiters);
static int64_t tai_offset; /* atomic: seconds that CLOCK_TAI is ahead of CLOCK_REALTIME */
static uint64_t time_zone; /* atomic: minutes west in the lower half, kind of DST in the upper */

/* --- reading ----------------------------------------------------------------------------------- */

static err_t cpu_time_read(int clock, int64_t *ns)
{
    struct cpu_clock c;
    err_t err = cpu_clock_get(clock, &c);

    if (err)
        return err;
    *ns = (int64_t)cpu_clock_read(&c);
    cpu_clock_put(&c);
    return 0;
}

int64_t abi_tai_offset(void)
{
    return atomic_load_relaxed(&tai_offset) * (int64_t)NS_PER_SEC;
}

static __noinline err_t rare_clock_read(int clock, int64_t *ns)
{
    switch (clock) {
    case CLOCK_TAI:
        *ns = clock_realtime() + abi_tai_offset();
        return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        *ns = (int64_t)clock_monotonic();
        return 0;
    case CLOCK_MONOTONIC_COARSE:
        *ns = (int64_t)clock_monotonic_coarse();
        return 0;
    case CLOCK_REALTIME_COARSE:
        *ns = (int64_t)clock_monotonic_coarse() + clock_realtime_offset();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        return cpu_time_read(clock, ns);
    default:
        return clock < 0 ? cpu_time_read(clock, ns) : -EINVAL;
    }
}

err_t abi_clock_read(int clock, int64_t *ns)
{
    if (likely(clock == CLOCK_MONOTONIC))
        *ns = (int64_t)clock_monotonic();
    else if (clock == CLOCK_REALTIME)
        *ns = clock_realtime();
    else
        return rare_clock_read(clock, ns);
    return 0;
}

long sys_clock_gettime(int clock, struct __kernel_timespec __user *ts)
{
    int64_t ns;
    err_t err = abi_clock_read(clock, &ns);

    return err ? err : timespec_write(ts, ns);
}

long sys_clock_getres(int clock, struct __kernel_timespec __user *ts)
{
    bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
    int64_t ns;
    err_t err = abi_clock_read(clock, &ns);

    if (err || !ts)
        return err;
    return timespec_write(ts, coarse ? (int64_t)TICK_NS : 1);
}

long sys_time(__kernel_old_time_t __user *t)
{
    __kernel_old_time_t now = (__kernel_old_time_t)timespec_from_ns(clock_realtime()).tv_sec;

    if (t && copy_to_user(t, &now, sizeof now))
        return -EFAULT;
    return now;
}

long sys_gettimeofday(struct __kernel_old_timeval __user *tv, struct timezone __user *tz)
{
    struct __kernel_old_timeval now = timeval_from_ns(clock_realtime());
    uint64_t zone = atomic_load_relaxed(&time_zone);
    struct timezone z = { .tz_minuteswest = (int)(uint32_t)zone, .tz_dsttime = (int)(zone >> 32) };

    if (tv && copy_to_user(tv, &now, sizeof now))
        return -EFAULT;
    return tz && copy_to_user(tz, &z, sizeof z) ? -EFAULT : 0;
}

long sys_times(struct tms __user *buf)
{
    struct process *p = process_current();
    struct rusage_sum own, children;
    struct tms t;

    if (buf) {
        process_usage(p, &own);
        process_children_usage(p, &children);
        t = (struct tms){ .tms_utime = (__kernel_clock_t)(own.user / CLOCK_TICK_NS),
                          .tms_stime = (__kernel_clock_t)(own.system / CLOCK_TICK_NS),
                          .tms_cutime = (__kernel_clock_t)(children.user / CLOCK_TICK_NS),
                          .tms_cstime = (__kernel_clock_t)(children.system / CLOCK_TICK_NS) };
        if (copy_to_user(buf, &t, sizeof t))
            return -EFAULT;
    }
    return (long)(clock_monotonic() / CLOCK_TICK_NS);
}

/* --- setting ----------------------------------------------------------------------------------- */

static struct subsystem time_subsystem;

#define ADJ_ADJTIME 0x8000      /* the call is adjtime(3)'s */
#define ADJ_OFFSET_READONLY 0x2000
#define TICK_US 10000           /* of the 100 Hz that programs see */
#define TAI_OFFSET_MAX 100000
#define TIME_CONSTANT_MAX 10
#define ERROR_MAX_US 16000000   /* from there on the clock counts as not synchronised */
#define ERROR_GROWTH_US 500     /* each second */
#define STATUS_KEPT (STA_PLL | STA_FLL | STA_FREQHOLD | STA_UNSYNC | STA_NANO)

/* What a time daemon told; a clock that is set forgets how good it was.  timex_lock. */
static struct spinlock timex_lock = SPINLOCK_INIT(LOCK_INODE);
static struct {
    int64_t max_error, estimated_error; /* us; the first at `told` */
    ns_t told;
    int64_t constant;
    int status; /* STATUS_KEPT */
} timex = { ERROR_MAX_US, ERROR_MAX_US, 0, 2, STA_UNSYNC };

static void timex_forget(void)
{
    unsigned long flags = spin_lock_irqsave(&timex_lock);

    timex.status |= STA_UNSYNC;
    timex.max_error = timex.estimated_error = ERROR_MAX_US;
    spin_unlock_irqrestore(&timex_lock, flags);
}

/* Linux refuses a realtime before the machine's start, and one that would soon overflow. */
static err_t set_realtime(int64_t ns)
{
    if (ns < (int64_t)clock_monotonic() || ns > NS_MAX - 30ll * 365 * 86400 * (int64_t)NS_PER_SEC)
        return -EINVAL;
    if (!subsystem_is_up(&time_subsystem))
        return -ENODEV; /* nobody would wake those who sleep until a time of day */
    clock_realtime_set(ns);
    timex_forget();
    return 0;
}

long sys_clock_settime(int clock, const struct __kernel_timespec __user *ts)
{
    int64_t ns;
    err_t err;

    if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID || clock < 0) {
        err = abi_clock_read(clock, &ns);
        return err ? err : -EPERM;
    }
    if (clock != CLOCK_REALTIME)
        return -EINVAL;
    err = timespec_read(ts, &ns);
    if (err)
        return err;
    if (!task_capable(CAP_SYS_TIME))
        return -EPERM;
    return set_realtime(ns);
}

long sys_settimeofday(struct __kernel_old_timeval __user *tv, struct timezone __user *tz)
{
    struct __kernel_old_timeval t;
    struct timezone zone;
    int64_t ns = 0;

    if (tv) {
        if (copy_from_user(&t, tv, sizeof t))
            return -EFAULT;
        if (timeval_to_ns(&t, &ns))
            return -EINVAL;
    }
    if (tz && copy_from_user(&zone, tz, sizeof zone))
        return -EFAULT;
    if (!task_capable(CAP_SYS_TIME))
        return -EPERM;
    if (tz && (zone.tz_minuteswest > 15 * 60 || zone.tz_minuteswest < -15 * 60))
        return -EINVAL;
    if (tz)
        atomic_store(&time_zone, (uint64_t)(uint32_t)zone.tz_dsttime << 32 |
                                     (uint32_t)zone.tz_minuteswest);
    return tv ? set_realtime(ns) : 0;
}

/* --- adjtimex ---------------------------------------------------------------------------------- */

static int64_t timex_max_error(void)
{
    int64_t seconds = (int64_t)((clock_monotonic() - timex.told) / NS_PER_SEC);

    if (timex.max_error >= ERROR_MAX_US - seconds * ERROR_GROWTH_US)
        return ERROR_MAX_US;
    return timex.max_error + seconds * ERROR_GROWTH_US;
}

/* Would it make the clock run otherwise than now? */
static bool timex_disciplines(const struct __kernel_timex *t)
{
    if (t->modes & ADJ_ADJTIME)
        return !(t->modes & ADJ_OFFSET_READONLY);
    return ((t->modes & ADJ_OFFSET) && t->offset != 0) || ((t->modes & ADJ_FREQUENCY) && t->freq != 0) ||
           ((t->modes & ADJ_TICK) && t->tick != TICK_US) ||
           ((t->modes & ADJ_STATUS) && (t->status & (STA_INS | STA_DEL | STA_PPSFREQ | STA_PPSTIME)));
}

static err_t timex_check(const struct __kernel_timex *t)
{
    if ((t->modes & ADJ_ADJTIME) && !(t->modes & ADJ_OFFSET))
        return -EINVAL;
    if (t->modes != 0 && t->modes != ADJ_OFFSET_SS_READ && !task_capable(CAP_SYS_TIME))
        return -EPERM;
    return timex_disciplines(t) ? -EINVAL : 0;
}

static err_t timex_step(const struct __kernel_timex *t)
{
    int64_t unit = t->modes & ADJ_NANO ? 1 : 1000, ns;

    if (t->time.tv_usec < 0 || t->time.tv_usec >= (int64_t)NS_PER_SEC / unit ||
        __builtin_mul_overflow(t->time.tv_sec, (int64_t)NS_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, t->time.tv_usec * unit, &ns) ||
        __builtin_add_overflow(ns, clock_realtime(), &ns))
        return -EINVAL;
    return set_realtime(ns);
}

/* Lock held. */
static void timex_take(const struct __kernel_timex *t)
{
    if (t->modes & ADJ_STATUS)
        timex.status = (t->status & STATUS_KEPT & ~STA_NANO) | (timex.status & STA_NANO);
    if (t->modes & ADJ_NANO)
        timex.status |= STA_NANO;
    if (t->modes & ADJ_MICRO)
        timex.status &= ~STA_NANO;
    if (t->modes & ADJ_MAXERROR) {
        timex.max_error = CLAMP(t->maxerror, 0ll, (long long)ERROR_MAX_US);
        timex.told = clock_monotonic();
    }
    if (t->modes & ADJ_ESTERROR)
        timex.estimated_error = CLAMP(t->esterror, 0ll, (long long)ERROR_MAX_US);
    if ((t->modes & ADJ_TIMECONST) && t->constant >= 0)
        timex.constant = MIN(MIN(t->constant, TIME_CONSTANT_MAX) + (timex.status & STA_NANO ? 0 : 4),
                             TIME_CONSTANT_MAX);
    if ((t->modes & ADJ_TAI) && t->constant >= 0 && t->constant <= TAI_OFFSET_MAX)
        atomic_store(&tai_offset, (int64_t)t->constant);
}

/* Lock held. */
static void timex_show(struct __kernel_timex *t)
{
    int64_t now = clock_realtime();
    unsigned modes = t->modes;

    memset(t, 0, sizeof *t);
    t->modes = modes;
    t->maxerror = timex_max_error();
    t->esterror = timex.estimated_error;
    t->status = timex.status | (t->maxerror == ERROR_MAX_US ? STA_UNSYNC : 0);
    t->constant = timex.constant;
    t->precision = 1;
    t->tolerance = 32768000;
    t->tick = TICK_US;
    t->tai = (int)atomic_load_relaxed(&tai_offset);
    t->time.tv_sec = now / (int64_t)NS_PER_SEC;
    t->time.tv_usec = now % (int64_t)NS_PER_SEC / (timex.status & STA_NANO ? 1 : 1000);
}

static long timex_call(struct __kernel_timex __user *tx)
{
    struct __kernel_timex t;
    unsigned long flags;
    int64_t tai = abi_tai_offset();
    err_t err;

    if (copy_from_user(&t, tx, sizeof t))
        return -EFAULT;
    err = timex_check(&t);
    if (err == 0 && (t.modes & ADJ_SETOFFSET) && !(t.modes & ADJ_ADJTIME))
        err = timex_step(&t);
    if (err)
        return err;
    flags = spin_lock_irqsave(&timex_lock);
    if (!(t.modes & ADJ_ADJTIME))
        timex_take(&t);
    timex_show(&t);
    spin_unlock_irqrestore(&timex_lock, flags);
    if (tai != abi_tai_offset())
        clock_realtime_set(clock_realtime()); /* who waits for a time of TAI looks again */
    if (copy_to_user(tx, &t, sizeof t))
        return -EFAULT;
    return t.status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

long sys_adjtimex(struct __kernel_timex __user *tx)
{
    return timex_call(tx);
}

long sys_clock_adjtime(int clock, struct __kernel_timex __user *tx)
{
    int64_t ns;
    err_t err;

    if (clock == CLOCK_REALTIME)
        return timex_call(tx);
    err = abi_clock_read(clock, &ns);
    return err ? err : -EOPNOTSUPP;
}

/* --- sleeping ---------------------------------------------------------------------------------- */

static bool is_realtime(int clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_TAI;
}

static long sleep_restart(struct task *t);

/* A relative sleep up to its deadline.  Interrupted: writes what is left to `rem`. */
static long sleep_relative(struct task *t, ns_t deadline, struct __kernel_timespec __user *rem)
{
    ns_t now;

    if (likely(sleep_until(deadline, true) == 0))
        return 0;
    now = clock_monotonic();
    if (now >= deadline)
        return 0;
    if (rem) {
        err_t err = timespec_write(rem, (int64_t)MIN(deadline - now, (ns_t)NS_MAX));

        if (err)
            return err;
    }
    t->restart.fn = sleep_restart;
    t->restart.deadline = deadline;
    t->restart.a = USER_ADDR(rem);
    return -ERESTART_RESTARTBLOCK;
}

static long sleep_restart(struct task *t)
{
    return sleep_relative(t, t->restart.deadline, USER_PTR(struct __kernel_timespec, t->restart.a));
}

static long sleep_absolute(int clock, int64_t until)
{
    for (;;) {
        unsigned sets = clock_set_count();
        int64_t tai = clock == CLOCK_TAI ? abi_tai_offset() : 0;
        ns_t deadline = is_realtime(clock) ? clock_realtime_to_monotonic(MAX(until - tai, 0ll)) : (ns_t)until;
        err_t err = wait_event_intr_deadline(&clock_set_waiters,
                                             is_realtime(clock) && clock_set_count() != sets,
                                             deadline);

        if (err == -ETIMEDOUT)
            return 0;
        if (err)
            return -ERESTARTNOHAND;
    }
}

struct cpu_sleep {
    struct cpu_alarm alarm;
    struct thread *thread;
    bool fired; /* atomic */
};

static void cpu_sleep_over(struct cpu_alarm *a)
{
    struct cpu_sleep *s = container_of(a, struct cpu_sleep, alarm);

    atomic_store(&s->fired, true);
    thread_wake(s->thread);
}

static err_t cpu_sleep_until(const struct cpu_clock *c, ns_t until)
{
    struct cpu_sleep s = { .thread = thread_current() };
    err_t err = 0;

    cpu_alarm_init(&s.alarm, c, cpu_sleep_over);
    cpu_alarm_set(&s.alarm, until, cpu_clock_read(c));
    while (!err && !atomic_load(&s.fired)) {
        atomic_store_relaxed(&s.thread->state, THREAD_SLEEPING_INTR);
        atomic_fence();
        if (atomic_load(&s.fired))
            break;
        err = wait_sleep(THREAD_SLEEPING_INTR, NS_NEVER);
    }
    atomic_store_relaxed(&s.thread->state, THREAD_RUNNABLE);
    cpu_alarm_cancel(&s.alarm);
    return err;
}

static long sleep_cpu_restart(struct task *t);

/* `rem` NULL and `absolute`: nothing is left to be told. */
static long sleep_cpu(struct task *t, int clock, ns_t until, bool absolute,
                      struct __kernel_timespec __user *rem)
{
    struct cpu_clock c;
    err_t err = cpu_clock_get(clock, &c);
    ns_t now;

    if (err)
        return err;
    err = cpu_sleep_until(&c, until);
    now = cpu_clock_read(&c);
    cpu_clock_put(&c);
    if (!err || now >= until)
        return 0;
    if (absolute)
        return -ERESTARTNOHAND;
    if (rem && timespec_write(rem, (int64_t)(until - now)))
        return -EFAULT;
    t->restart.fn = sleep_cpu_restart;
    t->restart.clock = clock;
    t->restart.deadline = until;
    t->restart.a = USER_ADDR(rem);
    return -ERESTART_RESTARTBLOCK;
}

static long sleep_cpu_restart(struct task *t)
{
    return sleep_cpu(t, t->restart.clock, t->restart.deadline, false,
                     USER_PTR(struct __kernel_timespec, t->restart.a));
}

/* Nobody can wait for the clock that only runs while he does not. */
static bool is_own_thread_clock(int clock)
{
    pid_t tid = ~(clock >> 3);

    return clock < 0 && clock & 4 && (tid == 0 || tid == task_current()->id);
}

long sys_nanosleep(const struct __kernel_timespec __user *req, struct __kernel_timespec __user *rem)
{
    int64_t ns;
    err_t err = timespec_read(req, &ns);

    if (err)
        return err;
    return sleep_relative(task_current(), deadline_after(clock_monotonic(), ns), rem);
}

long sys_clock_nanosleep(int clock, int flags, const struct __kernel_timespec __user *req,
                         struct __kernel_timespec __user *rem)
{
    bool absolute = flags & TIMER_ABSTIME;
    int64_t ns, now;
    err_t err = abi_clock_read(clock, &now);

    if (err)
        return err;
    if (clock == CLOCK_THREAD_CPUTIME_ID || clock == CLOCK_MONOTONIC_RAW ||
        clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
        return -EOPNOTSUPP;
    err = timespec_read(req, &ns);
    if (err)
        return err;
    if (is_own_thread_clock(clock))
        return -EINVAL;
    if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID)
        return sleep_cpu(task_current(), clock,
                         absolute ? (ns_t)ns : deadline_after((ns_t)now, ns), absolute, rem);
    if (absolute)
        return sleep_absolute(clock, ns);
    return sleep_relative(task_current(), deadline_after(clock_monotonic(), ns), rem);
}

/* --- interval timers --------------------------------------------------------------------------- */

static struct __kernel_old_itimerval itimer_to_user(const struct itimer_value *v)
{
    return (struct __kernel_old_itimerval){ .it_value = timeval_from_ns((int64_t)v->value),
                                            .it_interval = timeval_from_ns((int64_t)v->interval) };
}

long sys_getitimer(int which, struct __kernel_old_itimerval __user *value)
{
    struct __kernel_old_itimerval out;
    struct itimer_value v;
    err_t err = process_get_itimer(which, &v);

    if (err)
        return err;
    out = itimer_to_user(&v);
    return copy_to_user(value, &out, sizeof out);
}

long sys_setitimer(int which, const struct __kernel_old_itimerval __user *value,
                   struct __kernel_old_itimerval __user *old)
{
    struct __kernel_old_itimerval user = { 0 };
    struct itimer_value new, before;
    int64_t first, interval;
    err_t err;

    if (value && copy_from_user(&user, value, sizeof user))
        return -EFAULT;
    if (timeval_to_ns(&user.it_value, &first) || timeval_to_ns(&user.it_interval, &interval))
        return -EINVAL;
    new = (struct itimer_value){ .value = (ns_t)first, .interval = (ns_t)interval };
    err = process_set_itimer(which, &new, &before);
    if (err || !old)
        return err;
    user = itimer_to_user(&before);
    return copy_to_user(old, &user, sizeof user);
}

long sys_alarm(unsigned seconds)
{
    struct itimer_value new = { .value = seconds * NS_PER_SEC }, old;
    ns_t left;
    err_t err = process_set_itimer(ITIMER_REAL, &new, &old);

    if (err)
        return err;
    /* To the nearest second, but an armed alarm never reads as 0. */
    left = (old.value + NS_PER_SEC / 2) / NS_PER_SEC;
    return (long)(left == 0 && old.value != 0 ? 1 : left);
}

/* --- start ------------------------------------------------------------------------------------- */

static void wake_sleepers(void)
{
    waitq_wake_all(&clock_set_waiters);
}

static err_t time_start(struct subsystem *self __maybe_unused)
{
    static struct clock_set_hook hook = { .fn = wake_sleepers };

    clock_set_hook_add(&hook);
    return 0;
}

static struct subsystem time_subsystem = { .name = "time",
                                           .privilege = PRIV_KERNEL,
                                           .early_init = time_start };
REGISTER_SUBSYSTEM(time_subsystem);
