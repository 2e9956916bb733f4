// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: sees CLOCK_MONOTONIC go back while the clock source changes. A thread on each CPU compares with
 *   the latest that any of them has read, half of them through the vDSO, half by system calls.
 * Usage: clocks [SECONDS]; /sys is mounted. Prints only what holds under every kernel.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/sys/devices/system/clocksource/clocksource0/"
#define CPUS_MAX 64
#define SOURCES_MAX 8
#define SWITCH_US 10000
#define READS_BETWEEN_YIELDS 16

static atomic_llong latest, worst;
static atomic_ulong reads;
static atomic_bool stop;
static char *sources[SOURCES_MAX], names[256];
static unsigned source_count, refused;

static long long monotonic(bool call)
{
    struct timespec t;

    if (call)
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    else
        clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void raise_to(atomic_llong *value, long long to)
{
    long long old = atomic_load(value);

    while (old < to && !atomic_compare_exchange_weak(value, &old, to))
        ;
}

static void *watch(void *arg)
{
    unsigned cpu = (unsigned)(unsigned long)arg;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (unsigned n = 0; !stop; n++) {
        long long before = atomic_load(&latest), t = monotonic(cpu & 1);

        raise_to(&worst, before - t);
        raise_to(&latest, t);
        atomic_fetch_add(&reads, 1);
        if (n % READS_BETWEEN_YIELDS == 0)
            sched_yield();
    }
    return NULL;
}

static void sources_read(void)
{
    int fd = open(FOLDER "available_clocksource", O_RDONLY);
    ssize_t n = read(fd, names, sizeof names - 1);

    close(fd);
    names[n > 0 ? n : 0] = '\0';
    for (char *p = strtok(names, " \n"); p && source_count < SOURCES_MAX; p = strtok(NULL, " \n"))
        sources[source_count++] = p;
}

static void use(const char *name)
{
    int fd = open(FOLDER "current_clocksource", O_WRONLY);

    refused += write(fd, name, strlen(name)) != (ssize_t)strlen(name);
    close(fd);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[CPUS_MAX];
    struct timespec real;
    time_t end = (clock_gettime(CLOCK_REALTIME, &real), real.tv_sec) + seconds;

    sources_read();
    for (long i = 0; i < cpus && i < CPUS_MAX; i++)
        pthread_create(&threads[i], NULL, watch, (void *)i);
    for (unsigned n = 1; real.tv_sec <= end && source_count > 0; n++) {
        usleep(SWITCH_US);
        use(sources[n % source_count]);
        clock_gettime(CLOCK_REALTIME, &real);
    }
    use(sources[0]);
    stop = true;
    for (long i = 0; i < cpus && i < CPUS_MAX; i++)
        pthread_join(threads[i], NULL);
    fprintf(stderr, "%lu readings, %u sources\n", (unsigned long)reads, source_count);
    printf("clocks: %u refused, back by %lld ns\n", refused, (long long)worst);
    return worst != 0 || refused != 0;
}
