// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what a statically linked C program asks of the kernel through its library. Prints one line for
 *   each part, the same with every library and kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAKE 1 /* FUTEX_WAKE: not every library has <linux/futex.h> */

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("FAILED %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno);             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void part_printf(void)
{
    volatile double x = 2.0;

    printf("floats %.6f %e %g %a\n", x / 3, x * 1e100, x / 1e5, x);
    printf("sqrt %.12f\n", sqrt(x));
}

static void part_malloc(void)
{
    size_t size = 100u << 20;
    unsigned char *p = malloc(size);
    unsigned long sum = 0;

    CHECK(p);
    for (size_t i = 0; i < size; i += 4096)
        p[i] = (unsigned char)(i >> 12);
    for (size_t i = 0; i < size; i += 4096)
        sum += p[i];
    free(p);
    printf("malloc %lu\n", sum);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned counter, turn;
static __thread unsigned own;

static void *count(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        own++;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    while (turn != me)
        pthread_cond_wait(&changed, &lock);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return (void *)(uintptr_t)own;
}

static void part_threads(void)
{
    pthread_t threads[8];
    void *result;

    for (uintptr_t i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, count, (void *)(7 - i)) == 0);
    for (int i = 0; i < 8; i++) {
        CHECK(pthread_join(threads[i], &result) == 0);
        CHECK(result == (void *)1000);
    }
    printf("threads %u %u\n", counter, turn);

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&lock);
    CHECK(pthread_cond_timedwait(&changed, &lock, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    printf("timedwait ok\n");
}

static void part_fork(void)
{
    int pipes[2], status;
    char text[32] = "";
    volatile int shared = 1;

    CHECK(pipe(pipes) == 0);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        shared = 2;
        CHECK(write(pipes[1], "from the child", 15) == 15);
        _exit(42);
    }
    CHECK(read(pipes[0], text, sizeof(text)) == 15);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK(shared == 1);
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    close(pipes[0]);
    signal(SIGPIPE, SIG_IGN);
    CHECK(write(pipes[1], "x", 1) == -1 && errno == EPIPE);
    close(pipes[1]);
    printf("fork %s\n", text);
}

static volatile sig_atomic_t seen, last_code;
static volatile uintptr_t fault_address;
static sigjmp_buf back;
static volatile uintptr_t nowhere = 0x10;

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    seen |= 1 << number;
    last_code = info->si_code;
    fault_address = (uintptr_t)info->si_addr;
    if (number == SIGSEGV)
        siglongjmp(back, 1);
}

static void part_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigset_t set, old;

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    raise(SIGUSR1);
    CHECK(seen & (1 << SIGUSR1));

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    seen = 0;
    kill(getpid(), SIGUSR1);
    CHECK(!seen);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(seen == 1 << SIGUSR1);

    seen = 0;
    struct itimerval timer = {.it_value = {.tv_usec = 20000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    sigfillset(&set);
    sigdelset(&set, SIGALRM);
    CHECK(sigsuspend(&set) == -1 && errno == EINTR);
    CHECK(seen == 1 << SIGALRM);

    if (!sigsetjmp(back, 1)) {
        *(volatile int *)nowhere = 1;
        CHECK(0);
    }
    CHECK(fault_address == 0x10 && last_code == SEGV_MAPERR);
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!sigsetjmp(back, 1)) {
        *(volatile char *)page = 1;
        CHECK(0);
    }
    CHECK(fault_address == (uintptr_t)page && last_code == SEGV_ACCERR);

    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK(sigaltstack(&stack, NULL) == 0);
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    seen = 0;
    raise(SIGUSR1);
    CHECK(seen == 1 << SIGUSR1);
    printf("signals ok\n");
}

static void part_mmap(void)
{
    const char *path = "/tmp/mapped";
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0);
    CHECK(ftruncate(fd, 8192) == 0);
    CHECK(pwrite(fd, "hello", 5, 4096) == 5);
    char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    CHECK(!memcmp(shared + 4096, "hello", 5) && !memcmp(private + 4096, "hello", 5));
    shared[0] = 'S';
    private[1] = 'P';
    char text[2] = "";
    CHECK(pread(fd, text, 2, 0) == 2 && text[0] == 'S' && text[1] == 0);
    CHECK(private[0] == 0 || private[0] == 'S');
    CHECK(msync(shared, 8192, MS_SYNC) == 0);
    pid_t child = fork();
    if (child == 0) {
        shared[2] = 'C';
        private[2] = 'X';
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK(shared[2] == 'C' && private[2] != 'X');
    CHECK(mprotect(shared, 4096, PROT_READ) == 0);
    CHECK(munmap(private, 8192) == 0 && munmap(shared, 8192) == 0);
    char *moved = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    moved[0] = 'M';
    moved = mremap(moved, 4096, 1 << 20, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved[0] == 'M' && moved[(1 << 20) - 1] == 0);
    close(fd);
    unlink(path);
    printf("mmap ok\n");
}

