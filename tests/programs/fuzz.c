// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: call the kernel at random: `fuzz SEED ROUNDS [CALLS]`, in a scratch directory, as root.
 * Model: a round is a process, of up to three threads, that draws calls, arguments and now and then something
 *   worse (a signal frame changed by its handler, random code, a program with a damaged head) from a generator
 *   seeded by SEED and the number of the round. The first process ends a round that takes too long, collects
 *   all its descendants, and survives. What would end the machine, or touch processes and files of others,
 *   is left out. The verdict is the kernel's: it must still be there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define ARENA 0x10000000ul /* 16 pages: 0-7 writable, 8-11 read-only, 12-13 inaccessible, 14-15 writable */
#define ARENA_PAGES 16
#define ROUND_MS 1500
#define SCRATCH_PATHS 12

/* ---- drawing ---- */

static __thread uint64_t state;

static uint64_t draw(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
}

static unsigned below(unsigned n)
{
    return (unsigned)((draw() >> 32) % n);
}

#define PICK(table) ((table)[below(sizeof(table) / sizeof *(table))])

static char long_path[5000];
static const char *const scratch[SCRATCH_PATHS] = {"f0",  "f1",  "dir", "dir/f2", "dir/sub",   "loop",
                                                   "link", "fifo", "",   ".",      "dir/../f0", long_path};
static const char *const anywhere[] = {"/proc/self/maps", "/proc/self/fd/4", "/proc/self/mem",    "/proc/self/exe",
                                       "/proc/self/stat", "/proc/self/fd",   "/proc/self/status", "/proc",
                                       "/dev/null",       "/dev/zero",       "/dev/full",         "/dev/ptmx",
                                       "/dev/pts/0",      "/dev/tty",        "/dev/urandom",      "/dev/pts",
                                       "/sys",            "/proc/meminfo",   "/proc/self/task",   "/proc/mounts",
                                       "/proc/self/comm", "/proc/self/smaps", "/proc/self/pagemap", "/",
                                       "/proc/self/oom_score_adj", "/proc/thread-self/stat", "/proc/self/fdinfo/7",
                                       "/proc/self/smaps_rollup", "/proc/self/environ", "/proc/self/numa_maps",
                                       "/proc/sysvipc/shm", "/proc/locks", "/proc/1/maps", "/proc/1/fd",
                                       "/sys/devices/system/cpu", "/dev/kmsg", "/dev/random"};

static const uint64_t edges[] = {0, 1, 2, 7, 8, 63, 64, 100, 4095, 4096, 4097, 65535, 65536, 0x7fffffff,
                                 0x80000000, 0xffffffff, 0x100000000, 1ull << 40, 1ull << 47, 1ull << 52,
                                 INT64_MAX, 1ull << 63, (uint64_t)-1, (uint64_t)-2, (uint64_t)-14, (uint64_t)-100,
                                 (uint64_t)-4095, (uint64_t)-4096, (uint64_t)-4097, (uint64_t)-8192};
static const uint64_t bad_pointers[] = {0, 1, 0xfff, 0x1000, 0x7ffffffff000, 0x7fffffffefff, 0x7ffffffffff8,
                                        0x800000000000, 0xfffffffff000, 0xffffffffffff, 0x1000000000000,
                                        0xffff000000000000, 0xffff000040080000, 0xffff800000000000,
                                        0xffff800000100000, 0xffffff0000000000, 0xfffffffffffff000,
                                        0xfffffffffffffff8, 0xffffffffffffffff, 0x8000000000000000,
                                        ARENA + 12 * PAGE, ARENA + 8 * PAGE, ARENA + 12 * PAGE - 1,
                                        ARENA + 16 * PAGE - 4, 0x400000, 0xdeadbeefdeadbeef};

/* What a descriptor leads to, opened once more. */
static const char *opened(void)
{
    static __thread char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%u", below(24));
    return path;
}

static uint64_t edge(void)
{
    return PICK(edges) + (below(4) ? 0 : below(16));
}

static uint64_t buffer(void)
{
    uint64_t offset = below(8 * PAGE);

    switch (below(10)) {
    case 0:
        return PICK(bad_pointers);
    case 1:
        return ARENA + 12 * PAGE - below(64);
    case 2:
        return ARENA + offset;
    case 3:
        return ARENA + 8 * PAGE - 8 * below(32);
    default:
        return ARENA + (offset & ~15ul);
    }
}

