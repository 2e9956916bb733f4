// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: timers on the clocks of CPU time and on a real-time clock that is set. Prints what happened,
 *   the same as under Linux (timers.expected): times are only compared.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_ = (long)(call);                                                                 \
        printf("%s: %ld E%d\n", #call, show_, show_ == -1 ? errno : 0);                            \
    } while (0)
#define SAY(...) (printf(__VA_ARGS__), putchar('\n'))
#define MS 1000000ll
#define SECOND 1000000000ll

static volatile sig_atomic_t got;
static volatile int got_value, got_code, got_overrun, got_tid;
static volatile int all_overruns; /* sum of got_overrun */
static volatile int stop;

static void part(const char *name)
{
    printf("== %s\n", name);
    fflush(stdout);
}

static long long now(clockid_t c)
{
    struct timespec ts = { 0, 0 };

    clock_gettime(c, &ts);
    return ts.tv_sec * SECOND + ts.tv_nsec;
}

static struct timespec spec(long long ns)
{
    struct timespec ts = { ns / SECOND, ns % SECOND };

    return ts;
}

static void handler(int sig, siginfo_t *i, void *c)
{
    (void)sig, (void)c;
    got_value = i->si_value.sival_int;
    got_code = i->si_code;
    got_overrun = i->si_overrun;
    all_overruns += i->si_overrun;
    got_tid = (int)syscall(SYS_gettid);
    got++;
}

static timer_t timer_on(clockid_t clock, int notify, int value, int tid)
{
    struct sigevent ev;
    timer_t t = 0;

    memset(&ev, 0, sizeof ev);
    ev.sigev_notify = notify;
    ev.sigev_signo = SIGUSR1;
    ev.sigev_value.sival_int = value;
    if (notify == SIGEV_THREAD_ID)
        ev.sigev_notify_thread_id = tid;
    if (timer_create(clock, &ev, &t))
        SAY("timer_create: E%d", errno);
    return t;
}

static int set(timer_t t, int flags, long long first, long long interval)
{
    struct itimerspec its = { .it_value = spec(first), .it_interval = spec(interval) };

    return timer_settime(t, flags, &its, NULL);
}

static long long left(timer_t t)
{
    struct itimerspec its;

    if (timer_gettime(t, &its))
        return -1;
    return its.it_value.tv_sec * SECOND + its.it_value.tv_nsec;
}

static void burn_until(clockid_t clock, long long ns)
{
    while (now(clock) < ns)
        for (volatile int i = 0; i < 1000; i++)
            ;
}

static void burn_for_signal(int want)
{
    long long end = now(CLOCK_MONOTONIC) + 20 * SECOND;

    while (got < want && now(CLOCK_MONOTONIC) < end)
        for (volatile int i = 0; i < 1000; i++)
            ;
}

static void msleep(int ms)
{
    struct timespec ts = spec(ms * MS);

    while (nanosleep(&ts, &ts) != 0)
        ;
}

/* ---- CPU time ------------------------------------------------------------------------------ */

static int burner_tid;
static clockid_t burner_clock;
static void *burner(void *arg)
{
    (void)arg;
    burner_tid = (int)syscall(SYS_gettid);
    pthread_getcpuclockid(pthread_self(), &burner_clock);
    while (!stop)
        for (volatile int i = 0; i < 1000; i++)
            ;
    return NULL;
}

static void start_burner(pthread_t *t)
{
    stop = 0;
    burner_tid = 0;
    pthread_create(t, NULL, burner, NULL);
    while (!*(volatile int *)&burner_tid || !*(volatile clockid_t *)&burner_clock)
        msleep(1);
}

static void part_ids(void)
{
    static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
                                        CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                                        CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI, 12, 99,
                                        -3 /* a descriptor's */, ~(clockid_t)(99999 << 3) };
    struct timespec one = spec(1);
    timer_t t;

    part("which clocks");
    for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        int create = timer_create(clocks[i], NULL, &t) ? errno : 0;
        int sleep = clocks[i] == CLOCK_PROCESS_CPUTIME_ID ? 0 : clock_nanosleep(clocks[i], 0, &one, NULL);

        SAY("%d: timer %d sleep %d", (int)clocks[i], create, sleep);
        if (!create)
            timer_delete(t);
    }
    SHOW(syscall(SYS_clock_nanosleep, (~getpid() << 3) | 6, 0, &one, NULL));
}

