// SPDX-License-Identifier: CC0-1.0
/*
 * kbench.c - microbenchmarks of the services a kernel gives to a process.
 *
 * One static program, run unchanged on every kernel to be compared.  It uses
 * only POSIX and Linux calls, and prints one line for each metric:
 *
 *     name <TAB> median_ns <TAB> min_ns <TAB> operations
 *     name <TAB> unsupported <TAB> errno <TAB> text
 *
 * The two figures are nanoseconds for one operation (what one operation is,
 * is said in the table at the end of this file): the median and the minimum
 * over all rounds.  "operations" is how many were timed in all rounds
 * together.  Lines that start with '#' are comments.
 *
 * Build (glibc or musl, any architecture in the tiny-ELF table below):
 *     gcc -O2 -static -pthread -o kbench kbench.c
 *     aarch64-linux-gnu-gcc -O2 -static -pthread -o kbench kbench.c
 *
 * Use:
 *     kbench [-r rounds] [-t target_us] [-m MiB] [-f filter]... [-x exclude]...
 *            [-p threads] [-d dir] [-w seconds] [-u] [-i] [-c] [-l]
 *
 *     -r  timed rounds of each metric                     (default 11)
 *     -t  shortest time that one round should take, in us (default 20000)
 *     -m  size of the "big" memory area, in MiB           (default 64)
 *     -f  run only metrics whose name contains this text; may be repeated
 *     -x  leave out metrics whose name contains this text; may be repeated
 *     -p  threads in the parallel metrics                 (default: CPUs)
 *     -d  directory for the files                         (default /tmp)
 *     -w  give up on a metric after so many seconds       (default 60)
 *     -u  do not pin the single-CPU metrics to CPU 0
 *     -i  run every metric in this process, not each in a child of its own
 *     -c  print the processor's counter too, first of all (x86-64: rdtsc,
 *         AArch64: cntvct_el0); under "qemu -icount shift=0" that is how many
 *         instructions the guest has executed since reset, on AArch64 / 16
 *     -l  list the metrics
 *
 * As process 1 (put it in an initramfs as /init) it first prints
 * "KBENCH-INIT <clock>", mounts what it needs, runs, prints "KBENCH-DONE
 * <clock>", and turns the machine off; options then come from the kernel
 * command line ("-- -r 5 -t 2000").
 *
 * All arithmetic is on integers, in tenths of a nanosecond ("decins"), so
 * that the program does not itself depend on the kernel's handling of
 * floating-point state.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE        4096UL
#define KIB         1024UL
#define MIB         (1024UL * KIB)
#define MAX_ROUNDS  1001
#define MAX_FILTERS 16
#define MAX_THREADS 64

/* ------------------------------------------------------------------------
 * Settings and small tools
 * ------------------------------------------------------------------------ */

static struct {
    int         rounds;
    uint64_t    target_ns;
    size_t      big;            /* bytes in the "big" area, whole pages */
    int         cpus;           /* that this program may use */
    int         threads;        /* for the parallel metrics; 0: as many as CPUs */
    const char *dir;
    unsigned    watchdog_s;
    int         pin;
    int         in_process;
    const char *self;           /* path of this program, for exec_self */
    const char *only[MAX_FILTERS];
    const char *skip[MAX_FILTERS];
    int         nonly, nskip;
} cfg = {
    .rounds = 11, .target_ns = 20 * 1000 * 1000, .big = 64 * MIB,
    .dir = "/tmp", .watchdog_s = 60, .pin = 1, .self = "/proc/self/exe",
};

/* What one run of one metric has measured so far. */
struct bench_run {
    uint64_t sample[MAX_ROUNDS];    /* tenths of a nanosecond an operation */
    int      nsamples;
    uint64_t ops;                   /* operations timed, in all rounds */
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The processor's own counter.  A kernel may forbid it, so ask for it only
 * when told to. */
static uint64_t cycle_counter(void)
{
#if defined __x86_64__
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
#elif defined __aarch64__
    uint64_t v;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v));
    return v;
#else
    return 0;
#endif
}

/* errno, but never 0: for the path where a call did something impossible. */
static int failed(void)
{
    return errno ? errno : EIO;
}

static int online_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

static int pin_to(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : failed();
}

static void unpin(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int i = 0; i < MAX_THREADS; i++)
        CPU_SET(i, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* A helper process must not outlive the one that measures. */
static void die_with_parent(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return failed();
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ECHILD;
}

static void add_sample(struct bench_run *r, uint64_t elapsed_ns, uint64_t ops)
{
    if (r->nsamples < MAX_ROUNDS && ops != 0) {
        r->sample[r->nsamples++] = elapsed_ns * 10 / ops;
        r->ops += ops;
    }
}

/*
 * Time a function that does n operations: double n until one call takes the
 * target time (those calls also warm everything up), then do the rounds.
 */
typedef int (*loop_fn)(void *arg, uint64_t n);

static int time_loop(struct bench_run *r, loop_fn fn, void *arg)
{
    uint64_t n = 1;

    for (;;) {
        uint64_t t0 = now_ns();
        int err = fn(arg, n);
        uint64_t elapsed = now_ns() - t0;
        if (err)
            return err;
        if (elapsed >= cfg.target_ns || n >= (1ULL << 40))
            break;
        /* Far from the target: go most of the way in one step. */
        n *= elapsed < cfg.target_ns / 64 ? 16 : 2;
    }
    for (int i = 0; i < cfg.rounds; i++) {
        uint64_t t0 = now_ns();
        int err = fn(arg, n);
        uint64_t elapsed = now_ns() - t0;
        if (err)
            return err;
        add_sample(r, elapsed, n);
    }
    return 0;
}

/* Memory of which every page will be 4 KiB, where the kernel can be told so. */
static void *map_small_pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

static void touch(void *p, size_t bytes)
{
    volatile char *c = p;

    for (size_t i = 0; i < bytes; i += PAGE)
        c[i] = (char)i;
}

static void look(const void *p, size_t bytes)
{
    const volatile char *c = p;

    for (size_t i = 0; i < bytes; i += PAGE)
        (void)c[i];
}

/* A file of `bytes` bytes in the work directory, open for reading and
 * writing; its path goes to `path`.  Returns the descriptor, or -errno. */
static int make_file(char *path, size_t cap, size_t bytes, mode_t mode)
{
    static char block[64 * KIB];

    snprintf(path, cap, "%s/kbench.%d", cfg.dir, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, mode);
    if (fd < 0) {
        snprintf(path, cap, "/kbench.%d", (int)getpid());
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC, mode);
    }
    if (fd < 0)
        return -failed();
    memset(block, 0x5a, sizeof block);
    while (bytes > 0) {
        size_t n = bytes < sizeof block ? bytes : sizeof block;
        if (write(fd, block, n) != (ssize_t)n) {
            int err = failed();
            close(fd);
            unlink(path);
            return -err;
        }
        bytes -= n;
    }
    return fd;
}