/* Fills some words with what may pass for fields of a structure. */
static uint64_t structure(void)
{
    uint64_t p = buffer();
    unsigned words = 1 + below(16);

    if (p < ARENA || p + words * 8 > ARENA + 8 * PAGE || (p & 7))
        return p;
    for (unsigned i = 0; i < words; i++) {
        uint64_t *word = (uint64_t *)p + i;

        switch (below(6)) {
        case 0:
            *word = edge();
            break;
        case 1:
            *word = buffer();
            break;
        case 2:
            *word = below(64) | (uint64_t)below(64) << 32;
            break;
        case 3:
            *word = 1ull << below(64);
            break;
        default:
            *word = below(40);
        }
    }
    return p;
}

static uint64_t vectors(void)
{
    struct iovec *v = (struct iovec *)(ARENA + below(8) * PAGE);

    for (unsigned i = 0; i < 8; i++) {
        v[i].iov_base = (void *)buffer();
        v[i].iov_len = below(4) ? below(5000) : edge();
    }
    return below(12) ? (uint64_t)v : buffer();
}

static uint64_t message(void)
{
    struct msghdr *m = (struct msghdr *)(ARENA + below(8) * PAGE + 1024);
    struct cmsghdr *c = (struct cmsghdr *)(ARENA + below(8) * PAGE + 2048);

    c->cmsg_len = below(3) ? CMSG_LEN(4 * below(9)) : edge();
    c->cmsg_level = below(8) ? SOL_SOCKET : below(300);
    c->cmsg_type = below(8) ? SCM_RIGHTS : 2;
    for (unsigned i = 0; i < 8; i++)
        ((int *)CMSG_DATA(c))[i] = (int)below(24);
    m->msg_name = (void *)(below(3) ? 0 : structure());
    m->msg_namelen = below(200);
    m->msg_iov = (void *)vectors();
    m->msg_iovlen = below(10) ? below(8) : edge();
    m->msg_control = below(3) ? c : (void *)buffer();
    m->msg_controllen = below(4) ? CMSG_SPACE(4 * below(9)) : edge();
    m->msg_flags = 0;
    return (uint64_t)m;
}

static uint64_t span_time(void)
{
    struct timespec *t = (struct timespec *)(ARENA + below(8) * PAGE + 3072);

    if (!below(8))
        return structure();
    t[0].tv_sec = below(6) ? 0 : (time_t)edge();
    t[0].tv_nsec = below(6) ? (long)below(20000000) : (long)edge();
    t[1] = t[0];
    return (uint64_t)t;
}

/* A process that is safe to disturb: this one, or none. */
static uint64_t victim(void)
{
    switch (below(4)) {
    case 0:
        return 0;
    case 1:
        return 0x7fffff00 + below(200);
    default:
        return (uint64_t)getpid();
    }
}

static uint64_t socket_name(void)
{
    unsigned char *p = (unsigned char *)(ARENA + below(8) * PAGE + 512);

    p[0] = below(8) ? AF_UNIX : (unsigned char)below(50);
    p[1] = 0;
    strcpy((char *)p + 2, below(2) ? "sock" : "s2");
    if (!below(3))
        p[2] = 0;
    return below(10) ? (uint64_t)p : buffer();
}

static uint64_t fill_path(const char *path)
{
    char *p = (char *)(ARENA + below(6) * PAGE);

    if (!below(16))
        return PICK(bad_pointers);
    strcpy(p, path);
    return (uint64_t)p;
}

static uint64_t string_list(void)
{
    uint64_t *list = (uint64_t *)(ARENA + 14 * PAGE);
    unsigned i, n = below(6);

    for (i = 0; i < n; i++)
        list[i] = below(6) ? (uint64_t)scratch[below(SCRATCH_PATHS - 1)] : buffer();
    list[i] = 0;
    return below(8) ? (uint64_t)list : buffer();
}

static uint64_t any(void)
{
    switch (below(5)) {
    case 0:
        return edge();
    case 1:
        return structure();
    case 2:
        return below(32);
    case 3:
        return 1ull << below(64) | 1ull << below(64);
    default:
        return draw() >> below(64);
    }
}

