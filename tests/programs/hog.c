// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fills the kernel's memory in one of many ways, from several processes, until they fail or die.
 * Usage: hog WAY [seconds]    - all is given back when it ends
 *        hog realtime      - computes as a real-time thread, for ever
 *        hog list
 *        hog unmount       - what the way `mounts` left
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 3
static char block[65536];
static volatile long number; /* steps that this process has done */

static int fill(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, block, sizeof block) > 0)
        continue;
    return errno == EAGAIN ? 0 : -1;
}

static int step_pipes(void)
{
    int p[2];

    return pipe(p) ? -1 : fill(p[1]);
}

static int step_large_pipes(void)
{
    int p[2];

    if (pipe(p))
        return -1;
    fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
    return fill(p[1]);
}

static int step_fifos(void)
{
    char name[64];

    snprintf(name, sizeof name, "/s/fifo%d.%ld", getpid(), number);
    if (mkfifo(name, 0600))
        return -1;
    int fd = open(name, O_RDWR | O_NONBLOCK);
    unlink(name);
    return fd < 0 ? -1 : fill(fd);
}

static int step_streams(void)
{
    int s[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, s) || fill(s[0]) ? -1 : fill(s[1]);
}

/* The smallest messages: what a message costs besides its bytes counts as well. */
static int step_messages(void)
{
    int s[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s))
        return -1;
    while (send(s[0], block, 1, MSG_DONTWAIT) == 1)
        continue;
    return errno == EAGAIN ? 0 : -1;
}

static int send_fd(int socket, int fd)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof fd)];
    } control;
    struct iovec v = { block, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof control };

    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    return sendmsg(socket, &m, MSG_DONTWAIT) == 1 ? 0 : -1;
}

/* A ring of sockets that hold one another, and nobody else holds. */
static int step_rings(void)
{
    int s[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
        return -1;
    send_fd(s[0], s[0]);
    send_fd(s[0], s[1]);
    send_fd(s[1], s[0]);
    close(s[0]);
    close(s[1]);
    return 0;
}

/* Full pipes that only a queue holds, each queue in the next one. */
static int step_in_flight(void)
{
    static int outer = -1;
    int s[2], p[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
        return -1;
    for (int i = 0; i < 100; i++) {
        if (pipe(p))
            break;
        fill(p[1]);
        int full = send_fd(s[0], p[0]);
        close(p[0]);
        close(p[1]);
        if (full)
            break;
    }
    if (outer >= 0) {
        send_fd(s[0], outer);
        close(outer);
    }
    outer = s[1];
    close(s[0]);
    return 0;
}

static int step_memfds(void)
{
    int fd = memfd_create("hog", 0);

    if (fd < 0)
        return -1;
    for (int i = 0; i < 16; i++)
        if (write(fd, block, sizeof block) <= 0)
            return -1;
    return 0;
}

static int step_files(void)
{
    char name[64];

    snprintf(name, sizeof name, "/s/f%d.%ld", getpid(), number);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, block, 4096);
    close(fd);
    return n == 4096 ? 0 : -1;
}

static int step_links(void)
{
    static char target[4000];
    char name[300];

    memset(target, 't', sizeof target - 1);
    memset(name, 'n', sizeof name);
    snprintf(name, sizeof name, "/s/%d.%ld", getpid(), number);
    name[strlen(name)] = 'n';
    name[250] = 0;
    return symlink(target, name);
}

static int step_deep(void)
{
    if (number == 0) {
        char name[64];

        snprintf(name, sizeof name, "/s/deep%d", getpid());
        if (mkdir(name, 0700) || chdir(name))
            return -1;
    }
    return mkdir("d", 0700) || chdir("d") ? -1 : 0;
}

static int step_names(void)
{
    struct stat st;
    char name[64];

    snprintf(name, sizeof name, "/s/none%d.%ld", getpid(), number);
    stat(name, &st);
    return number < 300000 ? 0 : -1;
}

/* As many regions as there can be. */
static int step_regions(void)
{
    void *p = mmap(NULL, 4096, number & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -1 : 0;
}

/* A page-table page (and more) for each page. */
static int step_tables(void)
{
    char *p = mmap(NULL, 4ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return -1;
    for (unsigned long at = 0; at < 4ul << 30; at += 2ul << 20)
        (void)*(volatile char *)(p + at);
    return 0;
}

static int step_descriptors(void)
{
    return dup2(0, (int)number * 61 + 3) < 0 ? -1 : 0;
}

static int step_opens(void)
{
    return open("/dev/zero", O_RDONLY) < 0 ? -1 : 0;
}

static int step_events(void)
{
    return eventfd(0, 0) < 0 || timerfd_create(CLOCK_MONOTONIC, 0) < 0 ? -1 : 0;
}

static int step_terminals(void)
{
    return open("/dev/ptmx", O_RDWR | O_NOCTTY) < 0 ? -1 : 0;
}

/* Sets that watch one another, and everything watched by many. */
static int step_epolls(void)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT };
    static int fds[64];
    int set = epoll_create1(0);

    if (set < 0)
        return -1;
    for (int i = 0; i < 64 && i < number; i++)
        if (epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &e) && errno != ELOOP && errno != EINVAL)
            return -1;
    fds[number % 64] = number % 64 < 3 ? set : eventfd(1, 0);
    return fds[number % 64] < 0 ? -1 : 0;
}