/* ------------------------------------------------------------------------
 * The machine itself: these do not enter the kernel, and tell how fast the
 * processor (or the emulator) is at the time.
 * ------------------------------------------------------------------------ */

static int loop_ref(void *arg, uint64_t n)
{
    volatile uint64_t *v = arg;

    for (uint64_t i = 0; i < n; i++)
        *v += i;
    return 0;
}

static int bench_ref_loop(struct bench_run *r)
{
    volatile uint64_t v = 0;

    return time_loop(r, loop_ref, (void *)&v);
}

static int loop_ref_copy(void *arg, uint64_t n)
{
    char *p = arg;

    for (uint64_t i = 0; i < n; i++) {
        memcpy(p + MIB, p, MIB);
        atomic_signal_fence(memory_order_seq_cst);
    }
    return 0;
}

static int bench_ref_memcpy(struct bench_run *r)
{
    char *p = malloc(2 * MIB);

    if (p == NULL)
        return ENOMEM;
    memset(p, 1, 2 * MIB);
    int err = time_loop(r, loop_ref_copy, p);
    free(p);
    return err;
}

/* Write one byte in every page of an area that is mapped already: the cost
 * of a miss in the TLB and of the walk of the page tables. */
static int loop_touch(void *arg, uint64_t n)
{
    size_t pages = cfg.big / PAGE;
    volatile char *c = arg;

    for (uint64_t i = 0, k = 0; i < n; i++, k = k + 1 == pages ? 0 : k + 1)
        c[k * PAGE] = (char)i;
    return 0;
}

static int bench_ref_tlb_miss(struct bench_run *r)
{
    char *p = map_small_pages(cfg.big);

    if (p == NULL)
        return failed();
    touch(p, cfg.big);
    int err = time_loop(r, loop_touch, p);
    munmap(p, cfg.big);
    return err;
}

/* ------------------------------------------------------------------------
 * System calls that do little
 * ------------------------------------------------------------------------ */

static int loop_syscall(void *arg, uint64_t n)
{
    long nr = *(long *)arg;

    for (uint64_t i = 0; i < n; i++)
        if (syscall(nr) < 0)
            return failed();
    return 0;
}

static int bench_getppid(struct bench_run *r)
{
    long nr = SYS_getppid;

    return time_loop(r, loop_syscall, &nr);
}

static int bench_getpid(struct bench_run *r)
{
    long nr = SYS_getpid;

    return time_loop(r, loop_syscall, &nr);
}

/* A number that no kernel has: the shortest way in and out. */
static int loop_enosys(void *arg, uint64_t n)
{
    (void)arg;
    for (uint64_t i = 0; i < n; i++)
        if (syscall(0x7ff0) != -1 || errno != ENOSYS)
            return EPROTO;
    return 0;
}

static int bench_enosys(struct bench_run *r)
{
    return time_loop(r, loop_enosys, NULL);
}

static int loop_clock(void *arg, uint64_t n)
{
    struct timespec ts;

    (void)arg;
    for (uint64_t i = 0; i < n; i++)
        if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
            return failed();
    return 0;
}

static int bench_clock(struct bench_run *r)
{
    return time_loop(r, loop_clock, NULL);
}

static int loop_clock_sys(void *arg, uint64_t n)
{
    struct timespec ts;

    (void)arg;
    for (uint64_t i = 0; i < n; i++)
        if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) != 0)
            return failed();
    return 0;
}

static int bench_clock_sys(struct bench_run *r)
{
    return time_loop(r, loop_clock_sys, NULL);
}

static int loop_read1(void *arg, uint64_t n)
{
    int fd = *(int *)arg;
    char c;

    for (uint64_t i = 0; i < n; i++)
        if (read(fd, &c, 1) != 1)
            return failed();
    return 0;
}

static int bench_read_zero(struct bench_run *r)
{
    int fd = open("/dev/zero", O_RDONLY);

    if (fd < 0)
        return failed();
    int err = time_loop(r, loop_read1, &fd);
    close(fd);
    return err;
}

static int loop_write1(void *arg, uint64_t n)
{
    int fd = *(int *)arg;
    char c = 'x';

    for (uint64_t i = 0; i < n; i++)
        if (write(fd, &c, 1) != 1)
            return failed();
    return 0;
}

static int bench_write_null(struct bench_run *r)
{
    int fd = open("/dev/null", O_WRONLY);

    if (fd < 0)
        return failed();
    int err = time_loop(r, loop_write1, &fd);
    close(fd);
    return err;
}

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------ */

static int loop_open_close(void *arg, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int fd = open(arg, O_RDONLY);
        if (fd < 0 || close(fd) != 0)
            return failed();
    }
    return 0;
}

static int loop_stat(void *arg, uint64_t n)
{
    struct stat st;

    for (uint64_t i = 0; i < n; i++)
        if (stat(arg, &st) != 0)
            return failed();
    return 0;
}

static int with_small_file(struct bench_run *r, loop_fn fn)
{
    char path[PATH_MAX];
    int fd = make_file(path, sizeof path, 1, 0644);

    if (fd < 0)
        return -fd;
    close(fd);
    int err = time_loop(r, fn, path);
    unlink(path);
    return err;
}

static int bench_open_close(struct bench_run *r)
{
    return with_small_file(r, loop_open_close);
}

static int bench_stat(struct bench_run *r)
{
    return with_small_file(r, loop_stat);
}

static int loop_create_unlink(void *arg, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int fd = open(arg, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd < 0 || close(fd) != 0 || unlink(arg) != 0)
            return failed();
    }
    return 0;
}

static int bench_create_unlink(struct bench_run *r)
{
    char path[PATH_MAX];
    int fd = make_file(path, sizeof path, 1, 0644);

    if (fd < 0)
        return -fd;
    close(fd);
    unlink(path);
    return time_loop(r, loop_create_unlink, path);
}

#define FILE_BYTES (8 * MIB)