/* One argument of the kind that the letter names. */
static uint64_t argument(char kind)
{
    static const uint64_t requests[] = {0x541b, 0x5421, 0x5450, 0x5451, 0x5452, 0x5460, 0x80045430, 0x40045431,
                                        0x80045432, 0x40045436, 0x80045438, 0x80045439, 0x5441};

    if (!below(12))
        return kind == 'P' ? victim() : kind == 'w' || kind == 'p' ? PICK(bad_pointers) : any();
    switch (kind) {
    case 'f':
        return below(16) ? below(24) : edge();
    case 'd':
        return below(3) ? (uint64_t)AT_FDCWD : below(24);
    case 'w':
        return fill_path(scratch[below(SCRATCH_PATHS)]);
    case 'p':
        return fill_path(below(2) ? scratch[below(SCRATCH_PATHS)] : below(4) ? PICK(anywhere) : opened());
    case 'b':
        return buffer();
    case 's':
        return structure();
    case 'l':
        return below(3) ? below(5000) : edge();
    case 'i':
        return below(10);
    case 'x':
        return below(3) ? 1ull << below(32) | (below(2) ? 1ull << below(32) : 0) : below(256);
    case 'v':
        return vectors();
    case 'm':
        return message();
    case 'n':
        return socket_name();
    case 't':
        return span_time();
    case 'a':
        return below(5) ? ARENA + below(ARENA_PAGES + 4) * PAGE : PICK(bad_pointers) & ~(PAGE - 1);
    case 'z':
        return below(5) ? below(20) * PAGE : edge();
    case 'o':
        return below(3) ? below(100000) : edge();
    case 'S':
        return below(66);
    case 'P':
        return victim();
    case 'r':
        return below(4) ? 0x5400 + below(0x80) : PICK(requests);
    case 'e':
        return string_list();
    case 'F':
        return ARENA + below(3) * PAGE + 4 * below(4);
    case 'k': /* a key of System V's */
        return 0x66757a00 + below(4);
    case 'K': /* and an identifier: a number of the first or the second generation */
        return below(4) ? below(6) : 32768 + below(6);
    case 'q': { /* its operations */
        uint64_t p = ARENA + below(8) * PAGE;

        for (unsigned i = 0; i < 10; i++)
            ((uint16_t *)p)[i * 3] = (uint16_t)below(4), ((int16_t *)p)[i * 3 + 1] = (int16_t)(below(5) - 2),
                       ((uint16_t *)p)[i * 3 + 2] = (uint16_t)(below(3) ? 04000 : below(3) << 11 | below(2) << 12);
        return p;
    }
    case 'C': /* mmap's flags, with MAP_FIXED only sometimes */
        return (1 + below(3)) | (below(2) ? MAP_ANONYMOUS : 0) | (below(4) ? 0 : MAP_FIXED) |
               (below(4) ? 0 : 1u << below(26));
    default:
        return any();
    }
}

/* ---- calls ---- */

struct call {
    short number;
    char kinds[8];
};

