// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: futexes that lend priority, in their corner cases.
 * Prints what does not depend on the machine; pi.expected is what Debian's Linux prints.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCK 6
#define UNLOCK 7
#define TRYLOCK 8
#define LOCK2 13
#define PRIVATE 128
#define REALTIME 256
#define WAITERS 0x80000000u
#define DIED 0x40000000u

#define SAY(...) (printf(__VA_ARGS__), putchar('\n'))
#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_ret = (long)(call);                                                              \
        SAY("%s: %ld E%d", #call, show_ret, show_ret == -1 ? errno : 0);                           \
    } while (0)

static uint32_t word_a, word_b, word_c;

static void part(const char *name)
{
    SAY("== %s", name);
    fflush(stdout);
}

static long futex(uint32_t *word, int op, const struct timespec *t)
{
    return syscall(SYS_futex, word, op, 0, t, NULL, 0);
}

static void msleep(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

/* The priority that the scheduler goes by: field 18 of stat, -1 - p for a real-time one. */
static int effective(pid_t tid)
{
    char path[64], line[512], *at;
    int prio = 999;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f)) {
        at = strrchr(line, ')');
        for (int i = 0; i < 16 && at; i++)
            at = strchr(at + 1, ' ');
        if (at)
            prio = atoi(at);
    }
    if (f)
        fclose(f);
    return prio;
}

static void expect(pid_t tid, const char *who, int prio)
{
    for (int i = 0; i < 500 && effective(tid) != prio; i++)
        msleep(10);
    SAY("%s: %d", who, effective(tid));
}

/* A thread that takes one word, perhaps after another, and gives them back when it is told. */
struct worker {
    pthread_t thread;
    uint32_t *first, *second;
    int priority;
    volatile pid_t tid;
    volatile int holds, go, result, error;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    w->tid = gettid();
    if (w->first)
        futex(w->first, LOCK | PRIVATE, NULL);
    w->holds = 1;
    if (w->second) {
        w->result = (int)futex(w->second, LOCK | PRIVATE, NULL);
        w->error = errno;
    }
    w->holds = 2;
    while (!w->go)
        msleep(5);
    if (w->second && w->result == 0)
        futex(w->second, UNLOCK | PRIVATE, NULL);
    if (w->first)
        futex(w->first, UNLOCK | PRIVATE, NULL);
    return NULL;
}

static void start(struct worker *w, uint32_t *first, uint32_t *second, int priority)
{
    struct sched_param p = { .sched_priority = priority };
    pthread_attr_t a;

    memset(w, 0, sizeof *w);
    w->first = first;
    w->second = second;
    w->priority = priority;
    pthread_attr_init(&a);
    if (priority) {
        pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&a, SCHED_FIFO);
        pthread_attr_setschedparam(&a, &p);
    }
    if (pthread_create(&w->thread, &a, work, w))
        SAY("pthread_create");
    while (!w->holds)
        msleep(5);
}

static void finish(struct worker *w)
{
    w->go = 1;
    pthread_join(w->thread, NULL);
}

static void part_single(void)
{
    struct timespec past = { 1, 0 }, bad = { 0, -1 };
    struct worker w;
    uint32_t own;

    part("single");
    SHOW(futex(&word_a, LOCK | PRIVATE, NULL));
    SHOW(word_a == (uint32_t)gettid());
    SHOW(futex(&word_a, LOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, TRYLOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, UNLOCK | PRIVATE, NULL));
    SHOW(word_a);
    SHOW(futex(&word_a, UNLOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, TRYLOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, UNLOCK, NULL));
    SHOW(futex((uint32_t *)((char *)&word_a + 1), LOCK | PRIVATE, NULL));
    SHOW(futex((uint32_t *)8, LOCK | PRIVATE, NULL));
    SHOW(futex((uint32_t *)8, UNLOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, LOCK | PRIVATE | REALTIME, NULL));
    SHOW(futex(&word_a, LOCK | PRIVATE, &bad));
    word_a = 0x3fffffff; /* nobody's */
    SHOW(futex(&word_a, LOCK | PRIVATE, NULL));
    word_a = DIED;
    SHOW(futex(&word_a, LOCK | PRIVATE, NULL));
    SHOW(word_a == (DIED | (uint32_t)gettid()));
    word_a = 0;
    start(&w, &word_a, NULL, 0);
    SHOW(futex(&word_a, TRYLOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, UNLOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, LOCK | PRIVATE, &past));
    SHOW(futex(&word_a, LOCK2 | PRIVATE, &past) == -1 && errno == ETIMEDOUT);
    SHOW(futex(&word_a, LOCK2 | PRIVATE | REALTIME, &past));
    own = (uint32_t)w.tid | WAITERS;
    SHOW(word_a == own);
    finish(&w);
    SHOW(word_a);
}