/* One operation is 1 MiB, read in blocks of 64 KiB. */
static int loop_file_read(void *arg, uint64_t n)
{
    static char block[64 * KIB];
    int fd = *(int *)arg;
    off_t at = 0;

    for (uint64_t i = 0; i < n; i++)
        for (size_t done = 0; done < MIB; done += sizeof block) {
            if (pread(fd, block, sizeof block, at) != (ssize_t)sizeof block)
                return failed();
            at = (at + (off_t)sizeof block) % (off_t)FILE_BYTES;
        }
    return 0;
}

static int bench_file_read(struct bench_run *r)
{
    char path[PATH_MAX];
    int fd = make_file(path, sizeof path, FILE_BYTES, 0644);

    if (fd < 0)
        return -fd;
    int err = time_loop(r, loop_file_read, &fd);
    close(fd);
    unlink(path);
    return err;
}

static int bench_file_map_fault(struct bench_run *r)
{
    char path[PATH_MAX];
    int err = 0, fd = make_file(path, sizeof path, FILE_BYTES, 0644);

    if (fd < 0)
        return -fd;
    for (int i = -1; i < cfg.rounds && !err; i++) {
        void *p = mmap(NULL, FILE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            err = failed();
            break;
        }
        uint64_t t0 = now_ns();
        look(p, FILE_BYTES);
        uint64_t elapsed = now_ns() - t0;
        munmap(p, FILE_BYTES);
        if (i >= 0)
            add_sample(r, elapsed, FILE_BYTES / PAGE);
    }
    close(fd);
    unlink(path);
    return err;
}

/* ------------------------------------------------------------------------
 * Switching: a token goes to a peer and comes back.  One operation is one
 * round trip, which is two hand-overs.
 * ------------------------------------------------------------------------ */

struct token {
    int out_fd, in_fd;
};

static int loop_token(void *arg, uint64_t n)
{
    struct token *t = arg;
    char c = 't';

    for (uint64_t i = 0; i < n; i++)
        if (write(t->out_fd, &c, 1) != 1 || read(t->in_fd, &c, 1) != 1)
            return failed();
    return 0;
}

/* The peer: send back what comes, until the other end is closed. */
static void *echo_tokens(void *arg)
{
    struct token *t = arg;
    char c;

    while (read(t->in_fd, &c, 1) == 1)
        if (write(t->out_fd, &c, 1) != 1)
            break;
    return NULL;
}

static int token_processes(struct bench_run *r, int a[2], int b[2], int peer_cpu)
{
    pid_t pid = fork();

    if (pid < 0)
        return failed();
    if (pid == 0) {
        struct token t = { .in_fd = a[0], .out_fd = b[1] };
        die_with_parent();
        if (a[1] != b[1])
            close(a[1]);
        if (b[0] != a[0])
            close(b[0]);
        if (peer_cpu >= 0)
            pin_to(peer_cpu);
        echo_tokens(&t);
        _exit(0);
    }
    close(a[0]);
    if (b[1] != a[0])
        close(b[1]);
    struct token t = { .out_fd = a[1], .in_fd = b[0] };
    int err = time_loop(r, loop_token, &t);
    close(a[1]);
    if (b[0] != a[1])
        close(b[0]);
    kill(pid, SIGKILL);
    reap(pid);
    return err;
}

static int bench_pipe_rtt_proc(struct bench_run *r)
{
    int a[2], b[2];

    if (pipe(a) != 0 || pipe(b) != 0)
        return failed();
    return token_processes(r, a, b, -1);
}

static int bench_pipe_rtt_xcpu(struct bench_run *r)
{
    int a[2], b[2], err;

    if (cfg.cpus < 2)
        return ENODEV;
    if ((err = pin_to(0)) != 0)
        return err;
    if (pipe(a) != 0 || pipe(b) != 0)
        return failed();
    return token_processes(r, a, b, 1);
}

static int bench_unix_rtt_proc(struct bench_run *r)
{
    int s[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) != 0)
        return failed();
    /* The parent has s[1], the child s[0]; both go both ways. */
    int a[2] = { s[0], s[1] }, b[2] = { s[1], s[0] };
    return token_processes(r, a, b, -1);
}

static int bench_pipe_rtt_thread(struct bench_run *r)
{
    int a[2], b[2];
    pthread_t th;

    if (pipe(a) != 0 || pipe(b) != 0)
        return failed();
    struct token peer = { .in_fd = a[0], .out_fd = b[1] };
    int err = pthread_create(&th, NULL, echo_tokens, &peer);
    if (err)
        return err;
    struct token t = { .out_fd = a[1], .in_fd = b[0] };
    err = time_loop(r, loop_token, &t);
    close(a[1]);
    pthread_join(th, NULL);
    close(a[0]);
    close(b[0]);
    close(b[1]);
    return err;
}

/* A word that says whose turn it is; the other one sleeps on it. */
struct turn {
    _Atomic uint32_t word;
    int              err;
};

enum { TURN_MINE = 0, TURN_PEER = 1, TURN_STOP = 2 };

/* From the kernel's ABI; not every C library comes with its headers. */
enum { OP_WAIT_PRIVATE = 128 | 0, OP_WAKE_PRIVATE = 128 | 1 };

static int give_turn(struct turn *t, uint32_t to)
{
    atomic_store(&t->word, to);
    return syscall(SYS_futex, &t->word, OP_WAKE_PRIVATE, 1,
                   NULL, NULL, 0) < 0 ? failed() : 0;
}

/* Sleep while the word is `is`. */
static int await_turn(struct turn *t, uint32_t is)
{
    while (atomic_load(&t->word) == is)
        if (syscall(SYS_futex, &t->word, OP_WAIT_PRIVATE, is,
                    NULL, NULL, 0) < 0 && errno != EAGAIN && errno != EINTR)
            return failed();
    return 0;
}

static void *futex_peer(void *arg)
{
    struct turn *t = arg;

    for (;;) {
        if ((t->err = await_turn(t, TURN_MINE)) != 0)
            return NULL;
        if (atomic_load(&t->word) == TURN_STOP)
            return NULL;
        if ((t->err = give_turn(t, TURN_MINE)) != 0)
            return NULL;
    }
}

static int loop_futex(void *arg, uint64_t n)
{
    struct turn *t = arg;
    int err;

    for (uint64_t i = 0; i < n; i++)
        if ((err = give_turn(t, TURN_PEER)) != 0 ||
            (err = await_turn(t, TURN_PEER)) != 0)
            return err;
    return t->err;
}

static int bench_futex(struct bench_run *r)
{
    struct turn t = { .word = TURN_MINE };
    pthread_t th;

    int err = pthread_create(&th, NULL, futex_peer, &t);
    if (err)
        return err;
    err = time_loop(r, loop_futex, &t);
    give_turn(&t, TURN_STOP);
    pthread_join(th, NULL);
    return err;
}