static const struct call calls[] = {
#define C(name, kinds) {SYS_##name, kinds},
    C(read, "fbl") C(write, "fbl") C(close, "f") C(fstat, "fs") C(lseek, "foi") C(mmap, "aziCfo")
    C(mprotect, "azi") C(munmap, "az") C(brk, "a") C(mremap, "azzxa") C(msync, "azi") C(mincore, "azb")
    C(madvise, "azi") C(mlock, "az") C(mlock2, "azi") C(munlock, "az") C(mlockall, "i") C(membarrier, "xii")
    C(process_vm_readv, "Pvivi0") C(process_vm_writev, "Pvivi0") C(memfd_create, "wx") C(rt_sigaction, "Sssl")
    C(rt_sigprocmask, "issl") C(rt_sigpending, "sl") C(rt_sigtimedwait, "sstl") C(rt_sigqueueinfo, "PSs")
    C(rt_sigsuspend, "sl") C(sigaltstack, "ss") C(signalfd4, "fslx") C(ioctl, "frs") C(pread64, "fblo")
    C(pwrite64, "fblo") C(readv, "fvi") C(writev, "fvi") C(preadv, "fvio") C(pwritev, "fvio")
    C(preadv2, "fvioox") C(pwritev2, "fviox") C(openat, "dpxx") C(faccessat, "dpi") C(mkdirat, "dwx")
    C(mknodat, "dwxi") C(unlinkat, "dwx") C(symlinkat, "wdw") C(linkat, "dwdwx") C(renameat2, "dwdwx")
    C(readlinkat, "dpbl") C(fchmodat, "dwx") C(fchownat, "dwiix") C(fchmod, "fx") C(utimensat, "dwtx")
    C(newfstatat, "dpsx") C(statx, "dpxxs") C(statfs, "ps") C(fstatfs, "fs") C(truncate, "wo") C(ftruncate, "fo")
    C(fallocate, "fioo") C(getdents64, "fbl") C(getcwd, "bl") C(chdir, "w") C(fchdir, "f") C(pipe2, "sx")
    C(dup, "f") C(dup3, "ffx") C(fcntl, "fis") C(fcntl, "f1x") C(flock, "fi") C(fsync, "f") C(sendfile, "ffsl")
    C(splice, "fsfslx") C(tee, "fflx") C(vmsplice, "fvix") C(copy_file_range, "fsfslx") C(ppoll, "sitsl")
    C(pselect6, "issstv") C(epoll_create1, "x") C(epoll_ctl, "fifs") C(epoll_pwait, "fsiisl") C(eventfd2, "ix")
    C(timerfd_create, "ix") C(timerfd_settime, "fits") C(timerfd_gettime, "fs") C(socket, "iii")
    C(socketpair, "iiis") C(bind, "fnl") C(listen, "fi") C(accept4, "fssx") C(connect, "fnl")
    C(getsockname, "fss") C(getpeername, "fss") C(sendto, "fblxnl") C(recvfrom, "fblxss") C(sendmsg, "fmx")
    C(recvmsg, "fmx") C(sendmmsg, "fsix") C(recvmmsg, "fsixt") C(setsockopt, "fiisl") C(getsockopt, "fiiss")
    C(shutdown, "fi") C(clone, "xassi") C(clone3, "sl") C(execve, "pee") C(execveat, "dpeex") C(wait4, "Psis")
    C(waitid, "iPsis") C(kill, "PS") C(tkill, "PS") C(tgkill, "PPS") C(futex, "Fiits") C(futex, "Fxitfi")
    C(set_robust_list, "sl") C(get_robust_list, "Pss") C(set_tid_address, "b") C(rseq, "slix") C(prctl, "ieeee")
    C(prctl, "xssss") C(getrlimit, "is") C(prlimit64, "0i0s") C(getrusage, "is") C(times, "s") C(nanosleep, "ts")
    C(clock_nanosleep, "iits") C(clock_gettime, "is") C(timer_create, "iss") C(timer_settime, "iits")
    C(timer_gettime, "is") C(timer_delete, "i") C(setitimer, "ist") C(getitimer, "is") C(setpgid, "PP")
    C(getpgid, "P") C(getsid, "P") C(setsid, "") C(setpriority, "iPi") C(getpriority, "iP")
    C(sched_getaffinity, "Pls") C(sched_setaffinity, "Pls") C(sched_getattr, "Psli") C(sched_yield, "")
    C(setuid, "l") C(setgid, "l") C(setresuid, "lll") C(setgroups, "is") C(getgroups, "is") C(capget, "ss")
    C(capset, "ss") C(umask, "x") C(mount, "wwsxs") C(umount2, "wx") C(chroot, "w") C(getrandom, "blx")
    C(uname, "s") C(sysinfo, "s") C(setxattr, "pssix") C(getxattr, "pssl") C(listxattr, "psl")
    C(inotify_init1, "x") C(inotify_add_watch, "fpx") C(pidfd_open, "Px") C(pidfd_send_signal, "fSsx")
    C(unshare, "x") C(personality, "x") C(getcpu, "sss") C(close_range, "ffx") C(openat2, "dpsl")
    C(faccessat2, "dpix") C(syncfs, "f") C(readahead, "fol") C(fadvise64, "fooi") C(io_uring_setup, "is")
    C(shmget, "kzx") C(shmat, "Kax") C(shmdt, "a") C(shmctl, "Kis") C(semget, "kix") C(semop, "Kqi")
    C(semtimedop, "Kqit") C(semctl, "Kiis") C(msgget, "kx") C(msgsnd, "Kslx") C(msgrcv, "Ksllx") C(msgctl, "Kis")
    C(pidfd_getfd, "ff0") C(process_madvise, "fviix") C(get_mempolicy, "ssiax") C(timer_getoverrun, "i")
    C(sched_rr_get_interval, "Ps") C(inotify_rm_watch, "fi") C(sync_file_range, "foox") C(mknodat, "dw10")
    C(rt_sigreturn, "") C(restart_syscall, "") C(epoll_pwait2, "fsitsl") C(clock_getres, "is") C(fchmodat, "dpx")
    C(move_pages, "Pissix") C(mbind, "azisix") C(set_mempolicy, "isi") C(remap_file_pages, "azioi")
#ifdef SYS_open
    C(open, "pxx") C(stat, "ps") C(lstat, "ps") C(poll, "sii") C(select, "issst") C(epoll_wait, "fsii")
    C(fork, "") C(vfork, "") C(arch_prctl, "xs") C(getdents, "fbl") C(readlink, "pbl") C(alarm, "i")
    C(rename, "ww") C(link, "ww") C(mkdir, "wx") C(rmdir, "w") C(unlink, "w") C(creat, "wx") C(utime, "ws")
    C(modify_ldt, "isl") C(iopl, "i") C(ioperm, "lli") C(epoll_ctl_old, "") C(time, "s")
#endif
#undef C
};

