// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: signals, locks and events that are waited for through files. Prints what happened, the same
 *   as under Linux (events.expected): ids, addresses and times are never printed.
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
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_ = (long)(call);                                                                 \
        printf("%s: %ld E%d\n", #call, show_, show_ == -1 ? errno : 0);                            \
    } while (0)
#define SAY(...) (printf(__VA_ARGS__), putchar('\n'))

#define REALTIME 40 /* SIGRTMIN differs between the libraries */

static void part(const char *name)
{
    printf("== %s\n", name);
    fflush(stdout);
}

static void msleep(int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

    while (nanosleep(&ts, &ts) != 0)
        ;
}

static pid_t spawn(void (*fn)(void))
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        fn();
        fflush(stdout);
        _exit(0);
    }
    return pid;
}

static int reap(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* ---- signalfd ------------------------------------------------------------------------------ */

static void *volatile bad_address = (void *)8;
static int sfd;
static sigset_t set;

static const char *who(uint32_t pid)
{
    return pid == 0 ? "nobody" : pid == (uint32_t)getpid() ? "self" : pid == (uint32_t)getppid() ? "parent" : "other";
}

static void read_signal(void)
{
    struct signalfd_siginfo i;
    long n = read(sfd, &i, sizeof i);

    if (n != sizeof i) {
        SAY("read: %ld E%d", n, n == -1 ? errno : 0);
        return;
    }
    SAY("signal %d code %d from %s uid %d status %d int %d ptr %lx overrun %d errno %d", i.ssi_signo, i.ssi_code,
        i.ssi_code == SI_TIMER ? "timer" : who(i.ssi_pid), i.ssi_uid, i.ssi_status, i.ssi_int, (long)i.ssi_ptr,
        i.ssi_code == SI_TIMER ? (int)i.ssi_overrun : 0, i.ssi_errno);
}

static int polled(int timeout)
{
    struct pollfd p = { .fd = sfd, .events = POLLIN | POLLOUT };
    int n = poll(&p, 1, timeout);

    return n * 1000 + p.revents;
}

static void child_exit_5(void)
{
    _exit(5);
}

static void child_signals_parent(void)
{
    msleep(50);
    kill(getppid(), SIGUSR2);
}

static void child_reads_own(void)
{
    read_signal(); /* the parent's pending one is not for us */
    raise(SIGUSR1);
    SAY("child polls %d", polled(0));
    read_signal();
}

static void *thread_reads(void *arg)
{
    (void)arg;
    SAY("thread polls %d", polled(0));
    read_signal();
    return NULL;
}

static void *thread_kills(void *arg)
{
    msleep(50);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void send_value(int sig, int value)
{
    union sigval v = { .sival_ptr = (void *)0 };

    v.sival_int = value;
    sigqueue(getpid(), sig, v);
}

static void part_signalfd(void)
{
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = REALTIME + 1 };
    struct itimerspec its = { .it_value = { 0, 1000000 } };
    struct signalfd_siginfo many[4];
    struct epoll_event e = { .events = EPOLLIN };
    pthread_t thread, self = pthread_self();
    timer_t timer;
    sigset_t kills;
    int ep, other;
    pid_t pid;

    part("signalfd");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
    SHOW(syscall(SYS_signalfd4, -1, (void *)8, 8, 0));
    SHOW(syscall(SYS_signalfd4, -1, &set, 8, 1));
    SHOW(syscall(SYS_signalfd4, 99, &set, 8, 0));
    SHOW(syscall(SYS_signalfd4, 0, &set, 8, 0));
    SHOW(syscall(SYS_signalfd4, -2, &set, 8, 0));
    sfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    SHOW(fcntl(sfd, F_GETFD));
    SHOW(fcntl(sfd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
    SHOW(write(sfd, &set, 8));
    SHOW(read(sfd, many, sizeof many[0] - 1));
    SHOW(lseek(sfd, 0, SEEK_SET));
    SHOW(polled(0));
    read_signal();
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, REALTIME);
    sigaddset(&set, REALTIME + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    SHOW(polled(0));
    read_signal();
    SHOW(polled(0));
    SHOW(signalfd(sfd, &set, 0) == sfd);
    SHOW(fcntl(sfd, F_GETFL) & O_NONBLOCK);
    SHOW(polled(0));
    read_signal();
    read_signal();
    send_value(REALTIME, 1);
    send_value(REALTIME, 2);
    send_value(SIGUSR1, 3);
    SHOW(read(sfd, many, sizeof many));
    for (int i = 0; i < 3; i++)
        SAY("%d %d %d", many[i].ssi_signo, many[i].ssi_int, many[i].ssi_code);
    SHOW(read(sfd, bad_address, sizeof many));
    reap(spawn(child_exit_5));
    read_signal();
    timer_create(CLOCK_MONOTONIC, &ev, &timer);
    timer_settime(timer, 0, &its, NULL);
    SHOW(polled(2000));
    read_signal();
    timer_delete(timer);
    raise(SIGUSR1); /* for this thread */
    SHOW(polled(0));
    pthread_create(&thread, NULL, thread_reads, NULL);
    pthread_join(thread, NULL);
    read_signal();
    kill(getpid(), SIGUSR1); /* for any */
    pthread_create(&thread, NULL, thread_reads, NULL);
    pthread_join(thread, NULL);
    read_signal();
    pid = spawn(child_signals_parent);
    SHOW(polled(5000));
    read_signal();
    reap(pid);
    read_signal();
    pthread_create(&thread, NULL, thread_kills, &self);
    fcntl(sfd, F_SETFL, 0);
    read_signal(); /* waits */
    pthread_join(thread, NULL);
    fcntl(sfd, F_SETFL, O_NONBLOCK);
    kill(getpid(), SIGUSR1);
    reap(spawn(child_reads_own));
    read_signal();
    read_signal();

    ep = epoll_create1(0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, sfd, &e));
    SHOW(epoll_wait(ep, &e, 1, 0));
    pid = spawn(child_signals_parent);
    SHOW(epoll_wait(ep, &e, 1, 5000));
    SHOW(e.events);
    read_signal();
    reap(pid);
    read_signal();
    SHOW(epoll_wait(ep, &e, 1, 0));
    other = dup(sfd);
    close(sfd);
    raise(SIGUSR1);
    SHOW(epoll_wait(ep, &e, 1, 0));
    sfd = other;
    read_signal();
    close(ep);
    sigemptyset(&kills);
    sigaddset(&kills, SIGKILL);
    sigaddset(&kills, SIGSTOP);
    SHOW(signalfd(sfd, &kills, 0) == sfd);
    read_signal();
    close(sfd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- record locks -------------------------------------------------------------------------- */

static int lockfd;
static int pipes[4][2];

static int lock_at(int fd, int cmd, int type, long start, long len)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

    return fcntl(fd, cmd, &fl);
}

static void ask(int fd, int cmd, int type, long start, long len, pid_t a, pid_t b)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
    int ret = fcntl(fd, cmd, &fl);

    SAY("ask %d %ld+%ld: %d E%d type %d whence %d %ld+%ld by %s", type, start, len, ret, ret ? errno : 0, fl.l_type,
        fl.l_whence, (long)fl.l_start, (long)fl.l_len,
        fl.l_pid == a ? "A" : fl.l_pid == b ? "B" : fl.l_pid == -1 ? "opening" : fl.l_pid == 0 ? "nobody" : "?");
}

static void tell(int n)
{
    if (write(pipes[n][1], "x", 1) != 1)
        SAY("pipe");
}

static void hear(int n)
{
    char c;

    if (read(pipes[n][0], &c, 1) != 1)
        SAY("pipe");
}

/* Locks in this order: 40, 10 (write), 25 (read), then 0+100 read in the middle of others. */
static void locker_a(void)
{
    lock_at(lockfd, F_SETLK, F_WRLCK, 40, 5);
    lock_at(lockfd, F_SETLK, F_WRLCK, 10, 5);
    lock_at(lockfd, F_SETLK, F_RDLCK, 25, 5);
    tell(0);
    hear(1);
    lock_at(lockfd, F_SETLK, F_UNLCK, 12, 1);
    tell(0);
    hear(1);
    lock_at(lockfd, F_SETLK, F_RDLCK, 0, 0);
    tell(0);
    hear(1);
    close(dup(lockfd));
    tell(0);
    hear(1);
}

static void locker_b(void)
{
    lock_at(lockfd, F_SETLK, F_WRLCK, 5, 2);
    lock_at(lockfd, F_SETLK, F_RDLCK, 27, 10);
    tell(0);
    hear(2);
}

/* Two that wait for each other: the second to ask is refused. */
static void deadlock_first(void)
{
    lock_at(lockfd, F_SETLK, F_WRLCK, 0, 1);
    tell(0);
    hear(1);
    tell(0);
    if (lock_at(lockfd, F_SETLKW, F_WRLCK, 1, 1) == 0)
        _exit(3);
    _exit(errno == EDEADLK ? 4 : 5);
}

/* One of a chain: holds n, waits for n + 1. */
static int chain_place;
static void chain_link(void)
{
    lock_at(lockfd, F_SETLK, F_WRLCK, 200 + chain_place, 1);
    tell(0);
    hear(1);
    _exit(lock_at(lockfd, F_SETLKW, F_WRLCK, 201 + chain_place, 1) ? errno == EDEADLK ? 4 : 5 : 3);
}

static void alarmed(int sig)
{
    (void)sig;
}

static void chain(int length)
{
    struct sigaction sa = { .sa_handler = alarmed };
    pid_t pids[20];
    int ret;

    sigaction(SIGALRM, &sa, NULL);
    lock_at(lockfd, F_SETLK, F_WRLCK, 200 + length, 1);
    for (int i = 0; i < length; i++) {
        chain_place = i;
        pids[i] = spawn(chain_link);
        hear(0);
    }
    for (int i = 0; i < length; i++)
        tell(1);
    msleep(300);
    alarm(1);
    ret = lock_at(lockfd, F_SETLKW, F_WRLCK, 200, 1);
    SAY("cycle of %d: %d %s", length + 1, ret,
        errno == EDEADLK ? "EDEADLK" : errno == EINTR ? "waits" : "?");
    alarm(0);
    lock_at(lockfd, F_SETLK, F_UNLCK, 0, 0);
    for (int i = length; i-- > 0;)
        if (reap(pids[i]) != 3)
            SAY("link %d", i);
}

static void ofd_child(void)
{
    int own = open("/tmp/locks", O_RDWR);

    SHOW(lock_at(own, F_OFD_SETLK, F_WRLCK, 0, 10));
    SHOW(lock_at(lockfd, F_OFD_SETLK, F_WRLCK, 0, 10)); /* the inherited opening's own */
    SHOW(lock_at(lockfd, F_SETLK, F_WRLCK, 0, 10));
    SHOW(lock_at(lockfd, F_SETLK, F_WRLCK, 20, 10));
    ask(own, F_OFD_GETLK, F_RDLCK, 0, 0, getpid(), getppid());
}

static void ofd_waits(void)
{
    int own = open("/tmp/locks", O_RDWR);

    tell(0);
    SHOW(lock_at(own, F_OFD_SETLKW, F_WRLCK, 0, 10));
}

static void *closes_while_waiting(void *arg)
{
    int fd = *(int *)arg;

    SHOW(lock_at(fd, F_SETLKW, F_WRLCK, 0, 1));
    return NULL;
}

static void holder(void)
{
    lock_at(lockfd, F_SETLK, F_WRLCK, 0, 1);
    tell(0);
    hear(1);
}

static void part_locks(void)
{
    struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_pid = 1 };
    pid_t a, b;
    int fd, other;
    pthread_t t;

    part("record locks");
    for (int i = 0; i < 4; i++)
        if (pipe(pipes[i]))
            SAY("pipe");
    lockfd = open("/tmp/locks", O_RDWR | O_CREAT, 0600);
    a = spawn(locker_a);
    hear(0);
    b = spawn(locker_b);
    hear(0);
    ask(lockfd, F_GETLK, F_WRLCK, 0, 0, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 20, 0, a, b);
    ask(lockfd, F_GETLK, F_RDLCK, 0, 0, a, b);
    ask(lockfd, F_GETLK, F_RDLCK, 15, 20, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 0, 8, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 29, 3, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 30, 3, a, b);
    tell(1);
    hear(0);
    ask(lockfd, F_GETLK, F_WRLCK, 11, 10, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 12, 1, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 12, 10, a, b);
    tell(1);
    hear(0);
    ask(lockfd, F_GETLK, F_WRLCK, 100, 1, a, b);
    ask(lockfd, F_GETLK, F_WRLCK, 10, 100, a, b);
    tell(1);
    hear(0);
    ask(lockfd, F_GETLK, F_WRLCK, 0, 0, a, b);
    tell(2);
    reap(b);
    ask(lockfd, F_GETLK, F_WRLCK, 0, 0, a, b);
    tell(1);
    reap(a);

    a = spawn(deadlock_first);
    hear(0);
    SHOW(lock_at(lockfd, F_SETLK, F_WRLCK, 1, 1));
    tell(1);
    hear(0);
    msleep(200);
    SHOW(lock_at(lockfd, F_SETLKW, F_WRLCK, 0, 1));
    SHOW(lock_at(lockfd, F_SETLK, F_UNLCK, 0, 0));
    SHOW(reap(a));
    chain(3);
    chain(9);
    chain(13);

    SHOW(fcntl(lockfd, F_OFD_SETLK, &fl));
    SHOW(lock_at(lockfd, F_OFD_SETLK, F_WRLCK, 0, 10));
    ask(lockfd, F_OFD_GETLK, F_WRLCK, 0, 0, 1, 1);
    ask(lockfd, F_GETLK, F_WRLCK, 5, 0, 1, 1);
    SHOW(lock_at(lockfd, F_SETLK, F_RDLCK, 0, 1));
    reap(spawn(ofd_child));
    a = spawn(ofd_waits);
    hear(0);
    msleep(100);
    SHOW(lock_at(lockfd, F_OFD_SETLK, F_UNLCK, 0, 10));
    SHOW(reap(a));
    SHOW(lock_at(lockfd, F_SETLK, 7, 0, 10));
    SHOW(lock_at(lockfd, F_SETLK, F_WRLCK, -1, 10));
    SHOW(lock_at(lockfd, F_SETLK, F_WRLCK, 5, -6));
    SHOW(lock_at(lockfd, F_SETLK, F_WRLCK, INT64_MAX, 2));
    SHOW(lock_at(lockfd, F_GETLK, F_UNLCK, 0, 0));
    fd = open("/tmp/locks", O_RDONLY);
    SHOW(lock_at(fd, F_SETLK, F_WRLCK, 0, 1));
    close(fd);

    a = spawn(holder);
    hear(0);
    fd = open("/tmp/locks", O_RDWR);
    other = fd;
    pthread_create(&t, NULL, closes_while_waiting, &other);
    msleep(100);
    close(fd);
    tell(1);
    reap(a);
    pthread_join(t, NULL);
    a = spawn(holder); /* nothing is left of that lock */
    hear(0);
    tell(1);
    SHOW(reap(a));
    close(lockfd);
    unlink("/tmp/locks");
}

int main(void)
{
    part_signalfd();
    part_locks();
    SAY("== end");
    return 0;
}
