// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: inotify. Prints what happened, the same as under Linux (notify.expected).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
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

static int in;

static void drain(const char *what)
{
    static const char *const names[] = { "ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN",
                                         "MOVED_FROM", "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF",
                                         "?", "UNMOUNT", "Q_OVERFLOW", "IGNORED" };
    static uint32_t last_cookie;
    char buf[8192] __attribute__((aligned(16)));
    ssize_t n;

    printf("%s:\n", what);
    while ((n = read(in, buf, sizeof buf)) > 0)
        for (ssize_t at = 0; at < n;) {
            struct inotify_event *e = (struct inotify_event *)(buf + at);

            printf("   %d", e->wd);
            for (int i = 0; i < 16; i++)
                if (e->mask & 1u << i)
                    printf(" %s", names[i]);
            printf("%s%s%s len %d %s\n", e->mask & IN_ISDIR ? " dir" : "",
                   e->cookie ? " cookie" : "", e->cookie && e->cookie == last_cookie ? " same" : "",
                   (int)e->len, e->len ? e->name : "");
            last_cookie = e->cookie;
            at += (ssize_t)(sizeof *e + e->len);
        }
    fflush(stdout);
}

static void put(const char *path, const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

    if (write(fd, text, strlen(text)) < 0)
        SAY("write: E%d", errno);
    close(fd);
}

