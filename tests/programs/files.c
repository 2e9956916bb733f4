// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files in their corner cases: unnamed ones, flags of vectors, mounts that expire or are polled,
 *   settings, terminals. Prints what happened, the same as under Linux (files.expected).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef RWF_APPEND
#define RWF_HIPRI 1
#define RWF_DSYNC 2
#define RWF_SYNC 4
#define RWF_NOWAIT 8
#define RWF_APPEND 16
#endif
#ifndef MNT_EXPIRE
#define MNT_EXPIRE 4
#endif

#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_ = (long)(call);                                                                 \
        printf("%s: %ld E%d\n", #call, show_, show_ == -1 ? errno : 0);                            \
    } while (0)
#define SAY(...) (printf(__VA_ARGS__), putchar('\n'))

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

/* ---- unnamed files ------------------------------------------------------------------------- */

static void say_link(int fd)
{
    char name[64], to[256];
    char *hash;
    ssize_t n;

    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    n = readlink(name, to, sizeof to - 1);
    to[n < 0 ? 0 : n] = 0;
    hash = strchr(to, '#');
    if (hash)
        hash[1] = 0;
    SAY("link %s...", to);
}

static void part_tmpfile(void)
{
    char self[64], text[16] = { 0 };
    struct stat st;
    int fd, dir;

    part("O_TMPFILE");
    SHOW(open("/tmp", O_TMPFILE | O_RDONLY, 0600));
    SHOW(open("/tmp", O_TMPFILE | O_RDWR | O_CREAT, 0600));
    SHOW(open("/proc", O_TMPFILE | O_RDWR, 0600));
    SHOW(open("/tmp/none", O_TMPFILE | O_RDWR, 0600));
    SHOW(open("/init", O_TMPFILE | O_RDWR, 0600));
    umask(022);
    fd = open("/tmp", O_TMPFILE | O_RDWR, 0666);
    SHOW(fd >= 0);
    SHOW((fcntl(fd, F_GETFL) & (O_TMPFILE | O_ACCMODE)) == (O_TMPFILE | O_RDWR));
    SHOW(fstat(fd, &st));
    SAY("mode %o links %d size %d", st.st_mode, (int)st.st_nlink, (int)st.st_size);
    say_link(fd);
    SHOW(write(fd, "unnamed", 7));
    SHOW(linkat(fd, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH));
    SHOW(fstat(fd, &st));
    SAY("links %d", (int)st.st_nlink);
    SHOW(linkat(fd, "", AT_FDCWD, "/tmp/named2", AT_EMPTY_PATH));
    SHOW(unlink("/tmp/named2"));
    dir = open("/tmp/named", O_RDONLY);
    SHOW(read(dir, text, sizeof text));
    SAY("%s", text);
    close(dir);
    SHOW(unlink("/tmp/named"));
    SHOW(linkat(fd, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH));
    close(fd);
    fd = open("/tmp", O_TMPFILE | O_WRONLY, 0600);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    SHOW(linkat(AT_FDCWD, self, AT_FDCWD, "/tmp/named", 0));
    SHOW(linkat(AT_FDCWD, self, AT_FDCWD, "/tmp/named", AT_SYMLINK_FOLLOW));
    SHOW(unlink("/tmp/named"));
    close(fd);
    fd = open("/tmp", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    SHOW(linkat(fd, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH));
    close(fd);
}

/* ---- flags of vectors ---------------------------------------------------------------------- */

static long write_vector(int fd, const struct iovec *v, int n, long pos, int flags)
{
    return syscall(SYS_pwritev2, fd, v, n, pos, 0l, flags);
}

static long read_vector(int fd, const struct iovec *v, int n, long pos, int flags)
{
    return syscall(SYS_preadv2, fd, v, n, pos, 0l, flags);
}

static void part_rwf(void)
{
    struct iovec v = { (void *)"abc", 3 };
    char buf[32] = { 0 };
    struct iovec in = { buf, 31 };
    int fd = open("/tmp/rwf", O_RDWR | O_CREAT, 0600), p[2];

    part("RWF");
    SHOW(write_vector(fd, &v, 1, 0, RWF_DSYNC));
    SHOW(write_vector(fd, &v, 1, 1, RWF_SYNC | RWF_HIPRI));
    SHOW(write_vector(fd, &v, 1, 0, RWF_APPEND));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(write_vector(fd, &v, 1, -1, RWF_APPEND));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(write_vector(fd, &v, 1, 0, 0x100));
    SHOW(write_vector(fd, &v, 1, 0, RWF_NOWAIT));
    SHOW(read_vector(fd, &in, 1, 0, RWF_NOWAIT));
    SHOW(write_vector(fd, &v, 1, -2, 0));
    SHOW(read_vector(fd, &in, 1, 0, RWF_APPEND | RWF_HIPRI));
    SAY("%s", buf);
    close(fd);
    fd = open("/tmp/rwf", O_RDONLY);
    SHOW(write_vector(fd, &v, 1, 0, RWF_APPEND));
    close(fd);
    if (pipe(p))
        SAY("pipe");
    SHOW(write_vector(p[1], &v, 1, -1, RWF_APPEND));
    SHOW(write_vector(p[1], &v, 1, 0, RWF_APPEND));
    SHOW(read_vector(p[0], &in, 1, -1, RWF_HIPRI));
    close(p[0]);
    close(p[1]);
    unlink("/tmp/rwf");
}

/* ---- mounts -------------------------------------------------------------------------------- */

static int events(int fd, int timeout)
{
    struct pollfd p = { .fd = fd, .events = POLLPRI };
    int n = poll(&p, 1, timeout);

    return n * 1000 + p.revents;
}

static void part_mounts(void)
{
    struct epoll_event e = { .events = EPOLLPRI };
    char buf[4096];
    int fd, info, ep;
    pid_t pid;

    part("mounts");
    mkdir("/tmp/m", 0700);
    fd = open("/proc/mounts", O_RDONLY);
    info = open("/proc/self/mountinfo", O_RDONLY);
    SHOW(events(fd, 0));
    SHOW(mount("none", "/tmp/m", "tmpfs", 0, NULL));
    SHOW(events(fd, 0));
    SHOW(events(fd, 0));
    SHOW(read(fd, buf, sizeof buf) > 0);
    SHOW(events(info, 0));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        msleep(100);
        mount(NULL, "/tmp/m", NULL, MS_REMOUNT | MS_RDONLY, NULL);
        _exit(0);
    }
    SHOW(events(fd, 5000));
    waitpid(pid, NULL, 0);
    ep = epoll_create1(0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, info, &e));
    SHOW(epoll_wait(ep, &e, 1, 0));
    SHOW(e.events & (EPOLLERR | EPOLLPRI));
    SHOW(umount2("/tmp/m", MNT_EXPIRE | MNT_FORCE));
    SHOW(umount2("/tmp", MNT_EXPIRE));
    SHOW(umount2("/tmp/m", MNT_EXPIRE));
    SHOW(access("/tmp/m/none", F_OK));
    close(open("/tmp/m", O_RDONLY));
    SHOW(umount2("/tmp/m", MNT_EXPIRE));
    SHOW(umount2("/tmp/m", MNT_EXPIRE));
    SHOW(umount2("/tmp/m", MNT_EXPIRE));
    SHOW(events(fd, 0));
    rmdir("/tmp/m");
    close(fd);
    close(info);
    close(ep);
}