/* What ends the machine or the round, disturbs others, or takes priority over the first process. */
static const short left_out[] = {
    SYS_reboot, SYS_exit, SYS_exit_group, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex,
    SYS_syslog, SYS_sched_setscheduler, SYS_sched_setparam, SYS_sched_setattr, SYS_ptrace, SYS_vhangup,
    SYS_sethostname, SYS_setdomainname, SYS_pivot_root, SYS_setns, SYS_swapoff, SYS_kexec_load, SYS_init_module,
    SYS_ioprio_set, SYS_rt_tgsigqueueinfo, SYS_migrate_pages, SYS_quotactl, SYS_acct, SYS_kcmp};
/* Here the kinds of arguments are always kept to. */
static const short kept_to[] = {SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_process_vm_writev,
                                SYS_prlimit64, SYS_pidfd_open, SYS_mount, SYS_umount2, SYS_chroot, SYS_setpriority,
                                SYS_sched_setaffinity, SYS_setpgid, SYS_unlinkat, SYS_renameat2, SYS_waitid};

static bool listed(const short *list, size_t n, long number)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == number)
            return true;
    return false;
}

#define LISTED(list, number) listed(list, sizeof(list) / sizeof *(list), number)

static inline __attribute__((always_inline)) long raw(long nr, const uint64_t *a)
{
#ifdef __x86_64__
    register uint64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
    long ret = nr;

    __asm__ volatile("syscall" : "+a"(ret)
                     : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return ret;
#else
    register uint64_t x0 __asm__("x0") = a[0], x1 __asm__("x1") = a[1], x2 __asm__("x2") = a[2];
    register uint64_t x3 __asm__("x3") = a[3], x4 __asm__("x4") = a[4], x5 __asm__("x5") = a[5];
    register long x8 __asm__("x8") = nr;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8) : "memory");
    return (long)x0;
#endif
}

static bool makes_process(long number)
{
#ifdef SYS_fork
    if (number == SYS_fork || number == SYS_vfork)
        return true;
#endif
    return number == SYS_clone || number == SYS_clone3;
}

static bool verbose;

static __attribute__((noinline)) void do_call(void)
{
    uint64_t args[6] = {0};
    const struct call *call = &PICK(calls);
    const char *kinds = call->kinds;
    long number = call->number;
    bool known = true;

    if (!below(16)) {
        number = below(600);
        known = false;
        for (unsigned i = 0; i < sizeof(calls) / sizeof *calls; i++)
            known |= calls[i].number == number;
        if (known || LISTED(left_out, number))
            return;
    }
    for (unsigned i = 0; i < 6; i++)
        args[i] = known && (*kinds || below(8)) ? argument(*kinds ? *kinds++ : '0') : any();
    if (known && LISTED(kept_to, number))
        for (unsigned i = 0; i < 6 && call->kinds[i]; i++)
            while (call->kinds[i] == 'P' && (int)args[i] != 0 && (int)args[i] != getpid() && (int)args[i] < 0x7fffff00)
                args[i] = victim();
    if (number == SYS_prlimit64)
        args[0] = 0;
    if (number == SYS_clone && below(2))
        args[0] = SIGCHLD | (args[0] & ~0xfful), args[1] = 0;
    if (verbose)
        dprintf(100, "%ld %lx %lx %lx %lx %lx %lx\n", number, (long)args[0], (long)args[1], (long)args[2],
                (long)args[3], (long)args[4], (long)args[5]);
    if (raw(number, args) == 0 && makes_process(number))
        for (;;)
            raw(SYS_exit, (uint64_t[6]){0});
}

