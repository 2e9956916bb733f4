// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what a program does that wants the kernel to fall: threads that pull at one object at the same time,
 *   rings of objects that hold each other, registers that no program has.
 * Usage: attacks [NAME...]; without names all.  Each prints "ok NAME"; the kernel must still be there, and have
 *   its memory back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB (1024ul * 1024)

static void fail(const char *what)
{
    printf("FAILED %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

#define MUST(call)                                                                                 \
    ({                                                                                             \
        long must_ret = (long)(call);                                                              \
        if (must_ret == -1)                                                                        \
            fail(#call);                                                                           \
        must_ret;                                                                                  \
    })

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static long free_kib(void)
{
    char text[512], *at;
    int fd = open("/proc/meminfo", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);

    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    at = strstr(text, "MemFree:");
    return at ? atol(at + 8) : 0;
}

/* ---- two threads at once ------------------------------------------------------------------- */

static _Atomic unsigned turn_a, turn_b, stop;

/* Both return together. */
static void meet(bool first)
{
    _Atomic unsigned *mine = first ? &turn_a : &turn_b, *other = first ? &turn_b : &turn_a;
    unsigned at = ++*mine;

    for (unsigned spins = 0; *other < at && !stop; spins++)
        if (spins > 2000)
            sched_yield();
}

static void nothing(void)
{
}

struct both {
    void (*first)(unsigned round), (*second)(unsigned round);
    unsigned rounds;
};

static void *second_thread(void *arg)
{
    const struct both *b = arg;

    for (unsigned i = 0; i < b->rounds; i++) {
        meet(false);
        b->second(i);
        meet(false);
    }
    return NULL;
}

/* `before`, then first and second at once, then `after`; many times. */
static void at_once(unsigned rounds, void (*before)(void), void (*first)(unsigned), void (*second)(unsigned),
                    void (*after)(void))
{
    struct both b = {first, second, rounds};
    pthread_t thread;

    turn_a = turn_b = stop = 0;
    if (pthread_create(&thread, NULL, second_thread, &b))
        fail("thread");
    for (unsigned i = 0; i < rounds; i++) {
        before();
        meet(true);
        first(i);
        meet(true);
        after();
    }
    pthread_join(thread, NULL);
}

/* ---- sockets ------------------------------------------------------------------------------- */

static void send_files(int to, const int *fds, unsigned count)
{
    char room[CMSG_SPACE(16 * sizeof(int))] = {0};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
                       .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    (void)!sendmsg(to, &m, MSG_DONTWAIT);
}

static int large_file(void)
{
    int fd = (int)MUST(syscall(SYS_memfd_create, "large", 0));
    static char page[64 * 1024];

    memset(page, 1, sizeof page);
    for (unsigned i = 0; i < MIB / sizeof page; i++)
        MUST(write(fd, page, sizeof page));
    return fd;
}

static struct sockaddr_un name_of(unsigned number, socklen_t *size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                        (unsigned)sprintf(a.sun_path + 1, "attack%d.%u", getpid(), number));
    return a;
}

static int listener(unsigned number)
{
    socklen_t size;
    struct sockaddr_un a = name_of(number, &size);
    int fd = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));

    MUST(bind(fd, (struct sockaddr *)&a, size));
    MUST(listen(fd, 4));
    return fd;
}

static int connected(unsigned number)
{
    socklen_t size;
    struct sockaddr_un a = name_of(number, &size);
    int fd = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));

    MUST(connect(fd, (struct sockaddr *)&a, size));
    return fd;
}

/* A listener that waits in the queue of a connection which waits for it to accept. */
static void ring_of_one(int large)
{
    int l = listener(0), c = connected(0);

    send_files(c, (int[]){l, large}, 2);
}

/* The same with two of them; and with sockets in between. */
static void ring_of_two(int large)
{
    int l = listener(0), m = listener(1), c = connected(0), d = connected(1);

    send_files(c, (int[]){m, large}, 2);
    send_files(d, (int[]){l, large}, 2);
}

static void ring_of_three(int large)
{
    int l = listener(0), c = connected(0), pair[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    send_files(c, (int[]){pair[0], large}, 2);
    send_files(pair[1], (int[]){l, large}, 2);
    send_files(pair[1], (int[]){c, large}, 2);
}

/* The connection is there first, and filled before it waits. */
static void ring_of_pairs(int large)
{
    int a[2], b[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, b));
    send_files(a[0], (int[]){b[0], large}, 2);
    send_files(b[1], (int[]){a[1], large}, 2);
    send_files(a[0], (int[]){a[1], large}, 2);
}