static int loop_yield(void *arg, uint64_t n)
{
    (void)arg;
    for (uint64_t i = 0; i < n; i++)
        if (sched_yield() != 0)
            return failed();
    return 0;
}

static int bench_yield_alone(struct bench_run *r)
{
    return time_loop(r, loop_yield, NULL);
}

/* With a peer that does the same on the same CPU, one operation is two
 * switches, if the scheduler hands over at every call. */
static int bench_yield_pair(struct bench_run *r)
{
    pid_t pid = fork();

    if (pid < 0)
        return failed();
    if (pid == 0) {
        die_with_parent();
        for (;;)
            sched_yield();
    }
    int err = time_loop(r, loop_yield, NULL);
    kill(pid, SIGKILL);
    reap(pid);
    return err;
}

/* ------------------------------------------------------------------------
 * Processes and threads: made, run and reaped
 * ------------------------------------------------------------------------ */

static int loop_fork(void *arg, uint64_t n)
{
    (void)arg;
    for (uint64_t i = 0; i < n; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return failed();
        if (pid == 0)
            _exit(0);
        int err = reap(pid);
        if (err)
            return err;
    }
    return 0;
}

static int bench_fork(struct bench_run *r)
{
    return time_loop(r, loop_fork, NULL);
}

static int bench_fork_big(struct bench_run *r)
{
    char *p = map_small_pages(cfg.big);

    if (p == NULL)
        return failed();
    touch(p, cfg.big);
    int err = time_loop(r, loop_fork, NULL);
    munmap(p, cfg.big);
    return err;
}

struct program {
    const char *path, *arg;
    int         share_memory;   /* vfork rather than fork */
};

static pid_t start(const struct program *prog)
{
    char *argv[] = { (char *)prog->path, (char *)prog->arg, NULL };
    char *envp[] = { NULL };
    pid_t pid = prog->share_memory ? vfork() : fork();

    if (pid == 0) {
        execve(prog->path, argv, envp);
        _exit(127);
    }
    return pid;
}

static int loop_exec(void *arg, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        pid_t pid = start(arg);
        if (pid < 0)
            return failed();
        int err = reap(pid);
        if (err)
            return err == ECHILD ? ENOEXEC : err;
    }
    return 0;
}

/*
 * The smallest program there is: an ELF header, one segment, and the machine
 * code of exit(0).  It is written out when it is needed, so that no second
 * file has to travel with this one.
 */
#if defined __x86_64__
#define TINY_MACHINE EM_X86_64
static const unsigned char tiny_code[] = {
    0xb8, 0x3c, 0, 0, 0,        /* mov $60,%eax */
    0x31, 0xff,                 /* xor %edi,%edi */
    0x0f, 0x05,                 /* syscall */
};
#elif defined __aarch64__
#define TINY_MACHINE EM_AARCH64
static const unsigned char tiny_code[] = {
    0xa8, 0x0b, 0x80, 0xd2,     /* mov x8,#93 */
    0x00, 0x00, 0x80, 0xd2,     /* mov x0,#0 */
    0x01, 0x00, 0x00, 0xd4,     /* svc #0 */
};
#endif

#ifdef TINY_MACHINE
static int make_tiny_program(char *path, size_t cap)
{
    const Elf64_Addr base = 0x400000;
    struct {
        Elf64_Ehdr    eh;
        Elf64_Phdr    ph;
        unsigned char code[sizeof tiny_code];
    } image;

    memset(&image, 0, sizeof image);
    memcpy(image.eh.e_ident, ELFMAG, SELFMAG);
    image.eh.e_ident[EI_CLASS] = ELFCLASS64;
    image.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    image.eh.e_ident[EI_VERSION] = EV_CURRENT;
    image.eh.e_type = ET_EXEC;
    image.eh.e_machine = TINY_MACHINE;
    image.eh.e_version = EV_CURRENT;
    image.eh.e_entry = base + offsetof(__typeof__(image), code);
    image.eh.e_phoff = offsetof(__typeof__(image), ph);
    image.eh.e_ehsize = sizeof image.eh;
    image.eh.e_phentsize = sizeof image.ph;
    image.eh.e_phnum = 1;
    image.ph.p_type = PT_LOAD;
    image.ph.p_flags = PF_R | PF_X;
    image.ph.p_vaddr = image.ph.p_paddr = base;
    image.ph.p_filesz = image.ph.p_memsz = sizeof image;
    image.ph.p_align = PAGE;
    memcpy(image.code, tiny_code, sizeof tiny_code);

    int fd = make_file(path, cap, 0, 0755);
    if (fd < 0)
        return -fd;
    int err = write(fd, &image, sizeof image) == sizeof image ? 0 : failed();
    if (close(fd) != 0 && !err)
        err = failed();
    if (err)
        unlink(path);
    return err;
}

static int exec_tiny(struct bench_run *r, int share_memory)
{
    char path[PATH_MAX];
    int err = make_tiny_program(path, sizeof path);

    if (err)
        return err;
    struct program prog = { path, NULL, share_memory };
    err = time_loop(r, loop_exec, &prog);
    unlink(path);
    return err;
}
#else
static int exec_tiny(struct bench_run *r, int share_memory)
{
    (void)r, (void)share_memory;
    return ENOEXEC;
}
#endif

static int bench_vfork_exec(struct bench_run *r)
{
    return exec_tiny(r, 1);
}

static int bench_fork_exec(struct bench_run *r)
{
    return exec_tiny(r, 0);
}

/* This program itself, which leaves at once: a C library of real size. */
static int bench_exec_self(struct bench_run *r)
{
    struct program prog = { cfg.self, "--leave", 1 };

    return time_loop(r, loop_exec, &prog);
}

static void *thread_nothing(void *arg)
{
    return arg;
}

static int loop_thread(void *arg, uint64_t n)
{
    (void)arg;
    for (uint64_t i = 0; i < n; i++) {
        pthread_t th;
        int err = pthread_create(&th, NULL, thread_nothing, NULL);
        if (!err)
            err = pthread_join(th, NULL);
        if (err)
            return err;
    }
    return 0;
}

static int bench_thread(struct bench_run *r)
{
    return time_loop(r, loop_thread, NULL);
}

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------ */

static int loop_mmap(void *arg, uint64_t n)
{
    (void)arg;
    for (uint64_t i = 0; i < n; i++) {
        void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || munmap(p, PAGE) != 0)
            return failed();
    }
    return 0;
}