static int step_inotify(void)
{
    static int in = -1;
    char name[64];

    if (number % 1000 == 0)
        in = inotify_init1(IN_NONBLOCK);
    if (in < 0)
        return -1;
    snprintf(name, sizeof name, "/s/watched%d.%ld", getpid(), number);
    int fd = open(name, O_CREAT | O_RDWR, 0600);
    if (fd < 0)
        return -1;
    close(fd);
    if (inotify_add_watch(in, name, IN_ALL_EVENTS) < 0)
        return -1;
    for (int i = 0; i < 20; i++)
        chmod(name, 0600 + (i & 1));
    return 0;
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

static int step_threads(void)
{
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    errno = pthread_create(&t, &attr, sleeper, NULL);
    return errno ? -1 : 0;
}

static int step_timers(void)
{
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    timer_t t;

    return timer_create(CLOCK_MONOTONIC, &e, &t);
}

static int step_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 1 });
}

static int step_locks(void)
{
    static int fd = -1;
    char name[64];

    if (fd < 0) {
        snprintf(name, sizeof name, "/s/locks%d", getpid());
        fd = open(name, O_CREAT | O_RDWR, 0600);
    }
    struct flock l = { .l_type = number & 1 ? F_WRLCK : F_RDLCK, .l_start = number * 2, .l_len = 1 };
    return number < 20000 ? fcntl(fd, F_SETLK, &l) : -1;
}

static int step_mounts(void)
{
    if (number == 0 && unshare(CLONE_NEWNS) && errno != EINVAL && errno != ENOSYS)
        return -1;
    return number < 3000 ? mount("hog", "/m", "tmpfs", 0, NULL) : -1;
}

static int step_children(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    return pid < 0 ? -1 : 0;
}

static const struct {
    const char *name;
    int (*step)(void);
} ways[] = {
    { "pipes", step_pipes }, { "large_pipes", step_large_pipes }, { "fifos", step_fifos },
    { "streams", step_streams }, { "messages", step_messages }, { "rings", step_rings },
    { "in_flight", step_in_flight }, { "memfds", step_memfds }, { "files", step_files },
    { "links", step_links }, { "deep", step_deep }, { "names", step_names },
    { "regions", step_regions }, { "tables", step_tables }, { "descriptors", step_descriptors },
    { "opens", step_opens }, { "events", step_events }, { "terminals", step_terminals },
    { "epolls", step_epolls }, { "inotify", step_inotify }, { "threads", step_threads },
    { "timers", step_timers }, { "signals", step_signals }, { "locks", step_locks },
    { "mounts", step_mounts }, { "children", step_children },
};

static void hog(const char *name, int (*step)(void))
{
    struct rlimit most = { 1 << 20, 1 << 20 };
    char line[100];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_NOFILE, &most);
    while (step() == 0)
        number++;
    int n = snprintf(line, sizeof line, "%s: %ld, then %s\n", name, number, strerror(errno));
    if (write(1, line, (size_t)n) != n)
        return;
    for (;;)
        pause();
}

static int run(const char *name, int (*step)(void), unsigned seconds)
{
    setpgid(0, 0);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0)
            hog(name, step);
    for (time_t end = time(NULL) + seconds; time(NULL) < end;)
        sleep(1);
    kill(0, SIGKILL);
    return 0;
}

/* The C libraries' own function is missing in musl. */
static int spin(void)
{
    struct sched_param p = { .sched_priority = 50 };

    if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p))
        return 1;
    for (;;)
        number++;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "realtime") == 0)
        return spin();
    if (argc == 2 && strcmp(argv[1], "unmount") == 0)
        while (umount2("/m", MNT_DETACH) == 0)
            continue;
    for (unsigned i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(argv[1], "list") == 0)
            puts(ways[i].name);
        else if (strcmp(argv[1], ways[i].name) == 0)
            return run(ways[i].name, ways[i].step, argc > 2 ? (unsigned)atoi(argv[2]) : 5);
    }
    return argc > 1 && strcmp(argv[1], "list") == 0 ? 0 : 2;
}
