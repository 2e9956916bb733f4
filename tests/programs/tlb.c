// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: sees a translation that a CPU kept too long. A thread on each CPU uses pages that another one
 *   maps, protects, drops and forks meanwhile. Prints only what holds under every kernel (tlb.expected).
 * Usage: tlb [SECONDS for each part [PROCESSES for the last]]
 *
 * What would show a stale translation:
 *   remap    who has seen the announcement of page n must not read page n - 1 there
 *   protect  a page that was made read-only does not change any more
 *   discard  a page that was thrown away does not come back
 *   fork     what a child has from its parent does not change while the parent's threads go on
 *   unmap    an address without a mapping faults, also when its frame has become somebody else's
 *   spaces   more processes than there are identifiers, each with its own page at the same address
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define PAGES 64

static long page_size, seconds = 1;
static unsigned cpus, thread_count;
static volatile uint64_t *page; /* what all of them look at */
static atomic_ulong epoch; /* of the page's present content, as far as it was announced */
static atomic_ulong wrong, faults;
static atomic_bool stop, allowed;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int ok, const char *what)
{
    if (!ok) {
        printf("%s: errno %d\n", what, errno);
        exit(1);
    }
}

static void *map(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    void *p = mmap(at, size, prot, flags | (at ? MAP_FIXED : 0), fd, offset);

    check(p != MAP_FAILED, "mmap");
    return p;
}

static void pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % cpus, &set);
    check(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

/* --- threads ----------------------------------------------------------------------------------- */

static void (*work)(unsigned self);
static pthread_t threads[THREADS_MAX];

static void *thread_main(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;

    pin(self + 1);
    while (!stop)
        work(self);
    return NULL;
}

static void threads_start(void (*fn)(unsigned self))
{
    work = fn;
    stop = false;
    for (unsigned i = 0; i < thread_count; i++)
        check(pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)i) == 0, "thread");
}

static void part_end(const char *name, unsigned long rounds)
{
    stop = true;
    allowed = true;
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    fprintf(stderr, "%s: %lu rounds, %lu faults\n", name, rounds, (unsigned long)faults);
    printf("%s: %s, %lu wrong\n", name, rounds > 0 ? "done" : "no round", (unsigned long)wrong);
    wrong = 0;
    faults = 0;
}

/* Waits until it is allowed again, and the access is repeated. */
static void on_fault(int sig)
{
    (void)sig;
    faults++;
    while (!allowed && !stop)
        sched_yield();
}

/* --- remap ------------------------------------------------------------------------------------- */

static void remap_look(unsigned self)
{
    unsigned long before = epoch, seen = *page, after = epoch;

    (void)self;
    /* The pages have the numbers 0, 1, ... PAGES - 1 in turn. */
    if ((seen - before) % PAGES > after - before + 1)
        wrong++;
}

static void remap(void)
{
    int fd = memfd_create("pages", 0);
    unsigned long n = 0;
    double end = now() + (double)seconds;

    check(fd >= 0 && ftruncate(fd, PAGES * page_size) == 0, "memfd");
    for (uint64_t i = 0; i < PAGES; i++)
        check(pwrite(fd, &i, sizeof i, (off_t)i * page_size) == sizeof i, "pwrite");
    page = map(NULL, page_size, PROT_READ, MAP_SHARED, fd, 0);
    epoch = 0;
    threads_start(remap_look);
    while (now() < end) {
        n++;
        map((void *)page, page_size, PROT_READ, MAP_SHARED, fd, (off_t)(n % PAGES) * page_size);
        epoch = n;
        if (n % 16 == 0)
            sched_yield();
    }
    part_end("remap", n);
    munmap((void *)page, page_size);
    close(fd);
}

/* --- protect, discard, fork: threads count up, each in its own word ---------------------------- */

static void count_up(unsigned self)
{
    for (unsigned i = 0; i < 100; i++)
        page[self] = page[self] + 1;
}

/* Waits in the middle of things until the others have run. */
static void others_run(void)
{
    double until = now() + 0.0002;

    while (now() < until)
        sched_yield();
}

static unsigned words_differ(const uint64_t *was)
{
    unsigned n = 0;

    for (unsigned i = 0; i < thread_count; i++)
        n += page[i] != was[i];
    return n;
}

static void words_copy(uint64_t *to)
{
    for (unsigned i = 0; i < thread_count; i++)
        to[i] = page[i];
}