static void part_errors(void)
{
    int fd;

    SAY("== errors");
    SHOW(inotify_init1(1));
    fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
    SHOW(inotify_add_watch(fd, "/tmp", 0));
    SHOW(inotify_add_watch(fd, "/tmp", 0x10000));
    SHOW(inotify_add_watch(fd, "/tmp/none", IN_OPEN));
    SHOW(inotify_add_watch(0, "/tmp", IN_OPEN));
    SHOW(inotify_add_watch(99, "/tmp", IN_OPEN));
    SHOW(inotify_add_watch(fd, "/init", IN_OPEN | IN_ONLYDIR));
    SHOW(inotify_add_watch(fd, "/tmp", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
    SHOW(inotify_rm_watch(fd, 1));
    SHOW(inotify_add_watch(fd, "/tmp", IN_OPEN));
    SHOW(inotify_add_watch(fd, "/tmp", IN_OPEN | IN_MASK_CREATE));
    SHOW(inotify_add_watch(fd, "/tmp", IN_CLOSE));
    SHOW(inotify_add_watch(fd, "/init", IN_OPEN));
    SHOW(inotify_rm_watch(fd, 1));
    SHOW(inotify_rm_watch(fd, 1));
    SHOW(inotify_rm_watch(0, 1));
    SHOW(inotify_add_watch(fd, "/tmp", IN_OPEN));
    SHOW(write(fd, "x", 1));
    SHOW(lseek(fd, 0, SEEK_SET));
    in = fd;
    drain("rest");
    close(fd);
}

static void part_directory(void)
{
    struct timespec both[2] = { { 1, 0 }, { 2, 0 } }, one[2] = { { 0, UTIME_OMIT }, { 5, 0 } };
    char buf[100];
    int fd;

    SAY("== a directory");
    mkdir("/tmp/d", 0755);
    mkdir("/tmp/e", 0755);
    in = inotify_init1(IN_NONBLOCK);
    SHOW(inotify_add_watch(in, "/tmp/d", IN_ALL_EVENTS));
    put("/tmp/d/a", "hello", 0);
    drain("create and write");
    fd = open("/tmp/d/a", O_RDWR);
    SHOW(read(fd, buf, sizeof buf));
    SHOW(read(fd, buf, sizeof buf));
    SHOW(ftruncate(fd, 2));
    SHOW(pwrite(fd, "x", 1, 0));
    SHOW(fchmod(fd, 0644));
    close(fd);
    drain("use");
    put("/tmp/d/a", "hello", O_TRUNC);
    drain("truncated");
    SHOW(truncate("/tmp/d/a", 1));
    SHOW(chmod("/tmp/d/a", 0600));
    SHOW(chown("/tmp/d/a", 1, 1));
    SHOW(utimensat(AT_FDCWD, "/tmp/d/a", both, 0));
    SHOW(utimensat(AT_FDCWD, "/tmp/d/a", one, 0));
    drain("attributes");
    SHOW(mkdir("/tmp/d/sub", 0755));
    SHOW(symlink("a", "/tmp/d/link"));
    SHOW(mknod("/tmp/d/fifo", S_IFIFO | 0600, 0));
    SHOW(link("/tmp/d/a", "/tmp/d/b"));
    drain("names");
    SHOW(rename("/tmp/d/a", "/tmp/d/c"));
    SHOW(rename("/tmp/d/c", "/tmp/e/c"));
    SHOW(rename("/tmp/e/c", "/tmp/d/a"));
    SHOW(rename("/tmp/d/sub", "/tmp/d/sub2"));
    put("/tmp/d/f", "", 0);
    SHOW(rename("/tmp/d/f", "/tmp/d/link"));
    drain("renames");
    SHOW(unlink("/tmp/d/b"));
    SHOW(rmdir("/tmp/d/sub2"));
    SHOW(unlink("/tmp/d/link"));
    SHOW(unlink("/tmp/d/fifo"));
    SHOW(unlink("/tmp/d/none"));
    drain("removals");
    DIR *dir = opendir("/tmp/d");
    while (readdir(dir))
        ;
    closedir(dir);
    drain("list");
    SHOW(chmod("/tmp/d", 0700));
    SHOW(rename("/tmp/d", "/tmp/dd"));
    SHOW(rename("/tmp/dd", "/tmp/d"));
    drain("itself");
    unlink("/tmp/d/a");
    SHOW(rmdir("/tmp/d"));
    drain("gone");
    close(in);
    rmdir("/tmp/e");
}

static void part_file(void)
{
    int fd;

    SAY("== a file");
    put("/tmp/f", "x", 0);
    in = inotify_init1(IN_NONBLOCK);
    SHOW(inotify_add_watch(in, "/tmp/f", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(in, "/tmp", IN_MODIFY | IN_DELETE | IN_ATTRIB));
    put("/tmp/f", "y", O_APPEND);
    drain("both");
    SHOW(link("/tmp/f", "/tmp/g"));
    SHOW(rename("/tmp/f", "/tmp/h"));
    SHOW(unlink("/tmp/g"));
    drain("names");
    fd = open("/tmp/h", O_RDWR);
    SHOW(unlink("/tmp/h"));
    drain("unlinked, open");
    SHOW(write(fd, "z", 1));
    drain("written, unlinked");
    close(fd);
    drain("closed");
    close(in);
    put("/tmp/f", "x", 0);
    in = inotify_init1(IN_NONBLOCK);
    SHOW(inotify_add_watch(in, "/tmp/f", IN_MODIFY | IN_ONESHOT));
    put("/tmp/f", "x", 0);
    put("/tmp/f", "x", 0);
    drain("one shot");
    SHOW(inotify_add_watch(in, "/tmp/f", IN_MODIFY));
    SHOW(inotify_add_watch(in, "/tmp/f", IN_OPEN | IN_MASK_ADD));
    put("/tmp/f", "x", 0);
    drain("added");
    SHOW(inotify_add_watch(in, "/tmp", IN_MODIFY | IN_EXCL_UNLINK));
    fd = open("/tmp/f", O_RDWR);
    SHOW(unlink("/tmp/f"));
    SHOW(write(fd, "z", 1));
    drain("excluded");
    close(fd);
    drain("end");
    close(in);
}

static void part_queue(void)
{
    struct epoll_event e = { .events = EPOLLIN };
    struct pollfd p;
    char buf[64];
    int n = 0, ep;
    pid_t pid;

    SAY("== the queue");
    in = inotify_init1(IN_NONBLOCK);
    p = (struct pollfd){ .fd = in, .events = POLLIN };
    SHOW(inotify_add_watch(in, "/tmp", IN_CREATE | IN_DELETE));
    SHOW(poll(&p, 1, 0));
    put("/tmp/a-name-that-is-long", "", 0);
    SHOW(poll(&p, 1, 0));
    SHOW(ioctl(in, FIONREAD, &n));
    SAY("%d bytes", n);
    SHOW(read(in, buf, 16));
    SHOW(read(in, buf, 48));
    unlink("/tmp/a-name-that-is-long");
    drain("long");
    ep = epoll_create1(0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, in, &e));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        usleep(100000);
        put("/tmp/child", "", 0);
        _exit(0);
    }
    SHOW(epoll_wait(ep, &e, 1, 5000));
    waitpid(pid, NULL, 0);
    drain("child");
    pid = fork();
    if (pid == 0) {
        usleep(100000);
        unlink("/tmp/child");
        _exit(0);
    }
    fcntl(in, F_SETFL, 0);
    SHOW(read(in, buf, sizeof buf));
    fcntl(in, F_SETFL, O_NONBLOCK);
    waitpid(pid, NULL, 0);
    close(ep);
    for (int i = 0; i < 20000; i++) {
        snprintf(buf, sizeof buf, "/tmp/%d", i % 2);
        if (i % 4 < 2)
            put(buf, "", 0);
        else
            unlink(buf);
    }
    int events = 0, overflows = 0, ones = 0;
    while (read(in, buf, sizeof buf) > 0) {
        events++;
        struct inotify_event *ev = (struct inotify_event *)buf;
        ones += (int)ev->len == 16;
        overflows += (ev->mask & IN_Q_OVERFLOW) != 0 && ev->wd == -1;
    }
    SAY("overflows %d, %s", overflows, events > 4000 && ones > 0 ? "many events" : "few events");
    unlink("/tmp/0");
    unlink("/tmp/1");
    close(in);
    mkdir("/tmp/m", 0755);
    mount("none", "/tmp/m", "tmpfs", 0, NULL);
    in = inotify_init1(IN_NONBLOCK);
    SHOW(inotify_add_watch(in, "/tmp/m", IN_OPEN));
    SHOW(umount("/tmp/m"));
    drain("unmounted");
    SHOW(inotify_rm_watch(in, 1));
    close(in);
    rmdir("/tmp/m");
}

int main(void)
{
    part_errors();
    part_directory();
    part_file();
    part_queue();
    SAY("== end");
    return 0;
}