static void part_cpu(void)
{
    long long begin, end;
    struct timespec rem;
    pthread_t thread;
    clockid_t clock;
    timer_t t, u;
    pid_t pid;

    part("CPU time");
    t = timer_on(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 7, 0);
    SHOW(left(t));
    begin = now(CLOCK_PROCESS_CPUTIME_ID);
    SHOW(set(t, 0, 50 * MS, 0));
    SHOW(left(t) > 0 && left(t) <= 50 * MS);
    msleep(100); /* takes no CPU time */
    SHOW(got);
    burn_for_signal(1);
    SAY("%d value %d code %d, used %s", got, got_value, got_code,
        now(CLOCK_PROCESS_CPUTIME_ID) - begin >= 50 * MS ? "enough" : "too little");
    SHOW(left(t));
    got = 0;
    SHOW(set(t, TIMER_ABSTIME, 1, 0)); /* long ago */
    burn_for_signal(1);
    SHOW(got);
    got = 0;
    SHOW(set(t, TIMER_ABSTIME, now(CLOCK_PROCESS_CPUTIME_ID) + 30 * MS, 0));
    burn_for_signal(1);
    SHOW(got);
    got = 0;
    SHOW(set(t, 0, 20 * MS, 20 * MS));
    burn_for_signal(3);
    SHOW(got == 3);
    SHOW(set(t, 0, 0, 0));
    timer_delete(t);

    got = 0;
    t = timer_on(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 8, 0);
    SHOW(set(t, 0, 500 * MS, 0));
    start_burner(&thread);
    msleep(200); /* of the other thread's time */
    SHOW(got);
    u = timer_on(burner_clock, SIGEV_THREAD_ID, 9, burner_tid);
    SHOW(set(u, 0, 30 * MS, 0));
    while (!got)
        msleep(10);
    SAY("value %d in the burner: %d", got_value, got_tid == burner_tid);
    got = 0;
    SHOW(set(u, 0, SECOND, 0));
    stop = 1;
    pthread_join(thread, NULL);
    msleep(50);
    SHOW(set(u, 0, 30 * MS, 0));
    SHOW(left(u));
    SHOW(timer_delete(u));
    burn_for_signal(1);
    SAY("value %d", got_value);
    timer_delete(t);

    start_burner(&thread);
    begin = now(CLOCK_PROCESS_CPUTIME_ID);
    rem = spec(60 * MS);
    SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &rem, NULL));
    end = now(CLOCK_PROCESS_CPUTIME_ID);
    SAY("slept %s", end - begin >= 60 * MS && end - begin < SECOND ? "well" : "wrong");
    rem = spec(begin);
    SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &rem, NULL));
    rem = spec(now(burner_clock) + 60 * MS);
    SHOW(clock_nanosleep(burner_clock, TIMER_ABSTIME, &rem, NULL));
    SHOW(now(burner_clock) >= rem.tv_sec * SECOND + rem.tv_nsec);
    stop = 1;
    pthread_join(thread, NULL);
    got = 0;
    t = timer_on(CLOCK_MONOTONIC, SIGEV_SIGNAL, 10, 0);
    set(t, 0, 50 * MS, 0);
    rem = spec(SECOND);
    SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &rem, &rem));
    SHOW(rem.tv_sec == 0 && rem.tv_nsec > 500 * MS);
    timer_delete(t);

    pid = fork();
    if (pid == 0) {
        burn_until(CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + 5 * SECOND);
        _exit(0);
    }
    got = 0;
    SHOW(clock_getcpuclockid(pid, &clock));
    t = timer_on(clock, SIGEV_SIGNAL, 11, 0);
    SHOW(set(t, 0, 30 * MS, 0));
    while (!got)
        msleep(10);
    SAY("value %d", got_value);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    SHOW(set(t, 0, 30 * MS, 0));
    SHOW(timer_delete(t));
}

/* ---- overrun ------------------------------------------------------------------------------- */

static const char *within(int n, int least, int most)
{
    return n < least ? "too few" : n > most ? "too many" : "right";
}

static void part_overrun(void)
{
    long long began, started;
    int least, most;
    sigset_t usr1;
    timer_t t;

    part("overrun");
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    got = 0;
    t = timer_on(CLOCK_MONOTONIC, SIGEV_SIGNAL, 12, 0);
    set(t, 0, 10 * MS, 10 * MS);
    msleep(215);
    set(t, 0, 0, 0);
    SHOW(timer_getoverrun(t));
    set(t, 0, 10 * MS, 10 * MS);
    msleep(215);
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    SHOW(got >= 1);
    set(t, 0, 0, 0);
    timer_delete(t);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    got = all_overruns = 0;
    t = timer_on(CLOCK_MONOTONIC, SIGEV_SIGNAL, 13, 0);
    /* The machine may let us wait for longer than asked: what expired is bounded by two looks at the clock. */
    began = now(CLOCK_MONOTONIC);
    set(t, 0, 100 * MS, 100 * MS);
    started = now(CLOCK_MONOTONIC);
    msleep(550);
    least = (int)((now(CLOCK_MONOTONIC) - started) / (100 * MS));
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    most = (int)((now(CLOCK_MONOTONIC) - began) / (100 * MS));
    SAY("%d signal, overrun %s, told %s", got, within(1 + got_overrun, least, most),
        got_overrun == timer_getoverrun(t) ? "alike" : "differently");
    while (got < 2)
        msleep(10);
    set(t, 0, 0, 0);
    most = (int)((now(CLOCK_MONOTONIC) - began) / (100 * MS));
    SAY("expirations %s", within(got + all_overruns, least + 1, most));
    timer_delete(t);
    SHOW(timer_getoverrun(t));
}