static void rings(void)
{
    static void (*const kinds[])(int large) = {ring_of_one, ring_of_two, ring_of_three, ring_of_pairs};
    long before = 0, lost = 0;

    for (unsigned i = 0; i < 44; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            kinds[i % 4](large_file());
            _exit(0);
        }
        MUST(waitpid(pid, NULL, 0));
        if (i == 3)
            before = free_kib();
    }
    for (unsigned i = 0; i < 50; i++) { /* Linux collects them a little later */
        const struct timespec nap = {0, 50000000};

        lost = before - free_kib();
        if (lost < 10 * 1024)
            return;
        nanosleep(&nap, NULL);
    }
    printf("FAILED rings: %ld KiB are held by nobody\n", lost);
    _exit(1);
}

static int connect_fd, connect_results[2];

static void connects_before(void)
{
    connect_fd = (int)MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
}

static void connect_to(unsigned number)
{
    socklen_t size;
    struct sockaddr_un a = name_of(number, &size);

    connect_results[number] = connect(connect_fd, (struct sockaddr *)&a, size);
}

static void connects_first(unsigned round)
{
    (void)round;
    connect_to(0);
}

static void connects_second(unsigned round)
{
    (void)round;
    connect_to(1);
}

static int connect_listeners[2];

static void connects_after(void)
{
    if (connect_results[0] == 0 && connect_results[1] == 0) {
        printf("FAILED connects: one socket has two peers\n");
        _exit(1);
    }
    for (unsigned i = 0; i < 2; i++)
        for (int fd; (fd = accept4(connect_listeners[i], NULL, NULL, 0)) >= 0;)
            close(fd);
    close(connect_fd);
}

static void connects(void)
{
    for (unsigned i = 0; i < 2; i++) {
        connect_listeners[i] = listener(i);
        MUST(fcntl(connect_listeners[i], F_SETFL, O_NONBLOCK));
    }
    at_once(300, connects_before, connects_first, connects_second, connects_after);
}

/* ---- names that lead to files which go ---------------------------------------------------------- */

#define GOING 24
static int going[GOING], going_from;

static void names_before(void)
{
    for (unsigned i = 0; i < GOING; i++)
        going[i] = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
}

/* Looks up each, in the middle of something else. */
static void names_first(unsigned round)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    for (unsigned i = 0; i < GOING; i++) {
        sprintf(a.sun_path, "/proc/self/fd/%d%s", going[i], round & 1 ? "/x" : "");
        if (round & 2)
            bind(going_from, (struct sockaddr *)&a, sizeof a);
        else
            connect(going_from, (struct sockaddr *)&a, sizeof a);
    }
}

static void names_second(unsigned round)
{
    for (volatile unsigned wait = round * 37 % 4000; wait > 0; wait--)
        ;
    for (unsigned i = 0; i < GOING; i++)
        close(going[i]);
}

static void names(void)
{
    going_from = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    at_once(250, names_before, names_first, names_second, nothing);
}

/* ---- files that go ------------------------------------------------------------------------- */

static int epoll_fd, watched[2];

static void epolls_before(void)
{
    struct epoll_event e = {.events = EPOLLIN};

    epoll_fd = (int)MUST(epoll_create1(0));
    MUST(pipe(watched));
    MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watched[0], &e));
    MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watched[1], &e));
}

static void epolls_first(unsigned round)
{
    if (round & 1)
        close(watched[1]);
    close(watched[0]);
}

static void epolls_second(unsigned round)
{
    struct epoll_event e;

    if (round & 2)
        epoll_wait(epoll_fd, &e, 1, 0);
    close(epoll_fd);
}

static void epolls_after(void)
{
    close(watched[1]);
}

static void epolls(void)
{
    at_once(400, epolls_before, epolls_first, epolls_second, epolls_after);
}

/* ---- transfers to and fro -------------------------------------------------------------------- */

struct transfer {
    int from, to;
    bool file;
};

static void *keep_moving(void *arg)
{
    const struct transfer *t = arg;
    uint64_t end = now_ms() + 700;

    while (now_ms() < end) {
        if (t->file)
            syscall(SYS_sendfile, t->to, t->from, NULL, 3000);
        else
            syscall(SYS_splice, t->from, NULL, t->to, NULL, 3000, SPLICE_F_NONBLOCK);
        lseek(t->from, 0, SEEK_SET);
    }
    return NULL;
}

static void to_and_fro(struct transfer a, struct transfer b)
{
    pthread_t first, second;

    if (pthread_create(&first, NULL, keep_moving, &a) || pthread_create(&second, NULL, keep_moving, &b))
        fail("thread");
    pthread_join(first, NULL);
    pthread_join(second, NULL);
}

static void transfers(void)
{
    static char text[8000];
    int a = (int)MUST(syscall(SYS_memfd_create, "a", 0)), b = (int)MUST(syscall(SYS_memfd_create, "b", 0));
    int p[2], q[2];

    MUST(write(a, text, sizeof text));
    MUST(write(b, text, sizeof text));
    MUST(lseek(a, 0, SEEK_SET));
    MUST(dup(a));
    MUST(syscall(SYS_sendfile, a, a, NULL, 100)); /* within one file that is shared */
    MUST(pipe2(p, O_NONBLOCK));
    MUST(pipe2(q, O_NONBLOCK));
    MUST(write(p[1], text, sizeof text));
    MUST(write(q[1], text, sizeof text));
    to_and_fro((struct transfer){a, b, true}, (struct transfer){b, a, true});
    to_and_fro((struct transfer){p[0], q[1], false}, (struct transfer){q[0], p[1], false});
    to_and_fro((struct transfer){p[0], a, false}, (struct transfer){a, p[1], false});
}