static void protect(void)
{
    uint64_t was[THREADS_MAX];
    unsigned long n = 0;
    double end = now() + (double)seconds;

    page = map(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    allowed = true;
    threads_start(count_up);
    for (; now() < end; n++) {
        others_run();
        allowed = false;
        check(mprotect((void *)page, page_size, PROT_READ) == 0, "mprotect");
        words_copy(was);
        others_run();
        wrong += words_differ(was);
        check(mprotect((void *)page, page_size, PROT_READ | PROT_WRITE) == 0, "mprotect");
        allowed = true;
    }
    part_end("protect", n);
    munmap((void *)page, page_size);
}

static atomic_bool paused;
static atomic_uint pausing;

static void count_up_or_pause(unsigned self)
{
    if (!paused) {
        count_up(self);
        return;
    }
    pausing++;
    while (paused && !stop)
        sched_yield();
    pausing--;
    /* The first look after it was thrown away, with whatever translation this CPU has. */
    if (page[self] != 0 && !stop)
        wrong++;
}

static void discard(void)
{
    unsigned long n = 0;
    double end = now() + (double)seconds;

    page = map(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    paused = false;
    threads_start(count_up_or_pause);
    for (; now() < end; n++) {
        others_run();
        paused = true;
        while (pausing != thread_count)
            sched_yield();
        check(madvise((void *)page, page_size, MADV_DONTNEED) == 0, "madvise");
        paused = false;
        while (pausing != 0)
            sched_yield();
    }
    part_end("discard", n);
    munmap((void *)page, page_size);
}

/* A child's view must stand still. */
static int child_watch(void)
{
    uint64_t was[THREADS_MAX];

    words_copy(was);
    others_run();
    return words_differ(was) != 0;
}

static void fork_part(void)
{
    unsigned long n = 0;
    double end = now() + (double)seconds;

    page = map(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    threads_start(count_up);
    for (; now() < end; n++) {
        int status;
        pid_t child = fork();

        check(child >= 0, "fork");
        if (child == 0)
            _exit(child_watch());
        check(waitpid(child, &status, 0) == child, "waitpid");
        wrong += status != 0;
    }
    part_end("fork", n);
    munmap((void *)page, page_size);
}

/* --- unmap ------------------------------------------------------------------------------------- */

static void unmap_look(unsigned self)
{
    uint64_t seen = *page;

    (void)self;
    if (seen != 0 && seen != 1)
        wrong++; /* somebody else's data */
}

static void unmap(void)
{
    volatile uint64_t *other = map(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long n = 0;
    double end = now() + (double)seconds;

    page = map(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    allowed = true;
    threads_start(unmap_look);
    for (; now() < end; n++) {
        *page = 1;
        allowed = false;
        check(munmap((void *)page, page_size) == 0, "munmap");
        /* Most likely the frame that was just freed. */
        map((void *)other, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *other = 2;
        map((void *)page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        allowed = true;
    }
    part_end("unmap", n);
    munmap((void *)page, page_size);
    munmap((void *)other, page_size);
}

/* --- spaces ------------------------------------------------------------------------------------ */

static void space_main(volatile uint64_t *own, atomic_bool *go, uint64_t id)
{
    unsigned long bad = 0;

    own[0] = id;
    while (!*go)
        sched_yield();
    for (double end = now() + (double)seconds; now() < end;) {
        pin((unsigned)id + (unsigned)own[1]);
        own[1]++;
        for (unsigned i = 0; i < 20; i++) {
            bad += own[0] != id;
            sched_yield();
        }
    }
    _exit(bad != 0 || own[1] == 0);
}

static void spaces(unsigned processes)
{
    volatile uint64_t *own =
        map(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    atomic_bool *go =
        map(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    for (unsigned i = 0; i < processes; i++) {
        pid_t child = fork();

        check(child >= 0, "fork");
        if (child == 0)
            space_main(own, go, i + 1);
    }
    *go = true;
    for (unsigned i = 0; i < processes; i++) {
        int status;

        check(wait(&status) > 0, "wait");
        wrong += status != 0;
    }
    printf("spaces: done, %lu wrong\n", (unsigned long)wrong);
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

    if (argc > 1 && atol(argv[1]) > 0)
        seconds = atol(argv[1]);
    page_size = sysconf(_SC_PAGESIZE);
    cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    thread_count = cpus < 4 ? 3 : cpus - 1 < THREADS_MAX ? cpus - 1 : THREADS_MAX;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    pin(0);
    remap();
    protect();
    discard();
    fork_part();
    unmap();
    spaces(argc > 2 ? (unsigned)atol(argv[2]) : 40);
    return 0;
}