/* ---- the log ------------------------------------------------------------------------------- */

static int readable(int fd, int timeout)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int n = poll(&p, 1, timeout);

    return n * 1000 + p.revents;
}

static void part_kmsg(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), out = open("/dev/kmsg", O_WRONLY);
    char buf[2000];
    int status;
    pid_t pid;
    ssize_t n;

    part("kmsg");
    SHOW(fd >= 0 && out >= 0);
    lseek(fd, 0, SEEK_END);
    SHOW(readable(fd, 0));
    SHOW(read(fd, buf, sizeof buf));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        msleep(100);
        if (write(out, "<7>hello\n", 9) != 9)
            _exit(1);
        _exit(0);
    }
    SHOW(readable(fd, 5000));
    SHOW(waitpid(pid, &status, 0) == pid && status == 0);
    n = read(fd, buf, sizeof buf - 1);
    buf[n < 0 ? 0 : n] = 0;
    SHOW(strstr(buf, "hello") != NULL);
    close(fd);
    close(out);
}

/* ---- settings and limits ------------------------------------------------------------------- */

static long setting(const char *name, const char *value)
{
    char path[100], buf[64];
    int fd;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/sys/kernel/%s", name);
    if (value) {
        fd = open(path, O_WRONLY);
        n = write(fd, value, strlen(value));
        close(fd);
        return n;
    }
    fd = open(path, O_RDONLY);
    n = read(fd, buf, sizeof buf - 1);
    close(fd);
    buf[n < 0 ? 0 : n] = 0;
    return atol(buf);
}