/* ---- timers -------------------------------------------------------------------------------- */

static char *nowhere; /* a page that cannot be written */
static int timer_next;

/* The number cannot be told, so the timer goes again. */
static void timers_first(unsigned round)
{
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    long ret = syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, nowhere + round % 64);

    if (ret != -1 || errno != EFAULT)
        fail("timer_create");
}

/* Another thread knows it nevertheless. */
static void timers_second(unsigned round)
{
    (void)round;
    for (unsigned i = 0; i < 60; i++)
        if (syscall(SYS_timer_delete, timer_next) == 0)
            break;
}

static void timers_after(void)
{
    timer_next++;
}

static void timers(void)
{
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    int id;

    nowhere = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id));
    timer_next = id + 1;
    at_once(400, nothing, timers_first, timers_second, timers_after);
    MUST(syscall(SYS_timer_delete, id));
}

/* ---- memory -------------------------------------------------------------------------------- */

#define AREA (32 * PAGE)
static char *area, *elsewhere;
static int copy_pipe[2], copy_file;

static void *change_area(void *arg)
{
    unsigned seed = 1 + (unsigned)(uintptr_t)arg;

    while (!stop) {
        size_t at = (size_t)(rand_r(&seed) % 32) * PAGE, n = (size_t)(1 + rand_r(&seed) % 8) * PAGE;
        char *p = area + at;
        int backing = rand_r(&seed) & 1 ? copy_file : -1;

        n = n > AREA - at ? AREA - at : n;
        switch (rand_r(&seed) % 8) {
        case 0:
            munmap(p, n);
            break;
        case 1:
            mprotect(p, n, rand_r(&seed) % 4);
            break;
        case 2:
            madvise(p, n, rand_r(&seed) & 1 ? MADV_DONTNEED : 8 /* FREE */);
            break;
        case 3:
            mremap(p, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere + at);
            break;
        case 4:
            mremap(elsewhere + at, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, p);
            break;
        case 5:
            if (ftruncate(copy_file, rand_r(&seed) % 32 * 4096) == 0)
                (void)!ftruncate(copy_file, AREA);
            break;
        default:
            mmap(p, n, PROT_READ | PROT_WRITE,
                 MAP_FIXED | (backing < 0 ? MAP_ANONYMOUS : 0) | (rand_r(&seed) & 1 ? MAP_SHARED : MAP_PRIVATE), backing,
                 backing < 0 ? 0 : (off_t)at);
        }
    }
    return NULL;
}

/* All that may ever be seen there is what was written: 0 and 'x'. */
static void look_at(const char *from, ssize_t n, const char *what)
{
    for (ssize_t i = 0; i < n; i++)
        if (from[i] != 0 && from[i] != 'x') {
            printf("FAILED copies: %s found %d\n", what, from[i]);
            _exit(1);
        }
}

static void *copy_area(void *arg)
{
    static __thread char buf[9 * PAGE];
    unsigned seed = 77 + (unsigned)(uintptr_t)arg;
    int zero = open("/dev/zero", O_RDWR), fd = (int)syscall(SYS_memfd_create, "c", 0);
    uint64_t end = now_ms() + 1500;

    while (now_ms() < end) {
        size_t at = (size_t)rand_r(&seed) % (AREA - 8 * PAGE), n = (size_t)rand_r(&seed) % (8 * PAGE);
        struct iovec there = {area + at, n}, here = {buf, n};
        ssize_t got;

        memset(buf, 'x', n);
        switch (rand_r(&seed) % 7) {
        case 0:
            got = pwrite(fd, area + at, n, 0);
            look_at(buf, pread(fd, buf, got > 0 ? (size_t)got : 0, 0), "write");
            break;
        case 1:
            if (pwrite(fd, buf, n, 0) == (ssize_t)n)
                (void)!pread(fd, area + at, n, 0);
            break;
        case 2:
            (void)!read(zero, area + at, n);
            break;
        case 3:
            look_at(buf, process_vm_readv(getpid(), &here, 1, &there, 1, 0), "process_vm_readv");
            break;
        case 4:
            process_vm_writev(getpid(), &here, 1, &there, 1, 0);
            break;
        case 5:
            got = vmsplice(copy_pipe[1], &there, 1, SPLICE_F_NONBLOCK);
            (void)got;
            look_at(buf, read(copy_pipe[0], buf, n), "vmsplice");
            break;
        default:
            got = pwritev(copy_file, &there, 1, (off_t)at);
            (void)got;
        }
    }
    close(fd);
    close(zero);
    return NULL;
}

