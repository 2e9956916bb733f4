// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: epoll while what it watches changes on other CPUs.
 * Usage: polls ROUNDS
 *
 * Model: (1) one file of a large set becomes ready again and again while the set is being read: no
 * call tells of it twice.  (2) All threads that wait on one set are told of what stays ready.
 * (3) A thread that a signal wakes takes no event with it: another one gets it.  A line for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FILES 300
#define THREADS 4
#define PATIENCE_MS 60000

static atomic_int over;

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static int watch(int set, int value, unsigned events)
{
    int fd = check(eventfd((unsigned)value, EFD_NONBLOCK), "eventfd");
    struct epoll_event e = { .events = events, .data.fd = fd };

    check(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
    return fd;
}

static void add_one(int fd)
{
    uint64_t one = 1;

    check((int)write(fd, &one, sizeof one), "write");
}

static void *disturb(void *arg)
{
    while (!over)
        add_one(*(int *)arg);
    return NULL;
}

static int twice_in(const struct epoll_event *events, int count, int fd)
{
    int times = 0;

    for (int i = 0; i < count; i++)
        times += events[i].data.fd == fd;
    return times > 1;
}

static void part_rounds(int rounds)
{
    struct epoll_event events[2 * FILES];
    int set = check(epoll_create1(0), "epoll_create1"), twice = 0, short_ones = 0;
    int first = watch(set, 1, EPOLLIN);
    pthread_t thread;

    for (int i = 1; i < FILES; i++)
        watch(set, 1, EPOLLIN);
    pthread_create(&thread, NULL, disturb, &first);
    for (int i = 0; i < rounds; i++) {
        int n = check(epoll_wait(set, events, 2 * FILES, 0), "epoll_wait");

        twice += twice_in(events, n, first);
        short_ones += n != FILES;
    }
    over = 1;
    pthread_join(thread, NULL);
    printf("rounds: %d told twice, %d of another length\n", twice, short_ones);
}

static void *wait_once(void *arg)
{
    struct epoll_event e;

    return (void *)(intptr_t)epoll_wait(*(int *)arg, &e, 1, PATIENCE_MS);
}

static void part_all(int rounds)
{
    int woken = 0;

    for (int i = 0; i < rounds; i++) {
        int set = check(epoll_create1(0), "epoll_create1"), fd = watch(set, 0, EPOLLIN);
        pthread_t threads[THREADS];

        for (int t = 0; t < THREADS; t++)
            pthread_create(&threads[t], NULL, wait_once, &set);
        usleep((unsigned)(i % 5) * 1000);
        add_one(fd);
        for (int t = 0; t < THREADS; t++) {
            void *n;

            pthread_join(threads[t], &n);
            woken += (intptr_t)n == 1;
        }
        close(fd);
        close(set);
    }
    printf("all: %d of %d not told\n", THREADS * rounds - woken, THREADS * rounds);
}

static atomic_int told, ended;

static void *wait_for_some(void *arg)
{
    if ((intptr_t)wait_once(arg) == 1)
        told++;
    ended++;
    return NULL;
}

static void on_signal(int sig)
{
    (void)sig;
}

static void part_signal(int rounds)
{
    struct sigaction sa = { .sa_handler = on_signal };
    int lost = 0;

    sigaction(SIGUSR1, &sa, NULL);
    for (int i = 0; i < rounds; i++) {
        int set = check(epoll_create1(0), "epoll_create1"), fd = watch(set, 0, EPOLLIN | EPOLLET);
        pthread_t threads[2];
        int waited = 0;

        told = ended = 0;
        for (int t = 0; t < 2; t++)
            pthread_create(&threads[t], NULL, wait_for_some, &set);
        usleep((unsigned)(i % 5) * 1000);
        pthread_kill(threads[0], SIGUSR1);
        add_one(fd);
        while (told == 0 && waited++ < PATIENCE_MS)
            usleep(1000);
        lost += told == 0;
        for (; ended < 2; usleep(1000))
            add_one(fd); /* for who is left */
        for (int t = 0; t < 2; t++)
            pthread_join(threads[t], NULL);
        close(fd);
        close(set);
    }
    printf("signal: %d lost\n", lost);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1;

    part_rounds(rounds);
    part_all(rounds);
    part_signal(rounds);
    return 0;
}
