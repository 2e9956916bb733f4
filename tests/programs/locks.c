// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: do processes on different CPUs that have nothing to do with each other meet in a lock?
 * Usage: locks PROCESSES ROUNDS
 *
 * Model: for each kind of work, one process for each CPU, pinned to it, does ROUNDS operations at the
 * same time as the others; /proc/lock_stat of a debug kernel is read before and after.  A line for
 * each kind: its operations, and how many acquisitions of which lock had to wait.  Elsewhere there
 * is nothing to read, and the lines say "-".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANKS_MAX 64
#define PAGES 64

struct stats {
    int count;
    struct rank {
        char name[32];
        unsigned long long taken, contended;
    } ranks[RANKS_MAX];
};

static volatile int *ready, *go; /* shared by all */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void stats_read(struct stats *s)
{
    char line[256];
    FILE *f = fopen("/proc/lock_stat", "r");

    s->count = 0;
    while (f && s->count < RANKS_MAX && fgets(line, sizeof line, f)) {
        struct rank *r = &s->ranks[s->count];

        if (sscanf(line, "%31s %llu %llu", r->name, &r->taken, &r->contended) == 3)
            s->count++;
    }
    if (f)
        fclose(f);
}

static void work_null(int id, int n)
{
    (void)id;
    while (n-- > 0)
        syscall(SYS_getppid);
}

/* Each operation is one first write of a page. */
static void work_fault(int id, int n)
{
    (void)id;
    while (n > 0) {
        char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            die("mmap");
        for (int i = 0; i < PAGES && n > 0; i++, n--)
            p[i * 4096] = 1;
        munmap(p, PAGES * 4096);
    }
}

static void work_fork(int id, int n)
{
    (void)id;
    while (n-- > 0) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid)
            die("fork");
    }
}

static void work_stat(int id, int n)
{
    char name[64];
    struct stat st;

    snprintf(name, sizeof name, "/tmp/own-%d", id);
    if (mkdir(name, 0755) != 0)
        die(name);
    strcat(name, "/file");
    close(open(name, O_CREAT | O_WRONLY, 0644));
    while (n-- > 0)
        if (stat(name, &st) != 0)
            die(name);
}

/* Half of them of a process that is there. */
static void work_kill(int id, int n)
{
    (void)id;
    while (n-- > 0)
        (void)!syscall(SYS_kill, n % 2 ? getpid() : 30000 + id, 0);
}

static const struct kind {
    const char *name;
    void (*work)(int id, int n);
    int share; /* of the rounds: one in so many */
} kinds[] = {
    { "null", work_null, 1 },  { "fault", work_fault, 1 }, { "fork", work_fork, 10 },
    { "stat", work_stat, 1 },  { "kill", work_kill, 1 },
};

static void worker(const struct kind *k, int id, int n)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(id, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("sched_setaffinity");
    k->work(1000 + id + getpid() * 100, n / 20 + 1); /* what is made once is made now */
    __atomic_fetch_add(ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(go, __ATOMIC_SEQ_CST))
        sched_yield();
    k->work(id, n);
    __atomic_fetch_sub(ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(ready, __ATOMIC_SEQ_CST) > 0)
        sched_yield(); /* an idle CPU would look for work on the others */
    for (;;)
        pause();
}

/* A worker that ends has said why. */
static void wait_ready(int wanted, int us)
{
    while (__atomic_load_n(ready, __ATOMIC_SEQ_CST) != wanted) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            exit(1);
        usleep(us);
    }
}

static void kind_run(const struct kind *k, int processes, int rounds)
{
    struct stats before, after;
    pid_t pids[64];
    unsigned long long ops = (unsigned long long)processes * (rounds / k->share), contended = 0;

    *ready = *go = 0;
    for (int i = 0; i < processes; i++)
        if ((pids[i] = fork()) == 0)
            worker(k, i, rounds / k->share);
    wait_ready(processes, 1000);
    stats_read(&before);
    __atomic_store_n(go, 1, __ATOMIC_SEQ_CST);
    wait_ready(0, 200000); /* seldom: looking after children takes their locks */
    stats_read(&after);
    printf("%s operations %llu", k->name, ops);
    for (int i = 0; i < after.count && before.count == after.count; i++) {
        unsigned long long n = after.ranks[i].contended - before.ranks[i].contended;
        unsigned long long taken = after.ranks[i].taken - before.ranks[i].taken;

        contended += n;
        if (n != 0 || taken >= ops)
            printf(" %s %llu/%llu", after.ranks[i].name, n, taken);
    }
    if (after.count)
        printf(" contended %llu\n", contended);
    else
        printf(" contended -\n");
    for (int i = 0; i < processes; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

int main(int argc, char **argv)
{
    int processes = argc > 1 ? atoi(argv[1]) : 4, rounds = argc > 2 ? atoi(argv[2]) : 10000;
    int *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED || processes < 1 || processes > 64)
        die("locks");
    ready = shared;
    go = shared + 1024;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        kind_run(&kinds[i], processes, rounds);
    puts("done");
    return 0;
}