static int bench_mmap(struct bench_run *r)
{
    return time_loop(r, loop_mmap, NULL);
}

/* Map the big area, touch it, unmap it; time either the touching, for each
 * page, or the unmapping, as a whole. */
static int big_area(struct bench_run *r, int small_pages, int time_unmap)
{
    for (int i = -1; i < cfg.rounds; i++) {
        char *p = mmap(NULL, cfg.big, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return failed();
        if (small_pages)
            (void)madvise(p, cfg.big, MADV_NOHUGEPAGE);
        uint64_t t0 = now_ns();
        touch(p, cfg.big);
        uint64_t t1 = now_ns();
        if (munmap(p, cfg.big) != 0)
            return failed();
        uint64_t t2 = now_ns();
        if (i < 0)
            continue;
        if (time_unmap)
            add_sample(r, t2 - t1, cfg.big / PAGE);
        else
            add_sample(r, t1 - t0, cfg.big / PAGE);
    }
    return 0;
}

static int bench_fault_anon(struct bench_run *r)
{
    return big_area(r, 1, 0);
}

static int bench_fault_default(struct bench_run *r)
{
    return big_area(r, 0, 0);
}

static int bench_munmap_touched(struct bench_run *r)
{
    return big_area(r, 1, 1);
}

/* A child writes to every page that it shares with its parent since fork,
 * and tells how long it took. */
static int bench_fault_cow(struct bench_run *r)
{
    int p[2], err = 0;
    char *area = map_small_pages(cfg.big);

    if (area == NULL || pipe(p) != 0)
        return failed();
    touch(area, cfg.big);
    for (int i = -1; i < cfg.rounds && !err; i++) {
        uint64_t elapsed = 0;
        pid_t pid = fork();
        if (pid < 0) {
            err = failed();
            break;
        }
        if (pid == 0) {
            die_with_parent();
            uint64_t t0 = now_ns();
            touch(area, cfg.big);
            elapsed = now_ns() - t0;
            _exit(write(p[1], &elapsed, sizeof elapsed) == sizeof elapsed ? 0 : 1);
        }
        err = reap(pid);
        if (!err && read(p[0], &elapsed, sizeof elapsed) != sizeof elapsed)
            err = failed();
        if (!err && i >= 0)
            add_sample(r, elapsed, cfg.big / PAGE);
    }
    close(p[0]);
    close(p[1]);
    munmap(area, cfg.big);
    return err;
}

static int loop_mprotect(void *arg, uint64_t n)
{
    volatile char *c = arg;

    for (uint64_t i = 0; i < n; i++) {
        if (mprotect(arg, PAGE, PROT_READ) != 0 ||
            mprotect(arg, PAGE, PROT_READ | PROT_WRITE) != 0)
            return failed();
        c[0] = (char)i;
    }
    return 0;
}

/* Read-only and back, then a write: one operation is all three. */
static int bench_mprotect(struct bench_run *r)
{
    char *p = map_small_pages(3 * PAGE);

    if (p == NULL)
        return failed();
    touch(p, 3 * PAGE);
    int err = time_loop(r, loop_mprotect, p + PAGE);
    munmap(p, 3 * PAGE);
    return err;
}

struct brk_job {
    size_t bytes;
    int    touch;
};

static int loop_brk(void *arg, uint64_t n)
{
    struct brk_job *job = arg;
    uintptr_t base = (uintptr_t)syscall(SYS_brk, 0);

    for (uint64_t i = 0; i < n; i++) {
        uintptr_t top = (uintptr_t)syscall(SYS_brk, base + job->bytes);
        if (top != base + job->bytes)
            return ENOMEM;
        if (job->touch)
            touch((void *)base, job->bytes);
        if ((uintptr_t)syscall(SYS_brk, base) != base)
            return EINVAL;
    }
    return 0;
}

static int bench_brk(struct bench_run *r)
{
    struct brk_job job = { 64 * KIB, 0 };

    return time_loop(r, loop_brk, &job);
}

static int bench_brk_touch(struct bench_run *r)
{
    struct brk_job job = { 64 * KIB, 1 };

    return time_loop(r, loop_brk, &job);
}

/* ------------------------------------------------------------------------
 * Signals
 * ------------------------------------------------------------------------ */

static volatile sig_atomic_t signals_seen;

static void count_signal(int sig)
{
    (void)sig;
    signals_seen++;
}

static int install_counter(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa);
    sa.sa_handler = count_signal;
    return sigaction(SIGUSR1, &sa, NULL) == 0 ? 0 : failed();
}

static int loop_sigaction(void *arg, uint64_t n)
{
    (void)arg;
    for (uint64_t i = 0; i < n; i++) {
        int err = install_counter();
        if (err)
            return err;
    }
    return 0;
}

static int bench_sig_install(struct bench_run *r)
{
    return time_loop(r, loop_sigaction, NULL);
}

static int loop_signal(void *arg, uint64_t n)
{
    pid_t me = getpid();

    (void)arg;
    signals_seen = 0;
    for (uint64_t i = 0; i < n; i++)
        if (kill(me, SIGUSR1) != 0)
            return failed();
    return (uint64_t)signals_seen == n ? 0 : EPROTO;
}

static int bench_sig_deliver(struct bench_run *r)
{
    int err = install_counter();

    return err ? err : time_loop(r, loop_signal, NULL);
}

/* A write to a page that may not be written, caught: the handler opens the
 * page, the loop shuts it again. */
static char *guarded_page;

static void open_page(int sig)
{
    (void)sig;
    signals_seen++;
    if (mprotect(guarded_page, PAGE, PROT_READ | PROT_WRITE) != 0)
        _exit(1);
}

static int loop_segv(void *arg, uint64_t n)
{
    volatile char *c = guarded_page;

    (void)arg;
    signals_seen = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (mprotect(guarded_page, PAGE, PROT_READ) != 0)
            return failed();
        *c = (char)i;
    }
    return (uint64_t)signals_seen == n ? 0 : EPROTO;
}

static int bench_sig_segv(struct bench_run *r)
{
    struct sigaction sa;

    guarded_page = map_small_pages(PAGE);
    if (guarded_page == NULL)
        return failed();
    touch(guarded_page, PAGE);
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = open_page;
    if (sigaction(SIGSEGV, &sa, NULL) != 0)
        return failed();
    return time_loop(r, loop_segv, NULL);
}

/* ------------------------------------------------------------------------
 * Streams: one operation is 1 MiB through the channel
 * ------------------------------------------------------------------------ */