static jmp_buf place;

static void part_setjmp(void)
{
    volatile int rounds = 0;
    int value = setjmp(place);

    rounds++;
    if (value < 3)
        longjmp(place, value + 1);
    printf("setjmp %d %d\n", value, rounds);
}

static void part_stack(void)
{
    volatile char big[4 << 20];

    for (size_t i = sizeof(big); i >= 4096; i -= 4096)
        big[i - 1] = 1;
    printf("stack %d\n", big[4095]);
}

/* A program that somebody writes cannot be run, however often one tries. */
static void errors_exec(void)
{
    char path[] = "/tmp/busyXXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0 && fchmod(fd, 0755) == 0);
    for (int i = 0; i < 16; i++)
        CHECK(execl(path, path, NULL) == -1 && errno == ETXTBSY);
    close(fd);
    unlink(path);
}

/* Sets in sets: five are too many for a sixth. */
static void errors_epoll(void)
{
    struct epoll_event e = { .events = EPOLLIN };
    int pipes[2], set[6];

    CHECK(pipe(pipes) == 0);
    for (int i = 0; i < 6; i++) {
        CHECK((set[i] = epoll_create1(0)) >= 0);
        int err = epoll_ctl(set[i], EPOLL_CTL_ADD, i ? set[i - 1] : pipes[0], &e);
        CHECK(i < 5 ? err == 0 : err == -1 && (errno == ELOOP || errno == EINVAL));
    }
    for (int i = 0; i < 6; i++)
        close(set[i]);
    close(pipes[0]);
    close(pipes[1]);
}

/* An offset that cannot be written back; a word that a shorter file has lost. */
static void errors_addresses(void)
{
    char path[] = "/tmp/shortXXXXXX";
    int fd = mkstemp(path);
    int *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    off_t *offset = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(fd >= 0 && word != MAP_FAILED && offset != MAP_FAILED);
    CHECK(sendfile(fd, fd, offset, 1) == -1 && errno == EFAULT);
    CHECK(ftruncate(fd, 4096) == 0 && syscall(SYS_futex, word, WAKE, 1, NULL, NULL, 0) == 0);
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(syscall(SYS_futex, word, WAKE, 1, NULL, NULL, 0) == -1 && errno == EFAULT);
    munmap(word, 4096);
    munmap(offset, 4096);
    close(fd);
    unlink(path);
}

/* vmsplice fills a pipe and does not wait for more room; a child's slack has its own default. */
static void part_errors(void)
{
    static char big[256 << 10];
    struct iovec iov = { big, sizeof big };
    int pipes[2], status;

    errors_exec();
    errors_epoll();
    errors_addresses();
    CHECK(pipe(pipes) == 0);
    ssize_t n = vmsplice(pipes[1], &iov, 1, 0);
    CHECK(n > 0 && n < (ssize_t)sizeof big);
    CHECK(vmsplice(pipes[1], &iov, 1, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
    close(pipes[0]);
    close(pipes[1]);
    CHECK(prctl(PR_SET_TIMERSLACK, 70000) == 0);
    if (fork() == 0)
        _exit(prctl(PR_SET_TIMERSLACK, 0) || prctl(PR_GET_TIMERSLACK) != 70000);
    CHECK(wait(&status) > 0 && status == 0);
    printf("errors ok\n");
}

int main(int argc, char **argv)
{
    struct timespec start, end;

    clock_gettime(CLOCK_MONOTONIC, &start);
    printf("args %d %s\n", argc, argc > 1 ? argv[1] : "-");
    part_printf();
    part_malloc();
    part_threads();
    part_fork();
    part_signals();
    part_mmap();
    part_setjmp();
    part_stack();
    part_errors();
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK(end.tv_sec > start.tv_sec || (end.tv_sec == start.tv_sec && end.tv_nsec > start.tv_nsec));
    printf("done\n");
    return 0;
}