/* ---- worse than calls ---- */

static void change_frame(int sig, siginfo_t *info, void *context)
{
    uint64_t *words = context;

    (void)sig;
    (void)info;
    for (unsigned n = 1 + below(3); n > 0; n--)
        words[below(below(2) ? 60 : 120)] = below(2) ? any() : PICK(bad_pointers);
}

/* Returns from a handler that changed its frame, and goes on for a while. */
static void garbage_frame(void)
{
    struct sigaction act = {.sa_sigaction = change_frame, .sa_flags = SA_SIGINFO | (below(2) ? SA_ONSTACK : 0)};

    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    for (int i = 0; i < 10; i++)
        do_call();
}

static void random_code(void)
{
    unsigned char *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (code == MAP_FAILED)
        return;
    for (unsigned i = 0; i < PAGE; i += 8)
        *(uint64_t *)(code + i) = draw();
    __builtin___clear_cache((char *)code, (char *)code + PAGE);
    alarm(1);
    ((void (*)(void))(void *)code)();
}

/* Starts this very program with a damaged head; when it does start, it ends at once. */
static void damaged_program(void)
{
    static unsigned char image[4096];
    char *args[] = {"damaged", NULL};
    int from = open("/proc/self/exe", O_RDONLY), to = open("damaged", O_RDWR | O_CREAT | O_TRUNC, 0755);
    ssize_t n;

    for (bool first = true; (n = read(from, image, sizeof image)) > 0; first = false) {
        for (unsigned k = first ? 1 + below(4) : 0; k > 0; k--) {
            unsigned at = below(4) ? below(64 + 56 * 6) : below(64);

            switch (below(4)) {
            case 0:
                image[at] = (unsigned char)draw();
                break;
            case 1:
                image[at] ^= 1u << below(8);
                break;
            default:
                *(uint64_t *)(image + (at & ~7u)) = below(2) ? edge() : PICK(bad_pointers);
            }
        }
        if (write(to, image, (size_t)n) != n || !below(400))
            break;
    }
    close(from);
    close(to);
    alarm(1);
    execv("damaged", args);
}

static void in_child(void (*work)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        work();
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
}

/* ---- a round ---- */

static unsigned calls_per_round = 400;

static void on_alarm(int sig)
{
    (void)sig;
}

static void run_calls(unsigned count)
{
    const struct itimerval tick = {{0, 10000}, {0, 10000}};
    const struct sigaction interrupt = {.sa_handler = on_alarm};
    sigset_t none;

    sigemptyset(&none);
    for (unsigned i = 0; i < count; i++) {
        if (i % 16 == 0) {
            sigaction(SIGALRM, &interrupt, NULL);
            sigprocmask(SIG_SETMASK, &none, NULL);
            setitimer(ITIMER_REAL, &tick, NULL);
        }
        switch (below(400)) {
        case 0:
            in_child(garbage_frame);
            break;
        case 1:
            in_child(random_code);
            break;
        case 2:
            in_child(damaged_program);
            break;
        default:
            do_call();
        }
    }
}

static void *run_thread(void *seed)
{
    state = (uint64_t)seed | 1;
    run_calls(calls_per_round / 2);
    return NULL;
}

static void limit(int what, rlim_t value)
{
    const struct rlimit l = {value, value};

    setrlimit(what, &l);
}