static int loop_drain(void *arg, uint64_t n)
{
    static char block[64 * KIB];
    int fd = *(int *)arg;

    for (uint64_t left = n * MIB; left > 0;) {
        size_t want = left < sizeof block ? (size_t)left : sizeof block;
        ssize_t got = read(fd, block, want);
        if (got <= 0)
            return failed();
        left -= (uint64_t)got;
    }
    return 0;
}

static int stream(struct bench_run *r, int read_end, int write_end, int peer_cpu)
{
    pid_t pid = fork();

    if (pid < 0)
        return failed();
    if (pid == 0) {
        static char block[64 * KIB];
        die_with_parent();
        close(read_end);
        if (peer_cpu >= 0)
            pin_to(peer_cpu);
        memset(block, 'x', sizeof block);
        while (write(write_end, block, sizeof block) > 0)
            ;
        _exit(0);
    }
    close(write_end);
    int err = time_loop(r, loop_drain, &read_end);
    close(read_end);
    kill(pid, SIGKILL);
    reap(pid);
    return err;
}

static int bench_pipe_bw(struct bench_run *r)
{
    int p[2];

    return pipe(p) != 0 ? failed() : stream(r, p[0], p[1], -1);
}

static int bench_unix_bw(struct bench_run *r)
{
    int s[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, s) != 0 ? failed()
                                                       : stream(r, s[0], s[1], -1);
}

/* ------------------------------------------------------------------------
 * Time
 * ------------------------------------------------------------------------ */