static void part_settings(void)
{
    char old[32];
    pid_t pid;
    int most = 0;

    part("settings");
    SHOW(setting("pid_max", "300"));
    snprintf(old, sizeof old, "%ld", setting("pid_max", NULL));
    SHOW(setting("pid_max", "400\n"));
    SHOW(setting("pid_max", NULL));
    for (int i = 0; i < 300; i++) {
        fflush(stdout);
        pid = fork();
        if (pid == 0)
            _exit(0);
        most = pid > most ? pid : most;
        waitpid(pid, NULL, 0);
    }
    SHOW(most < 400);
    SHOW(setting("pid_max", old) > 0);
    SHOW(setting("threads-max", "0"));
    SHOW(setting("threads-max", "19"));
    SHOW(setting("threads-max", NULL));
    SHOW(setting("threads-max", "x"));
    SHOW(setting("threads-max", "1000"));
    SHOW(setting("threads-max", NULL));
}

static void queue_some(int n)
{
    union sigval v = { .sival_int = 1 };
    int done = 0, err = 0;

    for (int i = 0; i < n; i++)
        if (sigqueue(getpid(), 40, v) == 0)
            done++;
        else
            err = errno;
    SAY("queued %d of %d, E%d", done, n, err);
}

static void part_sigpending(void)
{
    struct rlimit r = { 10, 10 };
    struct timespec none = { 0, 0 };
    sigset_t set;
    pid_t pid;
    timer_t t;

    part("RLIMIT_SIGPENDING");
    sigemptyset(&set);
    sigaddset(&set, 40);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_SIGPENDING, &r);
        if (setuid(1000))
            SAY("setuid");
        queue_some(6);
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            queue_some(6); /* together with the parent's */
            SHOW(timer_create(CLOCK_MONOTONIC, NULL, &t));
            kill(getpid(), SIGUSR1);
            SHOW(sigtimedwait(&set, NULL, &none));
            while (sigtimedwait(&set, NULL, &none) > 0)
                ;
            SHOW(timer_create(CLOCK_MONOTONIC, NULL, &t));
            queue_some(6);
            SHOW(timer_delete(t));
            queue_some(6);
            fflush(stdout);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        queue_some(6);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    queue_some(20); /* another user */
    while (sigtimedwait(&set, NULL, &none) > 0)
        ;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- terminals ----------------------------------------------------------------------------- */

static bool same_file(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && S_ISCHR(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino && x.st_rdev == y.st_rdev;
}

/* The slave of a master without its name, as openpty(3) opens it. */
static void peer_of(const char *ptmx)
{
    int master = open(ptmx, O_RDWR | O_NOCTTY), peer, named;

    SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    SHOW(open(ptsname(master), O_RDWR | O_NOCTTY));
    SHOW(unlockpt(master));
    peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    named = open(ptsname(master), O_RDWR | O_NOCTTY);
    SHOW(same_file(peer, named));
    SHOW(ttyname(peer) && !strcmp(ttyname(peer), ptsname(master)));
    SHOW(fcntl(peer, F_GETFD));
    SHOW(fcntl(peer, F_GETFL) & O_ACCMODE);
    close(named);
    close(peer);
    fflush(stdout);
    if (fork() == 0) { /* the master is right enough: the node is root's alone */
        if (setuid(1) == 0)
            SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY) >= 0);
        SHOW(open(ptsname(master), O_RDWR | O_NOCTTY));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    close(master);
}

static void part_terminals(void)
{
    int fd;

    part("terminals");
    mkdir("/dev/pts", 0755);
    SHOW(mount("devpts", "/dev/pts", "devpts", 0, "mode=600,ptmxmode=666"));
    peer_of("/dev/ptmx");
    peer_of("/dev/pts/ptmx");
    fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    unlockpt(fd);
    SHOW(umount("/dev/pts"));
    SHOW(umount2("/dev/pts", MNT_DETACH));
    SHOW(ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    close(fd);
}

int main(void)
{
    part_tmpfile();
    part_rwf();
    part_mounts();
    part_kmsg();
    part_settings();
    part_sigpending();
    part_terminals();
    SAY("== end");
    return 0;
}