static void copies(void)
{
    pthread_t changers[2], copiers[2];

    area = mmap(NULL, 2 * AREA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    elsewhere = area + AREA;
    MUST(pipe2(copy_pipe, O_NONBLOCK));
    copy_file = (int)MUST(syscall(SYS_memfd_create, "area", 0));
    MUST(ftruncate(copy_file, AREA));
    stop = 0;
    for (uintptr_t i = 0; i < 2; i++)
        if (pthread_create(&changers[i], NULL, change_area, (void *)i) ||
            pthread_create(&copiers[i], NULL, copy_area, (void *)i))
            fail("thread");
    for (unsigned i = 0; i < 2; i++)
        pthread_join(copiers[i], NULL);
    stop = 1;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(changers[i], NULL);
    munmap(area, 2 * AREA);
    close(copy_file);
    close(copy_pipe[0]);
    close(copy_pipe[1]);
}

/* ---- seals ------------------------------------------------------------------------------------- */

static int sealed_fd, seal_result;
static void *sealed_map;

static void seals_before(void)
{
    sealed_fd = (int)MUST(syscall(SYS_memfd_create, "sealed", 2 /* MFD_ALLOW_SEALING */));
    MUST(ftruncate(sealed_fd, PAGE));
}

static void seals_first(unsigned round)
{
    for (volatile unsigned wait = round * 13 % 700; wait > 0; wait--)
        ;
    sealed_map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, sealed_fd, 0);
}

static void seals_second(unsigned round)
{
    for (volatile unsigned wait = round * 7 % 500; wait > 0; wait--)
        ;
    seal_result = fcntl(sealed_fd, 1033 /* F_ADD_SEALS */, 8 /* F_SEAL_WRITE */);
}

static void seals_after(void)
{
    if (seal_result == 0 && sealed_map != MAP_FAILED) {
        printf("FAILED seals: what is sealed can be written\n");
        _exit(1);
    }
    if (sealed_map != MAP_FAILED)
        munmap(sealed_map, PAGE);
    close(sealed_fd);
}

static void seals(void)
{
    at_once(150, seals_before, seals_first, seals_second, seals_after);
}

/* ---- files opened again by their descriptor -------------------------------------------------- */

static int every_kind(int *fds)
{
    int n = 0, pair[2];
    sigset_t set;

    sigemptyset(&set);
    fds[n++] = eventfd(1, EFD_NONBLOCK);
    fds[n++] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    fds[n++] = signalfd(-1, &set, SFD_NONBLOCK);
    fds[n++] = epoll_create1(0);
    fds[n++] = inotify_init1(IN_NONBLOCK);
    fds[n++] = (int)syscall(SYS_pidfd_open, getpid(), 0);
    fds[n++] = (int)syscall(SYS_memfd_create, "k", 0);
    fds[n++] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (pipe2(pair, O_NONBLOCK) == 0)
        fds[n++] = pair[0], fds[n++] = pair[1];
    fds[n++] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    fds[n++] = open("/proc/self/maps", O_RDONLY);
    fds[n++] = open("/proc/self/mem", O_RDWR);
    fds[n++] = open("/proc/self", O_RDONLY);
    fds[n++] = open("/proc/self/exe", O_PATH);
    fds[n++] = open("/", O_RDONLY);
    fds[n++] = open("/dev/zero", O_RDWR);
    fds[n++] = open("/proc/self/fd", O_RDONLY);
    fds[n++] = open("/proc/self/pagemap", O_RDONLY);
    return n;
}

static void use_all_ways(int fd)
{
    static char buf[PAGE];
    struct iovec v = {buf, 100};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct epoll_event e = {.events = EPOLLIN};
    int set = epoll_create1(0);
    void *p;

    (void)!read(fd, buf, 128);
    (void)!write(fd, "\1\0\0\0\0\0\0\0", 8);
    (void)!pread(fd, buf, 8, (off_t)(uintptr_t)buf);
    (void)!pwrite(fd, buf, 8, 1ll << 62);
    lseek(fd, 1ll << 62, SEEK_END);
    lseek(fd, 0, 3);
    lseek(fd, -1, 4);
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
    epoll_wait(set, &e, 1, 0);
    sendmsg(fd, &m, MSG_DONTWAIT);
    recvmsg(fd, &m, MSG_DONTWAIT);
    syscall(SYS_getdents64, fd, buf, sizeof buf);
    for (unsigned request = 0x5400; request < 0x5480; request++)
        if (request != 0x5412) /* TIOCSTI */
            ioctl(fd, request, buf);
    syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0);
    syscall(SYS_pidfd_getfd, fd, 0, 0);
    syscall(SYS_timerfd_settime, fd, 0, buf, buf);
    syscall(SYS_fallocate, fd, 3, INT64_MAX - 5, 5);
    syscall(SYS_fallocate, fd, 0, INT64_MAX, 1);
    syscall(SYS_copy_file_range, fd, NULL, fd, NULL, 100, 0);
    syscall(SYS_splice, fd, NULL, fd, NULL, 100, SPLICE_F_NONBLOCK);
    syscall(SYS_sendfile, fd, fd, NULL, 100);
    fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = INT64_MAX, .l_len = 0});
    fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = INT64_MAX, .l_len = -INT64_MAX});
    fcntl(fd, F_SETPIPE_SZ, 1 << 30);
    fchmod(fd, 07777);
    (void)!ftruncate(fd, 100);
    for (int shared = MAP_SHARED; shared <= MAP_PRIVATE; shared++) {
        p = mmap(NULL, 2 * PAGE, PROT_READ, shared, fd, (off_t)(INT64_MAX & ~(PAGE - 1)));
        if (p != MAP_FAILED)
            munmap(p, 2 * PAGE);
        p = mmap(NULL, PAGE, PROT_READ, shared, fd, 0);
        if (p != MAP_FAILED) {
            (void)!write(-1, p, 1);
            (void)!write(set, p, 1);
            munmap(p, PAGE);
        }
    }
    close(set);
}