static void open_files(void)
{
    int pair[2], ptm;

    close(0);
    close(1);
    close(2);
    open("/dev/null", O_RDWR);
    open("/dev/zero", O_RDWR);
    open("/dev/null", O_RDWR);
    open("f0", O_RDWR | O_CREAT, 0644);
    open("dir", O_RDONLY | O_DIRECTORY);
    if (pipe2(pair, below(2) ? O_NONBLOCK : 0) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
        socketpair(AF_UNIX, below(2) ? SOCK_DGRAM : SOCK_SEQPACKET, 0, pair);
    socket(AF_UNIX, SOCK_STREAM, 0);
    epoll_create1(0);
    epoll_create1(0);
    syscall(SYS_eventfd2, 0, 0);
    syscall(SYS_timerfd_create, 1, 0);
    syscall(SYS_memfd_create, "m", 0);
    ptm = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (ptm >= 0) {
        int zero = 0;

        syscall(SYS_ioctl, ptm, 0x40045431, &zero);
        syscall(SYS_ioctl, ptm, 0x5441, O_RDWR | O_NOCTTY);
    }
    open("/proc/self/maps", O_RDONLY);
    open("fifo", O_RDWR | O_NONBLOCK);
}

static void set_up(void)
{
    char *arena = mmap((void *)ARENA, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (arena == MAP_FAILED)
        _exit(9);
    for (unsigned i = 0; i < 8 * PAGE; i += 8)
        *(uint64_t *)(arena + i) = below(4) ? below(64) : draw();
    mprotect(arena + 8 * PAGE, 4 * PAGE, PROT_READ);
    mprotect(arena + 12 * PAGE, 2 * PAGE, PROT_NONE);
    mkdir("dir", 0755);
    symlink("loop", "loop");
    symlink("dir", "link");
    mkfifo("fifo", 0644);
    setsid();
    open_files();
    limit(RLIMIT_AS, 96ul << 20);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_FSIZE, 4ul << 20);
    limit(RLIMIT_CORE, 0);
}

static void run_round(uint64_t seed)
{
    pthread_t thread;

    state = seed * 0x9e3779b97f4a7c15ull | 1;
    for (int i = 0; i < 4; i++)
        draw();
    set_up();
    if (below(3) == 0 && setgid(65534) == 0 && setuid(65534) != 0)
        _exit(9);
    for (unsigned n = below(3); n > 0; n--)
        pthread_create(&thread, NULL, run_thread, (void *)draw());
    run_calls(calls_per_round);
    _exit(0);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* System V's objects outlive who made them. */
static void clean_ipc(void)
{
    uint64_t ds[32];

    for (int i = 0; i < 64; i++) {
        int shm = (int)syscall(SYS_shmctl, i, 13 /* SHM_STAT */, ds), sem = (int)syscall(SYS_semctl, i, 0, 18, ds);
        int msg = (int)syscall(SYS_msgctl, i, 11 /* MSG_STAT */, ds);

        if (shm >= 0)
            syscall(SYS_shmctl, shm, 0, NULL);
        if (sem >= 0)
            syscall(SYS_semctl, sem, 0, 0, NULL);
        if (msg >= 0)
            syscall(SYS_msgctl, msg, 0, NULL);
    }
}

/* Kills every process that is younger than the round's first, and collects them. */
static void clean_up(pid_t first)
{
    uint64_t limit_ms = now_ms() + 20000;

    for (;;) {
        pid_t probe = fork(), got;
        const struct timespec nap = {0, 1000000};

        if (probe == 0)
            _exit(0);
        for (pid_t pid = first; probe > 0 && pid != probe; pid = pid >= 32768 ? getpid() + 1 : pid + 1)
            kill(pid, SIGKILL);
        nanosleep(&nap, NULL);
        while ((got = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
            ;
        if (got < 0 && errno == ECHILD)
            return;
        if (now_ms() > limit_ms) {
            printf("FAILED processes do not end\n");
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 100, forced = 0;
    const struct sched_param high = {.sched_priority = 90};

    if (argc < 2)
        return 0;
    if (argc > 3)
        calls_per_round = (unsigned)atoi(argv[3]);
    verbose = getenv("FUZZ_VERBOSE") && dup2(1, 100) == 100;
    memset(long_path, 'x', sizeof long_path - 1);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | 0x40000000, &high);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t end = now_ms() + ROUND_MS;
        const struct timespec nap = {0, 2000000};
        pid_t pid;

        if (getenv("FUZZ_ROUND") && (unsigned)atoi(getenv("FUZZ_ROUND")) != round)
            continue;
        if (getenv("FUZZ_SHOW"))
            dprintf(1, "round %u\n", round);
        pid = fork();
        if (pid == 0)
            run_round(seed * 1000003 + round);
        if (pid < 0) {
            printf("FAILED fork: %s\n", strerror(errno));
            return 1;
        }
        while (waitpid(pid, NULL, WNOHANG) == 0 && now_ms() < end)
            nanosleep(&nap, NULL);
        forced += now_ms() >= end;
        clean_up(pid);
        clean_ipc();
    }
    printf("%u rounds\n", rounds);
    fprintf(stderr, "%u cut short\n", forced);
    return 0;
}