/* How much longer than asked one sleep of 50 us takes. */
static int bench_nanosleep(struct bench_run *r)
{
    const uint64_t ask = 50000;
    struct timespec ts = { 0, (long)ask };
    int rounds = cfg.rounds * 9 < MAX_ROUNDS ? cfg.rounds * 9 : MAX_ROUNDS;

    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    for (int i = -1; i < rounds; i++) {
        uint64_t t0 = now_ns();
        if (nanosleep(&ts, NULL) != 0)
            return failed();
        uint64_t elapsed = now_ns() - t0;
        if (elapsed < ask)
            return ERANGE;      /* it woke too early */
        if (i >= 0)
            add_sample(r, elapsed - ask, 1);
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A clock of 1 ms by absolute sleeps: how late is each tick?  A round is 40
 * ticks; its sample is the median lateness or the worst one. */
static int timer_lateness(struct bench_run *r, int worst)
{
    enum { TICKS = 40 };
    const uint64_t period = 1000000;
    uint64_t late[TICKS];

    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    for (int i = 0; i < cfg.rounds; i++) {
        uint64_t due = now_ns() + period;
        for (int k = 0; k < TICKS; k++, due += period) {
            struct timespec ts = { (time_t)(due / 1000000000u),
                                   (long)(due % 1000000000u) };
            int err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
            if (err)
                return err;
            uint64_t now = now_ns();
            if (now < due)
                return ERANGE;
            late[k] = now - due;
        }
        qsort(late, TICKS, sizeof late[0], by_value);
        add_sample(r, late[worst ? TICKS - 1 : TICKS / 2], 1);
    }
    return 0;
}

static int bench_timer_late(struct bench_run *r)
{
    return timer_lateness(r, 0);
}

static int bench_timer_worst(struct bench_run *r)
{
    return timer_lateness(r, 1);
}

/* ------------------------------------------------------------------------
 * In parallel: N workers start together and each does n operations.  One
 * operation is counted for each worker, so on a kernel that scales, with as
 * many CPUs as workers, the figure for N is the same as for 1.
 * ------------------------------------------------------------------------ */

struct crew {
    loop_fn          fn;
    uint64_t         n;
    int              workers;
    _Atomic int      ready;
    _Atomic int      go;
    _Atomic int      err;
    uint64_t         t0[MAX_THREADS], t1[MAX_THREADS];
};

struct member {
    struct crew *crew;
    int          id;
};

static void *crew_work(void *arg)
{
    struct member *m = arg;
    struct crew *c = m->crew;

    atomic_fetch_add(&c->ready, 1);
    while (!atomic_load(&c->go))
        sched_yield();
    c->t0[m->id] = now_ns();
    int err = c->fn(NULL, c->n);
    c->t1[m->id] = now_ns();
    if (err)
        atomic_store(&c->err, err);
    return NULL;
}

/* Let the crew work once.  Elapsed: from the first start to the last end. */
static int crew_once(struct crew *c, int processes, uint64_t *elapsed)
{
    pthread_t th[MAX_THREADS];
    pid_t pid[MAX_THREADS];
    struct member m[MAX_THREADS];
    int made = 0, err = 0;

    c->ready = c->go = c->err = 0;
    for (; made < c->workers && !err; made += !err) {
        m[made] = (struct member){ c, made };
        if (!processes) {
            err = pthread_create(&th[made], NULL, crew_work, &m[made]);
        } else if ((pid[made] = fork()) == 0) {
            die_with_parent();
            crew_work(&m[made]);
            _exit(0);
        } else if (pid[made] < 0) {
            err = failed();
        }
    }
    while (atomic_load(&c->ready) < made)
        sched_yield();
    atomic_store(&c->go, 1);
    for (int i = 0; i < made; i++)
        if (processes)
            reap(pid[i]);
        else
            pthread_join(th[i], NULL);
    if (err || (err = c->err) != 0)
        return err;

    uint64_t first = c->t0[0], last = c->t1[0];
    for (int i = 1; i < made; i++) {
        first = c->t0[i] < first ? c->t0[i] : first;
        last = c->t1[i] > last ? c->t1[i] : last;
    }
    *elapsed = last - first;
    return 0;
}

static int crew_bench(struct bench_run *r, loop_fn fn, int workers, int processes)
{
    struct crew *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t elapsed;
    int err = 0;

    if (c == MAP_FAILED)
        return failed();
    unpin();
    c->fn = fn;
    c->workers = workers;
    for (c->n = 1;; c->n *= 2) {
        err = crew_once(c, processes, &elapsed);
        if (err || elapsed >= cfg.target_ns)
            break;
    }
    for (int i = 0; i < cfg.rounds && !err; i++) {
        err = crew_once(c, processes, &elapsed);
        if (!err)
            add_sample(r, elapsed, c->n);
    }
    munmap(c, sizeof *c);
    return err;
}

/* One operation is one page: a worker maps 4 MiB, touches it, unmaps it. */
static int loop_own_faults(void *arg, uint64_t n)
{
    (void)arg;
    while (n > 0) {
        size_t pages = n < 1024 ? (size_t)n : 1024;
        char *p = map_small_pages(pages * PAGE);
        if (p == NULL)
            return failed();
        touch(p, pages * PAGE);
        if (munmap(p, pages * PAGE) != 0)
            return failed();
        n -= pages;
    }
    return 0;
}

static int loop_own_getppid(void *arg, uint64_t n)
{
    long nr = SYS_getppid;

    (void)arg;
    return loop_syscall(&nr, n);
}

static int crew_size(void)
{
    return cfg.threads ? cfg.threads : cfg.cpus;
}

static int bench_par_syscall_1(struct bench_run *r)
{
    return crew_bench(r, loop_own_getppid, 1, 0);
}

static int bench_par_syscall_n(struct bench_run *r)
{
    return crew_bench(r, loop_own_getppid, crew_size(), 0);
}

static int bench_par_fault_thread_1(struct bench_run *r)
{
    return crew_bench(r, loop_own_faults, 1, 0);
}

static int bench_par_fault_thread_n(struct bench_run *r)
{
    return crew_bench(r, loop_own_faults, crew_size(), 0);
}

static int bench_par_fault_proc_1(struct bench_run *r)
{
    return crew_bench(r, loop_own_faults, 1, 1);
}

static int bench_par_fault_proc_n(struct bench_run *r)
{
    return crew_bench(r, loop_own_faults, crew_size(), 1);
}

static int bench_par_fork_1(struct bench_run *r)
{
    return crew_bench(r, loop_fork, 1, 1);
}

static int bench_par_fork_n(struct bench_run *r)
{
    return crew_bench(r, loop_fork, crew_size(), 1);
}

/* ------------------------------------------------------------------------
 * The table, and the running of it
 * ------------------------------------------------------------------------ */

static const struct bench {
    const char *name;
    int       (*run)(struct bench_run *r);
    const char *operation;
} benches[] = {
    { "ref_loop",           bench_ref_loop,          "one turn of an empty loop (no kernel)" },
    { "ref_memcpy_1m",      bench_ref_memcpy,        "memcpy of 1 MiB (no kernel)" },
    { "ref_tlb_miss",       bench_ref_tlb_miss,      "store to the next page of the big area, mapped" },
    { "sys_enosys",         bench_enosys,            "a system call that does not exist" },
    { "sys_getppid",        bench_getppid,           "getppid" },
    { "sys_getpid",         bench_getpid,            "getpid, not cached" },
    { "clock_gettime",      bench_clock,             "clock_gettime as the C library does it" },
    { "sys_clock_gettime",  bench_clock_sys,         "clock_gettime as a system call" },
    { "read_zero_1",        bench_read_zero,         "read 1 byte of /dev/zero" },
    { "write_null_1",       bench_write_null,        "write 1 byte to /dev/null" },
    { "open_close",         bench_open_close,        "open and close a file" },
    { "stat",               bench_stat,              "stat a file" },
    { "create_unlink",      bench_create_unlink,     "create, close and unlink a file" },
    { "file_read_mib",      bench_file_read,         "read 1 MiB of a cached file by 64 KiB" },
    { "file_map_fault",     bench_file_map_fault,    "first read of a page of a mapped cached file" },
    { "pipe_rtt_proc",      bench_pipe_rtt_proc,     "byte to another process and back, same CPU" },
    { "pipe_rtt_xcpu",      bench_pipe_rtt_xcpu,     "byte to a process on CPU 1 and back" },
    { "pipe_rtt_thread",    bench_pipe_rtt_thread,   "byte to another thread and back, same CPU" },
    { "unix_rtt_proc",      bench_unix_rtt_proc,     "byte by socketpair to another process and back" },
    { "futex_rtt_thread",   bench_futex,             "futex wake and wait, to a thread and back" },
    { "yield_alone",        bench_yield_alone,       "sched_yield, nothing else to run" },
    { "yield_pair",         bench_yield_pair,        "sched_yield against a process that does the same" },
    { "fork_exit_wait",     bench_fork,              "fork, exit, wait" },
    { "fork_exit_wait_big", bench_fork_big,          "the same with the big area touched" },
    { "vfork_exec_wait",    bench_vfork_exec,        "vfork, exec of the smallest program, wait" },
    { "fork_exec_wait",     bench_fork_exec,         "fork, exec of the smallest program, wait" },
    { "exec_static_libc",   bench_exec_self,         "vfork, exec of this program, wait" },
    { "thread_create_join", bench_thread,            "pthread_create and pthread_join" },
    { "mmap_munmap_4k",     bench_mmap,              "mmap and munmap of 4 KiB, not touched" },
    { "fault_anon_4k",      bench_fault_anon,        "first write to a page, 4 KiB pages asked for" },
    { "fault_anon_default", bench_fault_default,     "first write to each 4 KiB, pages as the kernel likes" },
    { "fault_cow_4k",       bench_fault_cow,         "first write to a page after fork" },
    { "munmap_touched_4k",  bench_munmap_touched,    "munmap of the big area, for each touched page" },
    { "mprotect_flip",      bench_mprotect,          "mprotect to read-only and back, and a write" },
    { "brk_64k",            bench_brk,               "brk up and down by 64 KiB" },
    { "brk_64k_touch",      bench_brk_touch,         "the same with the 16 pages touched" },
    { "sig_install",        bench_sig_install,       "sigaction" },
    { "sig_deliver",        bench_sig_deliver,       "kill oneself, handler, return" },
    { "sig_segv",           bench_sig_segv,          "caught write fault, with two mprotect calls" },
    { "pipe_bw_mib",        bench_pipe_bw,           "1 MiB through a pipe by 64 KiB, same CPU" },
    { "unix_bw_mib",        bench_unix_bw,           "1 MiB through a socketpair by 64 KiB, same CPU" },
    { "nanosleep_50us_over",bench_nanosleep,         "how much too long is nanosleep(50 us)" },
    { "timer_1ms_late",     bench_timer_late,        "how late is a tick of 1 ms, median of 40" },
    { "timer_1ms_worst",    bench_timer_worst,       "how late is a tick of 1 ms, worst of 40" },
    { "par_syscall_1",      bench_par_syscall_1,     "getppid in 1 thread" },
    { "par_syscall_n",      bench_par_syscall_n,     "getppid in N threads, for each" },
    { "par_fault_thread_1", bench_par_fault_thread_1,"map, touch, unmap a page, 1 thread" },
    { "par_fault_thread_n", bench_par_fault_thread_n,"the same in N threads of one process" },
    { "par_fault_proc_1",   bench_par_fault_proc_1,  "the same in 1 process" },
    { "par_fault_proc_n",   bench_par_fault_proc_n,  "the same in N processes" },
    { "par_fork_1",         bench_par_fork_1,        "fork, exit, wait in 1 process" },
    { "par_fork_n",         bench_par_fork_n,        "fork, exit, wait in N processes" },
};

static void say(const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof line - 1)
        n = (int)sizeof line - 1;
    for (int done = 0; done < n;) {
        ssize_t w = write(STDOUT_FILENO, line + done, (size_t)(n - done));
        if (w <= 0)
            return;
        done += (int)w;
    }
}

static void say_unsupported(const struct bench *b, int err, const char *text)
{
    say("%s\tunsupported\t%d\t%s\n", b->name, err, text ? text : strerror(err));
}

static void measure(const struct bench *b)
{
    static struct bench_run r;

    memset(&r, 0, sizeof r);
    errno = 0;
    if (cfg.pin)
        (void)pin_to(0);
    int err = b->run(&r);
    if (err || r.nsamples == 0) {
        say_unsupported(b, err, err ? NULL : "no samples");
        return;
    }
    qsort(r.sample, (size_t)r.nsamples, sizeof r.sample[0], by_value);
    uint64_t med = r.sample[r.nsamples / 2], min = r.sample[0];
    say("%s\t%llu.%llu\t%llu.%llu\t%llu\n", b->name,
        (unsigned long long)(med / 10), (unsigned long long)(med % 10),
        (unsigned long long)(min / 10), (unsigned long long)(min % 10),
        (unsigned long long)r.ops);
}

/* Each metric in a process of its own, so that one that crashes or hangs
 * costs only its own line. */
static void measure_in_child(const struct bench *b)
{
    pid_t pid = fork();

    if (pid < 0) {
        say_unsupported(b, failed(), "fork of the measuring process");
        return;
    }
    if (pid == 0) {
        alarm(cfg.watchdog_s);
        measure(b);
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) {
            say_unsupported(b, failed(), "wait for the measuring process");
            return;
        }
    if (WIFSIGNALED(status)) {
        char text[32];
        snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
        say_unsupported(b, EINTR, text);
    }
}

static int chosen(const char *name)
{
    int yes = cfg.nonly == 0;

    for (int i = 0; i < cfg.nonly && !yes; i++)
        yes = strstr(name, cfg.only[i]) != NULL;
    for (int i = 0; i < cfg.nskip && yes; i++)
        yes = strstr(name, cfg.skip[i]) == NULL;
    return yes;
}

static void run_all(void)
{
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        if (!chosen(benches[i].name))
            continue;
        if (cfg.in_process)
            measure(&benches[i]);
        else
            measure_in_child(&benches[i]);
    }
}