static void opens(void)
{
    int fds[32], n = every_kind(fds);

    signal(SIGPIPE, SIG_IGN);
    signal(SIGBUS, SIG_IGN);
    for (int i = 0; i < n; i++)
        for (int flags = 0; flags < 4; flags++) {
            char path[64];
            int fd;

            sprintf(path, "/proc/self/fd/%d", fds[i]);
            fd = open(path, O_NONBLOCK | O_NOCTTY | (flags == 3 ? O_PATH : flags));
            if (fd < 0)
                continue;
            use_all_ways(fd);
            close(fd);
        }
    for (int i = 0; i < n; i++)
        use_all_ways(fds[i]);
}

/* ---- signal frames --------------------------------------------------------------------------- */

static unsigned frame_word;
static uint64_t frame_value;

static void spoil(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    ((uint64_t *)context)[frame_word] = frame_value;
}

static void return_spoiled(void)
{
    const struct sigaction act = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO};

    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    getppid(); /* SYSRET and ERET with what is there now */
    for (volatile int i = 0; i < 1000; i++)
        ;
}

static void frames(void)
{
    static const uint64_t values[] = {
        0, 0xfff, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000, 0xffff800000000000, 0xffffff0000100000,
        0xffffffffffffffff, 0x8000000000000000, 0x0000fffffffff000, 0x0100000000001000, 0x7202, 0x4202, 0x3202, 0x50302,
        0x60302, 0x1f, 0x3c5, 0x3c0, 0x80000000000003c0, 0x100000, 0x10, 0x200000, 0x2b00000033, 0x1000000010,
    };
    const unsigned words = sizeof(ucontext_t) / 8 < 96 ? sizeof(ucontext_t) / 8 : 96;

    for (frame_word = 0; frame_word < words; frame_word++)
        for (unsigned v = frame_word % 3; v < sizeof values / sizeof *values; v += 3) {
            pid_t pid = fork();

            if (pid == 0) {
                alarm(2);
                frame_value = values[v];
                return_spoiled();
                _exit(0);
            }
            MUST(waitpid(pid, NULL, 0));
        }
}

/* ---- registers that no program has ------------------------------------------------------------- */

#ifdef __x86_64__
static sigjmp_buf back;

static void on_fault(int sig)
{
    siglongjmp(back, sig);
}

static void load_segment(unsigned which, unsigned selector)
{
    switch (which) {
    case 0:
        __asm__ volatile("movl %0, %%ds" : : "r"(selector));
        break;
    case 1:
        __asm__ volatile("movl %0, %%es" : : "r"(selector));
        break;
    case 2:
        __asm__ volatile("movl %0, %%gs" : : "r"(selector));
        break;
    default:
        __asm__ volatile("movl %0, %%ss" : : "r"(selector));
    }
}