static void part_lending(void)
{
    struct worker low, mid, high, other;

    part("lending");
    start(&low, &word_a, NULL, 0);
    expect(low.tid, "low", 20);
    start(&mid, &word_b, &word_a, 10);
    expect(low.tid, "low, lent by mid", -11);
    start(&high, NULL, &word_b, 20);
    expect(mid.tid, "mid, lent by high", -21);
    expect(low.tid, "low, lent through mid", -21);
    start(&other, NULL, &word_a, 15);
    expect(low.tid, "low", -21);
    low.go = 1;
    pthread_join(low.thread, NULL);
    while (mid.holds < 2)
        msleep(5);
    SHOW(mid.result);
    SHOW(other.holds); /* mid has a higher priority by what it is lent */
    expect(mid.tid, "mid", -21);
    finish(&mid);
    while (high.holds < 2 || other.holds < 2)
        msleep(5);
    expect(high.tid, "high", -21);
    expect(other.tid, "other", -16);
    finish(&high);
    finish(&other);
    SHOW(word_a);
    SHOW(word_b);
}

static void part_deadlock(void)
{
    struct worker one, two;

    part("deadlock");
    futex(&word_c, LOCK | PRIVATE, NULL);
    start(&one, &word_a, &word_c, 0);
    start(&two, &word_b, &word_a, 0);
    msleep(100);
    SHOW(futex(&word_b, LOCK | PRIVATE, NULL));
    SHOW(futex(&word_a, LOCK | PRIVATE, NULL));
    SHOW(futex(&word_c, UNLOCK | PRIVATE, NULL));
    one.go = two.go = 1;
    pthread_join(one.thread, NULL);
    pthread_join(two.thread, NULL);
    SAY("%d %d", one.result, two.result);
    SAY("%x %x %x", word_a, word_b, word_c);
}

static void *dies_with_it(void *arg)
{
    pthread_mutex_lock(arg);
    msleep(100);
    return NULL;
}

static void *word_dies(void *arg)
{
    futex(arg, LOCK | PRIVATE, NULL);
    msleep(150);
    return NULL;
}

static void part_death(void)
{
    pthread_mutexattr_t a;
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_t t;
    pid_t pid;

    part("death");
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    SHOW(pthread_mutex_init(m, &a));
    pthread_create(&t, NULL, dies_with_it, m);
    msleep(50);
    SHOW(pthread_mutex_lock(m));
    SHOW(pthread_mutex_consistent(m));
    pthread_join(t, NULL);
    SHOW(pthread_mutex_unlock(m));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(m);
        msleep(100);
        _exit(0);
    }
    msleep(50);
    SHOW(pthread_mutex_lock(m));
    waitpid(pid, NULL, 0);
    SHOW(pthread_mutex_consistent(m));
    SHOW(pthread_mutex_unlock(m));
    SHOW(pthread_mutex_lock(m));
    SHOW(pthread_mutex_trylock(m));
    SHOW(pthread_mutex_unlock(m));

    word_a = 0;
    pthread_create(&t, NULL, word_dies, &word_a);
    msleep(50);
    SHOW(futex(&word_a, LOCK | PRIVATE, NULL));
    SHOW((word_a & 0x3fffffff) == (uint32_t)gettid());
    SHOW((word_a & DIED) != 0);
    pthread_join(t, NULL);
    SHOW(futex(&word_a, UNLOCK | PRIVATE, NULL));
    SHOW(word_a);
}

static int counter;
static pthread_mutex_t busy_lock;

static void *busy(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&busy_lock);
        counter++;
        if (i % 50 == 0)
            sched_yield();
        pthread_mutex_unlock(&busy_lock);
    }
    return arg;
}

static void part_many(void)
{
    pthread_mutexattr_t a;
    pthread_t t[6];

    part("many");
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&busy_lock, &a);
    for (int i = 0; i < 6; i++)
        pthread_create(&t[i], NULL, busy, NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    SHOW(counter);
}

int main(void)
{
    part_single();
    part_lending();
    part_deadlock();
    part_death();
    part_many();
    SAY("== end");
    return 0;
}