/* Copy the lines of a small file that begin with `prefix` to the output, as
 * comments.  A kernel that has no such file just says less. */
static void say_file(const char *path, const char *prefix)
{
    char text[4096];
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
        if (*line && strlen(line) < 400 && strncmp(line, prefix, strlen(prefix)) == 0)
            say("# %s\n", line);
}

static void say_system(void)
{
    struct utsname u;

    if (uname(&u) == 0)
        say("# system %s %s %s\n", u.sysname, u.release, u.machine);
    say("# rounds %d target_us %llu big_mib %zu cpus %d workers %d\n", cfg.rounds,
        (unsigned long long)(cfg.target_ns / 1000), cfg.big / MIB,
        cfg.cpus, crew_size());
    if (getpid() == 1)
        say_file("/proc/cmdline", "");
    say_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "");
    say_file("/proc/meminfo", "Mem");
}

/* As process 1: no one else will prepare the system or turn it off. */
static void become_init(void)
{
    uint64_t at = now_ns();

    mkdir("/dev", 0755);
    (void)mount("dev", "/dev", "devtmpfs", 0, NULL);
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
        int fd = open("/dev/console", O_RDWR);
        if (fd >= 0)
            for (int i = 0; i < 3; i++)
                dup2(fd, i);
    }
    say("KBENCH-INIT %llu\n", (unsigned long long)at);
    mkdir("/proc", 0555);
    (void)mount("proc", "/proc", "proc", 0, NULL);
    mkdir("/sys", 0555);
    (void)mount("sys", "/sys", "sysfs", 0, NULL);
    mkdir("/tmp", 01777);
    (void)mount("tmp", "/tmp", "tmpfs", 0, NULL);
    cfg.self = "/init";
}

static void leave_init(void)
{
    say("KBENCH-DONE %llu\n", (unsigned long long)now_ns());
    sync();
    (void)reboot(RB_POWER_OFF);
    (void)reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;

    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end || v < least || v > most) {
        say("# kbench: '%s' is not a number from %llu to %llu; using the lower\n",
            text, (unsigned long long)least, (unsigned long long)most);
        return least;
    }
    return v;
}

int main(int argc, char **argv)
{
    int as_init = getpid() == 1, opt, list = 0;

    if (argc == 2 && strcmp(argv[1], "--leave") == 0)
        return 0;
    if (as_init)
        become_init();
    cfg.cpus = online_cpus();
    while ((opt = getopt(argc, argv, "r:t:m:f:x:p:d:w:uicl")) != -1) {
        switch (opt) {
        case 'r': cfg.rounds = (int)number(optarg, 1, MAX_ROUNDS); break;
        case 't': cfg.target_ns = number(optarg, 1, 60000000) * 1000; break;
        case 'm': cfg.big = number(optarg, 1, 1u << 20) * MIB; break;
        case 'p': cfg.threads = (int)number(optarg, 1, MAX_THREADS); break;
        case 'd': cfg.dir = optarg; break;
        case 'w': cfg.watchdog_s = (unsigned)number(optarg, 1, 86400); break;
        case 'u': cfg.pin = 0; break;
        case 'i': cfg.in_process = 1; break;
        case 'c': say("KBENCH-COUNTER %llu\n",
                      (unsigned long long)cycle_counter()); break;
        case 'l': list = 1; break;
        case 'f':
            if (cfg.nonly < MAX_FILTERS)
                cfg.only[cfg.nonly++] = optarg;
            break;
        case 'x':
            if (cfg.nskip < MAX_FILTERS)
                cfg.skip[cfg.nskip++] = optarg;
            break;
        default:
            if (!as_init)
                return 2;
        }
    }
    if (list) {
        for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
            say("%-20s %s\n", benches[i].name, benches[i].operation);
    } else {
        say_system();
        run_all();
    }
    if (as_init)
        leave_init();
    return 0;
}