/* Into the kernel and out of it in each way that there is. */
static void cross(unsigned way, uint64_t flags)
{
    switch (way) {
    case 0:
        __asm__ volatile("pushq %0; popfq; syscall" : : "r"(flags), "a"(SYS_getppid) : "rcx", "r11", "memory", "cc");
        break;
    case 1:
        __asm__ volatile("pushq %0; popfq; int3" : : "r"(flags) : "memory", "cc");
        break;
    case 2:
        __asm__ volatile("pushq %0; popfq; int $0x80" : : "r"(flags), "a"(20) : "memory", "cc");
        break;
    case 3:
        __asm__ volatile("pushq %0; popfq; ud2" : : "r"(flags) : "memory", "cc");
        break;
    case 4:
        __asm__ volatile("pushq %0; popfq; movq 0, %%rax" : : "r"(flags) : "rax", "memory", "cc");
        break;
    case 5:
        __asm__ volatile("pushq %0; popfq; .byte 0xf1" : : "r"(flags) : "memory", "cc");
        break;
    case 6:
        __asm__ volatile("pushq %0; popfq; sysenter" : : "r"(flags) : "memory", "cc");
        break;
    case 7:
        __asm__ volatile("pushq %0; popfq; hlt" : : "r"(flags) : "memory", "cc");
        break;
    case 8:
        __asm__ volatile("pushq %0; popfq; movl %%ss, %%eax; movl %%eax, %%ss; syscall" : : "r"(flags) : "rax", "rcx", "r11", "memory", "cc");
        break;
    case 9:
        __asm__ volatile("pushq %0; popfq; movl %%ss, %%eax; movl %%eax, %%ss; int3" : : "r"(flags) : "rax", "memory", "cc");
        break;
    case 10: /* a stack that is no address */
        __asm__ volatile("movq %%rsp, %%rbx; movq %1, %%rsp; syscall; movq %%rbx, %%rsp"
                         : : "a"(SYS_getppid), "r"(flags << 52) : "rbx", "rcx", "r11", "memory", "cc");
        break;
    case 11:
        __asm__ volatile("movq %%rsp, %%rbx; movq %0, %%rsp; int3; movq %%rbx, %%rsp" : : "r"(flags << 52) : "rbx", "memory", "cc");
        break;
    case 12:
        __asm__ volatile("jmp *%0" : : "r"(0x800000000000ul + flags));
        break;
    case 13:
        __asm__ volatile("jmp *%0" : : "r"(0xffffffffff600000ul));
        break;
    case 14:
        __asm__ volatile("pushq $0x23; pushq $0; lretq");
        break;
    case 15:
        __asm__ volatile("pushq $0x10; pushq %%rsp; pushq $0x202; pushq $0x8; pushq $0; iretq" : : : "memory");
        break;
    case 16:
        __asm__ volatile("lcall *(%0)" : : "r"(&(struct { uint32_t at; uint16_t cs; }){0, 0x40}) : "memory");
        break;
    default:
        __asm__ volatile("int $0x21" : : : "memory");
    }
}

static void in_child(void (*work)(unsigned a, uint64_t b), unsigned a, uint64_t b)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid = fork();

    if (pid == 0) {
        const stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
        const struct sigaction act = {.sa_handler = on_fault, .sa_flags = SA_NODEFER | SA_ONSTACK};

        sigaltstack(&s, NULL);
        for (int sig = 1; sig < 32; sig++)
            if (sig != SIGALRM)
                sigaction(sig, &act, NULL);
        alarm(2);
        if (sigsetjmp(back, 1) == 0)
            work(a, b);
        __asm__ volatile("pushfq; andl $0xffbaf2ff, (%%rsp); popfq; cld" : : : "memory", "cc");
        getppid();
        _exit(0);
    }
    MUST(waitpid(pid, NULL, 0));
}

static void segments_child(unsigned which, uint64_t unused)
{
    (void)unused;
    for (volatile unsigned selector = 0; selector < 0x90; selector++) {
        if (sigsetjmp(back, 1) == 0) {
            load_segment(which, selector);
            getppid();
        }
        sched_yield();
    }
}

static void odd_bases(unsigned code, uint64_t base)
{
    syscall(SYS_arch_prctl, code, base);
    syscall(SYS_arch_prctl, 0x1003 + (code & 1), base);
    sched_yield();
}