/* ---- the clock is set ---------------------------------------------------------------------- */

static void *sets_the_clock(void *arg)
{
    struct timespec ts;

    msleep(100);
    ts = spec(now(CLOCK_REALTIME) + *(int *)arg * SECOND);
    if (clock_settime(CLOCK_REALTIME, &ts))
        SAY("clock_settime: E%d", errno);
    return NULL;
}

static int fd_ready(int fd, int timeout)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout);
}

static void part_realtime(void)
{
    struct itimerspec its = { .it_interval = { 0, 0 } };
    int forward = 1000, back = -1000, fd, cancel;
    struct timespec ts;
    pthread_t thread;
    uint64_t ticks;
    long long begin;
    timer_t t, u;

    part("the clock is set");
    got = 0;
    t = timer_on(CLOCK_REALTIME, SIGEV_SIGNAL, 20, 0);
    u = timer_on(CLOCK_REALTIME, SIGEV_NONE, 0, 0);
    SHOW(set(t, TIMER_ABSTIME, now(CLOCK_REALTIME) + 500 * SECOND, 0));
    SHOW(set(u, 0, 2000 * SECOND, 0));
    pthread_create(&thread, NULL, sets_the_clock, &forward);
    begin = now(CLOCK_MONOTONIC);
    while (!got && now(CLOCK_MONOTONIC) - begin < 5 * SECOND)
        msleep(10);
    pthread_join(thread, NULL);
    SAY("%d value %d", got, got_value);
    SHOW(left(u) > 1900 * SECOND);
    got = 0;
    SHOW(set(t, TIMER_ABSTIME, now(CLOCK_REALTIME) + 200 * MS, 0));
    pthread_create(&thread, NULL, sets_the_clock, &back);
    pthread_join(thread, NULL);
    msleep(300);
    SHOW(got);
    SHOW(left(t) > 900 * SECOND && left(t) < 1001 * SECOND);
    timer_delete(t);
    timer_delete(u);

    fd = timerfd_create(CLOCK_REALTIME, 0);
    cancel = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    its.it_value = spec(now(CLOCK_REALTIME) + 500 * SECOND);
    SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL));
    its.it_value = spec(now(CLOCK_REALTIME) + 5000 * SECOND);
    SHOW(timerfd_settime(cancel, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL));
    SHOW(read(cancel, &ticks, 8));
    pthread_create(&thread, NULL, sets_the_clock, &forward);
    SHOW(fd_ready(cancel, 5000));
    SHOW(read(cancel, &ticks, 8));
    SHOW(fd_ready(cancel, 0));
    SHOW(fd_ready(fd, 5000));
    SHOW(read(fd, &ticks, 8) == 8 && ticks == 1);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, sets_the_clock, &back);
    pthread_join(thread, NULL);
    its.it_value = spec(now(CLOCK_REALTIME) + 5000 * SECOND);
    timerfd_settime(cancel, TFD_TIMER_ABSTIME, &its, NULL);
    SHOW(fd_ready(cancel, 0));
    close(fd);
    close(cancel);

    ts = spec(now(CLOCK_REALTIME) + 500 * SECOND);
    pthread_create(&thread, NULL, sets_the_clock, &forward);
    begin = now(CLOCK_MONOTONIC);
    SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL));
    SHOW(now(CLOCK_MONOTONIC) - begin < 50 * SECOND);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, sets_the_clock, &back);
    pthread_join(thread, NULL);
}