static void registers(void)
{
    static const uint64_t flags[] = {0x202, 0x302, 0x4202, 0x40202, 0x200202, 0x3202, 0x10202, 0x602, 0x244f02, 0x800};
    static const uint64_t bases[] = {0, 1, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffff0000100000, ~0ul};

    for (unsigned which = 0; which < 4; which++)
        in_child(segments_child, which, 0);
    for (unsigned way = 0; way < 18; way++)
        for (unsigned f = 0; f < sizeof flags / sizeof *flags; f++)
            in_child(cross, way, flags[f]);
    for (unsigned b = 0; b < sizeof bases / sizeof *bases; b++)
        for (unsigned code = 0x1001; code <= 0x1002; code++)
            in_child(odd_bases, code, bases[b]);
}
#else
/* Instructions that a program may not use, or whose registers it may not. */
static void registers(void)
{
    static const uint32_t code[] = {
        0xd4000002, /* hvc #0 */ 0xd4000003, /* smc #0 */ 0xd4000021, /* svc #1 */ 0xd4200000, /* brk #0 */
        0xd4400000, /* hlt #0 */ 0xd69f03e0, /* eret */ 0xd503207f, /* wfi */ 0xd503205f, /* wfe */
        0xd5033fdf, /* isb */ 0xd50342df, /* msr daifset, #2 */ 0xd50040bf, /* msr spsel, #0 */
        0xd5381000, /* mrs x0, sctlr_el1 */ 0xd5181000, /* msr sctlr_el1, x0 */ 0xd5380000, /* mrs x0, midr_el1 */
        0xd53b4200, /* mrs x0, nzcv */ 0xd51b4200, /* msr nzcv, x0 */ 0xd53be040, /* mrs x0, cntvct_el0 */
        0xd51be320, /* msr cntv_ctl_el0, x0 */ 0xd51be220, /* msr cntp_ctl_el0, x0 */ 0xd53b9c00, /* mrs x0, pmcr_el0 */
        0xd5087620, /* dc ivac, x0 */ 0xd50b7420, /* dc zva, x0 */ 0xd50b7e20, /* dc civac, x0 */
        0xd50b7520, /* ic ivau, x0 */ 0xd508871f, /* tlbi vmalle1 */ 0xd5087800, /* at s1e1r, x0 */
        0xd51bd040, /* msr tpidr_el0, x0 */ 0xd51bd060, /* msr tpidrro_el0, x0 */ 0xd5300000, /* mrs x0, osdtrrx_el1 */
        0xd53b0020, /* mrs x0, ctr_el0 */ 0x00000000, 0xffffffff, 0x04200000, /* SVE */ 0x0ee00000,
        0xd61f0000, /* br x0 */ 0x9100001f, /* mov sp, x0 */ 0xb9400000, /* ldr w0, [x0] */ 0xf9000000, /* str */
        0xc85ffc00, /* ldaxr x0, [x0] */ 0xd8000000, /* prfm */ 0xd5033f5f, /* clrex */
    };
    static const uint64_t x0[] = {0, 1, 4095, 0xfffffffff000, 0x0000ffffffffffff, 0xffff000040080000, 0xff00000000001000, ~0ul};

    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        for (unsigned k = 0; k < sizeof x0 / sizeof *x0; k++) {
            pid_t pid = fork();

            if (pid == 0) {
                uint32_t *page = mmap(NULL, PAGE, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                register uint64_t r __asm__("x0") = x0[k];

                page[0] = code[i];
                page[1] = 0xd4200000;
                __builtin___clear_cache((char *)page, (char *)(page + 2));
                alarm(2);
                __asm__ volatile("blr %1" : "+r"(r) : "r"(page) : "x30", "memory");
                _exit(0);
            }
            MUST(waitpid(pid, NULL, 0));
        }
}
#endif

/* ---- threads that start programs, end, stop and make threads, all at once ------------------------- */

static unsigned exec_seed;

static __attribute__((noinline)) void child_in_vfork(void)
{
    if (vfork() == 0)
        _exit(0);
}

static void *any_end(void *arg)
{
    unsigned seed = exec_seed * 31 + (unsigned)(uintptr_t)arg;
    char number[16];
    char *args[] = {"attacks", "exec-again", number, NULL}, *none[] = {NULL};
    pthread_t more;

    for (unsigned i = 0; i < 20; i++) {
        sprintf(number, "%u", rand_r(&seed));
        switch (rand_r(&seed) % 9) {
        case 0:
            execve("/proc/self/exe", args, none);
            break;
        case 1:
            execve("/proc/self/exe/x", args, none);
            break;
        case 2:
            if (fork() == 0)
                any_end((void *)(uintptr_t)(seed % 1000));
            break;
        case 3:
            child_in_vfork();
            break;
        case 4:
            kill(getpid(), rand_r(&seed) & 1 ? SIGSTOP : SIGCONT);
            break;
        case 5:
            syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
            break;
        case 6:
            if (rand_r(&seed) % 8 == 0)
                _exit(3);
            syscall(SYS_exit, 0);
            break;
        case 7:
            if (pthread_create(&more, NULL, any_end, (void *)(uintptr_t)(i + seed % 100)) == 0)
                pthread_detach(more);
            break;
        default:
            sched_yield();
        }
    }
    return NULL;
}

static void exec_again(const char *seed)
{
    pthread_t thread;

    signal(SIGUSR2, SIG_IGN);
    exec_seed = (unsigned)strtoul(seed, NULL, 10);
    alarm(2);
    for (uintptr_t i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, any_end, (void *)(i + 1)))
            break;
    any_end(NULL);
    _exit(0);
}

/* Each lineage must end, whatever it does to itself, when all of its group are killed. */
static void execs(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (unsigned i = 0; i < 60; i++) {
        const struct timespec nap = {0, 300000 * (i % 40)};
        pid_t pid = fork();
        char number[16];

        if (pid == 0) {
            sprintf(number, "%u", i * 977 + 5);
            setpgid(0, 0);
            execl("/proc/self/exe", "attacks", "exec-again", number, NULL);
            _exit(9);
        }
        setpgid(pid, pid);
        nanosleep(&nap, NULL);
        kill(-pid, SIGSTOP);
        kill(-pid, SIGCONT);
        kill(-pid, SIGKILL);
        while (kill(-pid, SIGKILL) == 0 || errno != ESRCH)
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
        while (waitpid(-1, NULL, 0) > 0)
            ;
    }
}

/* ---- threads that keep the lock of their memory ---------------------------------------------------- */

static void *keep_mapping(void *arg)
{
    (void)arg;
    for (;;) {
        char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        mprotect(p, PAGE, PROT_READ);
        munmap(p, 16 * PAGE);
    }
    return NULL;
}

/* Others look at it nevertheless, as ps does. */
static void readers(void)
{
    static char text[PAGE];
    uint64_t end = now_ms() + 20000;
    char path[64];
    pid_t pid = fork();

    if (pid == 0) {
        pthread_t thread;

        for (unsigned i = 0; i < 8; i++)
            pthread_create(&thread, NULL, keep_mapping, NULL);
        for (;;)
            pause();
    }
    sprintf(path, "/proc/%d/maps", pid);
    for (unsigned i = 0; i < 30; i++) {
        int fd = (int)MUST(open(path, O_RDONLY));

        while (read(fd, text, sizeof text) > 0)
            ;
        close(fd);
    }
    kill(pid, SIGKILL);
    MUST(waitpid(pid, NULL, 0));
    if (now_ms() > end) {
        printf("FAILED readers: they are kept out\n");
        _exit(1);
    }
}

/* ---- what stays when its maker has gone --------------------------------------------------------- */

static void fill_segments(void)
{
    for (int id; (id = shmget(IPC_PRIVATE, 4 * MIB, 0600 | IPC_CREAT)) >= 0;) {
        char *p = shmat(id, NULL, 0);

        for (size_t at = 0; p != (void *)-1 && at < 4 * MIB; at += PAGE)
            p[at] = 1; /* SIGBUS, in the end */
        shmdt(p);
    }
}

static void fill_queues(void)
{
    static struct {
        long type;
        char text[8000];
    } m = {1, {0}};

    for (int id; (id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT)) >= 0;)
        while (msgsnd(id, &m, sizeof m.text, IPC_NOWAIT) == 0)
            ;
}

static void fill_semaphores(void)
{
    while (semget(IPC_PRIVATE, 32000, 0600 | IPC_CREAT) >= 0)
        ;
}

static void remove_all(void)
{
    uint64_t ds[32];

    for (int i = 0; i < 4096; i++) {
        int shm = (int)syscall(SYS_shmctl, i, 13 /* SHM_STAT */, ds), sem = (int)syscall(SYS_semctl, i, 0, 18, ds);
        int msg = (int)syscall(SYS_msgctl, i, 11 /* MSG_STAT */, ds);

        if (shm >= 0)
            shmctl(shm, IPC_RMID, NULL);
        if (sem >= 0)
            semctl(sem, 0, IPC_RMID);
        if (msg >= 0)
            msgctl(msg, IPC_RMID, NULL);
    }
}

static void leftovers(void)
{
    static void (*const ways[])(void) = {fill_segments, fill_queues, fill_semaphores};
    pid_t pid;
    int status;

    for (unsigned i = 0; i < 3; i++) {
        pid = fork();
        if (pid == 0) {
            if (setgid(65534) == 0 && setuid(65534) == 0)
                ways[i]();
            _exit(0);
        }
        MUST(waitpid(pid, NULL, 0));
    }
    pid = fork(); /* others go on */
    if (pid == 0) {
        memset(malloc(4 * MIB), 1, 4 * MIB);
        _exit(7);
    }
    MUST(waitpid(pid, &status, 0));
    remove_all();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) {
        printf("FAILED leftovers: nothing is left for others\n");
        _exit(1);
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} attacks[] = {{"rings", rings},   {"connects", connects}, {"names", names},     {"epolls", epolls},
               {"transfers", transfers},
               {"timers", timers}, {"copies", copies},     {"seals", seals},     {"opens", opens},   {"frames", frames},
               {"registers", registers}, {"execs", execs},         {"readers", readers},
               {"leftovers", leftovers}};

/* Its status; who hangs is killed, and must die of it. */
static int wait_for(pid_t pid, uint64_t ms)
{
    const struct timespec nap = {0, 2000000};
    uint64_t end = now_ms() + ms;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() > end) {
            kill(pid, SIGKILL);
            printf("FAILED: it hangs\n");
            fflush(stdout);
            waitpid(pid, &status, 0);
        }
        nanosleep(&nap, NULL);
    }
    return status;
}

int main(int argc, char **argv)
{
    int bad = 0;

    if (argc == 3 && strcmp(argv[1], "exec-again") == 0)
        exec_again(argv[2]);
    for (unsigned i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        bool wanted = argc < 2;
        uint64_t start = now_ms();
        int status = 0;
        pid_t pid;

        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], attacks[i].name) == 0;
        if (!wanted)
            continue;
        pid = fork();
        if (pid == 0) {
            attacks[i].run();
            _exit(0);
        }
        status = wait_for(pid, 120000);
        bad |= status;
        printf(status ? "FAILED %s: status %x\n" : "ok %s\n", attacks[i].name, status);
        fprintf(stderr, "%s: %llu ms\n", attacks[i].name, (unsigned long long)(now_ms() - start));
        fflush(stdout);
    }
    return bad != 0;
}