/* A timer's signal counts once, from its creation on, and always finds its place. */
static void limited_child(void)
{
    struct itimerspec its = { { 0, 0 }, { 0, 10000000 } };
    struct rlimit r = { 3, 3 };
    struct timespec most = { 5, 0 };
    struct sigevent e;
    siginfo_t info;
    sigset_t set, one;
    timer_t t;

    sigemptyset(&set);
    sigaddset(&set, 40);
    sigaddset(&set, 41);
    sigprocmask(SIG_BLOCK, &set, NULL);
    setrlimit(RLIMIT_SIGPENDING, &r);
    SHOW(setuid(2000));
    memset(&e, 0, sizeof e);
    e.sigev_notify = SIGEV_SIGNAL;
    e.sigev_signo = 40;
    SHOW(timer_create(CLOCK_MONOTONIC, &e, &t));
    timer_settime(t, 0, &its, NULL);
    for (int i = 0; i < 3; i++)
        SHOW(sigqueue(getpid(), 41, (union sigval){ .sival_int = i }));
    sigemptyset(&one);
    sigaddset(&one, 40);
    SHOW(sigtimedwait(&one, &info, &most));
    SAY("code %d", info.si_code);
    timer_settime(t, 0, &its, NULL);
    while (!sigpending(&one) && !sigismember(&one, 40))
        ;
    SHOW(sigtimedwait(&set, &info, &most));
    SHOW(timer_delete(t));
    for (int i = 0; i < 3; i++)
        SHOW(sigqueue(getpid(), 41, (union sigval){ .sival_int = i }));
}

static int adjust(unsigned modes, long constant, long error, int status)
{
    struct timex t = { .modes = modes, .constant = constant, .maxerror = error, .esterror = error, .status = status };
    int r = adjtimex(&t);

    SAY("%s: %d E%d: status %#x tai %d constant %ld tick %ld offset %ld errors %d %d", __func__, r, r < 0 ? errno : 0,
        (unsigned)t.status, t.tai, t.constant, t.tick, t.offset, t.maxerror >= error && t.maxerror < error + 100000,
        t.esterror == error);
    return r;
}

static void step(long long ns, int nano)
{
    struct timex t = { .modes = ADJ_SETOFFSET | (nano ? ADJ_NANO : ADJ_MICRO),
                       .time = { .tv_sec = ns / SECOND, .tv_usec = ns % SECOND / (nano ? 1 : 1000) } };
    long long before = now(CLOCK_REALTIME) - now(CLOCK_MONOTONIC);

    SHOW(adjtimex(&t) < 0);
    SHOW((now(CLOCK_REALTIME) - now(CLOCK_MONOTONIC) - before - ns + SECOND / 2) / SECOND);
}

static void part_adjtimex(void)
{
    struct timex t = { .modes = ADJ_OFFSET_SS_READ };
    struct timespec to;
    timer_t timer;

    part("adjtimex");
    SHOW(adjtimex(&t) >= 0);
    SHOW((int)t.offset);
    adjust(ADJ_MAXERROR | ADJ_ESTERROR | ADJ_STATUS, 0, 1000, STA_PLL);
    adjust(ADJ_TAI, 37, 1000, 0);
    SHOW((now(CLOCK_TAI) - now(CLOCK_REALTIME) + SECOND / 2) / SECOND);
    adjust(ADJ_TAI, 100001, 1000, 0);
    adjust(ADJ_TAI, -1, 1000, 0);
    adjust(ADJ_TIMECONST, 3, 1000, 0);
    adjust(ADJ_NANO | ADJ_TIMECONST, 7, 1000, 0);
    adjust(ADJ_MICRO | ADJ_TIMECONST, 9, 1000, 0);
    step(100 * SECOND, 1);
    step(-100 * SECOND, 0);
    t = (struct timex){ .modes = ADJ_SETOFFSET, .time = { .tv_usec = 1000000 } };
    SHOW(adjtimex(&t));
    t = (struct timex){ .modes = 0x8000 };
    SHOW(adjtimex(&t));
    t = (struct timex){ .modes = ADJ_TICK, .tick = 1 };
    SHOW(adjtimex(&t));

    to = spec(now(CLOCK_TAI) + 30 * MS);
    SHOW(clock_nanosleep(CLOCK_TAI, TIMER_ABSTIME, &to, NULL));
    SHOW(now(CLOCK_TAI) - (to.tv_sec * SECOND + to.tv_nsec) < 20 * SECOND);
    got = 0;
    timer = timer_on(CLOCK_TAI, SIGEV_SIGNAL, 11, 0);
    SHOW(set(timer, TIMER_ABSTIME, now(CLOCK_TAI) + 10 * SECOND, 0));
    SHOW(left(timer) > 0 && left(timer) <= 10 * SECOND);
    SHOW(set(timer, TIMER_ABSTIME, now(CLOCK_TAI) + 30 * MS, 0));
    while (!got)
        msleep(10);
    SHOW(got);
    SHOW(timer_delete(timer));
    adjust(ADJ_TAI | ADJ_STATUS, 0, 1000, STA_UNSYNC);
}

static void part_limit(void)
{
    pid_t pid;

    part("limit");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        limited_child();
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

int main(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa);
    sa.sa_sigaction = handler;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &sa, NULL);
    part_ids();
    part_cpu();
    part_overrun();
    part_realtime();
    part_adjtimex();
    part_limit();
    SAY("== end");
    return 0;
}
