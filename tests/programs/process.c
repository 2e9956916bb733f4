// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: processes and signals in their corner cases. Prints what happened, the same as under Linux
 *   (process.expected): ids, addresses and times are never printed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const char *self;
static volatile int *volatile bad_address = (volatile int *)8;
static volatile int depth_limit = INT32_MAX;

#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_ = (long)(call);                                                                 \
        printf("%s: %ld %s\n", #call, show_, errno ? strerror_name(errno) : "ok");                 \
    } while (0)
#define SAY(...) (printf(__VA_ARGS__), putchar('\n'))

static const char *strerror_name(int e)
{
    static char number[16];

    snprintf(number, sizeof number, "E%d", e);
    return number;
}

static void msleep(int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

    while (nanosleep(&ts, &ts) != 0)
        ;
}

static void part(const char *name)
{
    printf("== %s\n", name);
    fflush(stdout);
}

static void say_status(const char *what, int status)
{
    if (WIFEXITED(status))
        SAY("%s: exit %d", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        SAY("%s: signal %d", what, WTERMSIG(status));
    else if (WIFSTOPPED(status))
        SAY("%s: stopped by %d", what, WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        SAY("%s: continued", what);
}

static void reap(const char *what, pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        SAY("%s: waitpid failed E%d", what, errno);
    else
        say_status(what, status);
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

/* ---- waiting ------------------------------------------------------------------------------- */

static void child_exit_7(void)
{
    _exit(7);
}

static void child_abort(void)
{
    abort();
}

static void child_segv(void)
{
    *bad_address = 1;
}

static void child_divide(void)
{
    raise(SIGFPE);
}

static void child_pause(void)
{
    for (;;)
        pause();
}

static void part_wait(void)
{
    siginfo_t info;
    int status;
    pid_t pid;

    part("wait");
    SHOW(waitpid(-1, &status, 0));
    SHOW(waitpid(-1, &status, 0x1000000));
    SHOW(waitid(P_ALL, 0, &info, 0));
    reap("exit", spawn(child_exit_7));
    reap("abort", spawn(child_abort));
    reap("segv", spawn(child_segv));
    reap("fpe", spawn(child_divide));
    pid = spawn(child_pause);
    SHOW(waitpid(pid, &status, WNOHANG));
    SHOW(waitpid(getpid(), &status, WNOHANG));
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    say_status("stop", status);
    SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, WCONTINUED) == pid);
    say_status("cont", status);
    kill(pid, SIGTSTP);
    memset(&info, 0, sizeof info);
    SHOW(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
    SAY("waitid %d %d %d", info.si_signo, info.si_code == CLD_STOPPED, info.si_status);
    SHOW(waitid(P_PID, pid, &info, WSTOPPED));
    kill(pid, SIGKILL);
    SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    SAY("waitid %d %d %d %d", info.si_signo, info.si_code == CLD_KILLED, info.si_status,
        info.si_pid == pid);
    SHOW(waitid(P_PID, pid, &info, WEXITED) == 0);
    SHOW(waitid(P_PID, pid, &info, WEXITED));
    SHOW(kill(pid, 0));
    signal(SIGCHLD, SIG_IGN);
    pid = spawn(child_exit_7);
    SHOW(waitpid(pid, &status, 0));
    signal(SIGCHLD, SIG_DFL);
}

/* ---- signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t hits, last_code, last_value, order[16], order_n;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    hits++;
    last_code = info->si_code;
    last_value = info->si_value.sival_int;
    if (order_n < 16)
        order[order_n++] = sig;
}

static void catch_with(int sig, int flags)
{
    struct sigaction a = { .sa_flags = SA_SIGINFO | flags };

    a.sa_sigaction = on_signal;
    sigemptyset(&a.sa_mask);
    sigaction(sig, &a, NULL);
}

static void block(int how, int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(how, &set, NULL);
}

static void part_signals(void)
{
    struct sigaction a, old;
    struct timespec zero = { 0, 0 }, soon = { 0, 20000000 };
    siginfo_t info;
    sigset_t set;

    part("signals");
    SHOW(kill(getpid(), 65));
    SHOW(kill(getpid(), -1));
    SHOW(sigaction(SIGKILL, &(struct sigaction){ .sa_flags = 0 }, NULL));
    SHOW(syscall(SYS_tgkill, getpid(), getpid(), 0));
    SHOW(syscall(SYS_tgkill, -1, getpid(), 0));
    SHOW(syscall(SYS_tgkill, getpid() + 100000, getpid(), 0));
    catch_with(SIGUSR1, 0);
    hits = 0;
    raise(SIGUSR1);
    SAY("raise: %d hits, SI_TKILL %d", hits, last_code == SI_TKILL);
    kill(getpid(), SIGUSR1);
    SAY("kill: %d hits, SI_USER %d", hits, last_code == SI_USER);
    sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 42 });
    SAY("sigqueue: value %d SI_QUEUE %d", last_value, last_code == SI_QUEUE);
    block(SIG_BLOCK, SIGUSR1);
    hits = 0;
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    sigpending(&set);
    SAY("blocked: %d hits, pending %d", hits, sigismember(&set, SIGUSR1));
    block(SIG_UNBLOCK, SIGUSR1);
    SAY("unblocked: %d hits", hits);

    for (int i = 0; i < 3; i++)
        catch_with(SIGRTMIN + i, 0);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 1 });
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 2 });
    sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 3 });
    kill(getpid(), SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    SHOW(sigtimedwait(&set, &info, &zero) == SIGRTMIN + 1);
    SAY("first value %d", info.si_value.sival_int);
    SHOW(sigtimedwait(&set, &info, &zero) == SIGRTMIN + 1);
    SAY("second value %d", info.si_value.sival_int);
    SHOW(sigtimedwait(&set, &info, &zero));
    SHOW(sigtimedwait(&set, &info, &soon));
    order_n = 0;
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    SAY("order %d %d", order[0] == SIGRTMIN, order[1] == SIGUSR1);

    catch_with(SIGUSR2, SA_RESETHAND);
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &old);
    SAY("resethand: default %d", old.sa_handler == SIG_DFL);
    memset(&a, 0, sizeof a);
    a.sa_handler = SIG_IGN;
    sigaction(SIGUSR2, &a, NULL);
    SHOW(raise(SIGUSR2));
    signal(SIGUSR2, SIG_DFL);
}

static volatile int nested_depth, nested_max, nested_raises;

static void on_nested(int sig)
{
    nested_depth++;
    if (nested_depth > nested_max)
        nested_max = nested_depth;
    if (nested_raises < 2) {
        nested_raises++;
        raise(sig);
    }
    nested_depth--;
}

static void part_nested(void)
{
    struct sigaction a = { .sa_flags = SA_NODEFER };

    part("nested");
    a.sa_handler = on_nested;
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    SAY("nodefer depth %d", nested_max);
    a.sa_flags = 0;
    sigaction(SIGUSR1, &a, NULL);
    nested_max = nested_raises = 0;
    raise(SIGUSR1);
    SAY("deferred depth %d", nested_max);
}

/* ---- interrupted calls --------------------------------------------------------------------- */

static void on_alarm(int sig)
{
    (void)sig;
    hits++;
}

static void alarm_soon(int flags)
{
    struct sigaction a = { .sa_flags = flags };
    struct itimerval t = { { 0, 30000 }, { 0, 30000 } }; /* again, should we be late for the first */

    a.sa_handler = on_alarm;
    sigaction(SIGALRM, &a, NULL);
    hits = 0;
    setitimer(ITIMER_REAL, &t, NULL);
}

static void write_later(void *fd)
{
    msleep(90);
    if (write(*(int *)fd, "x", 1) != 1)
        abort();
}

static void *write_thread(void *fd)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    write_later(fd);
    return NULL;
}

static void part_restart(void)
{
    struct timespec t = { 5, 0 }, left = { 0, 0 };
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    struct pollfd p;
    pthread_t th;
    int fds[2];
    char c;
    sigset_t set;

    part("restart");
    if (pipe(fds))
        abort();
    alarm_soon(0);
    SHOW(read(fds[0], &c, 1));
    SAY("hits %d", hits > 0);
    alarm_soon(SA_RESTART);
    pthread_create(&th, NULL, write_thread, &fds[1]);
    SHOW(read(fds[0], &c, 1));
    SAY("hits %d", hits > 0);
    pthread_join(th, NULL);
    alarm_soon(SA_RESTART);
    SHOW(nanosleep(&t, &left));
    SAY("left %d", left.tv_nsec > 0 && left.tv_sec < 5);
    alarm_soon(SA_RESTART);
    p = (struct pollfd){ fds[0], POLLIN, 0 };
    SHOW(poll(&p, 1, 5000));
    alarm_soon(SA_RESTART);
    SHOW(pause());
    block(SIG_BLOCK, SIGALRM);
    alarm_soon(SA_RESTART);
    msleep(60);
    SAY("blocked hits %d", hits);
    sigemptyset(&set);
    SHOW(sigsuspend(&set));
    SAY("hits %d", hits > 0);
    sigprocmask(SIG_BLOCK, NULL, &set);
    SAY("blocked again %d", sigismember(&set, SIGALRM));
    setitimer(ITIMER_REAL, &never, NULL);
    block(SIG_UNBLOCK, SIGALRM);
    close(fds[0]);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(fds[1], "x", 1));
    signal(SIGPIPE, SIG_DFL);
    close(fds[1]);
}

/* A stop and a continue in the middle of a sleep go unnoticed. */
static void child_sleeps(void)
{
    struct timespec t = { 0, 150000000 }, left;
    int ret = nanosleep(&t, &left);

    _exit(ret == 0 ? 3 : 4);
}

static void part_stopped_sleep(void)
{
    pid_t pid;
    int status;

    part("stopped sleep");
    pid = spawn(child_sleeps);
    msleep(40);
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    kill(pid, SIGCONT);
    reap("slept", pid);
}

/* ---- the alternate stack ------------------------------------------------------------------- */

static char alt[65536];

static void on_alt(int sig)
{
    char here;
    stack_t s;

    (void)sig;
    sigaltstack(NULL, &s);
    SAY("on alternate stack %d, flag %d", &here >= alt && &here < alt + sizeof alt,
        s.ss_flags == SS_ONSTACK);
    SHOW(sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL));
}

static void part_altstack(void)
{
    struct sigaction a = { .sa_flags = SA_ONSTACK };
    stack_t s = { .ss_sp = alt, .ss_size = sizeof alt }, old;

    part("altstack");
    SHOW(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = 100 }, NULL));
    SHOW(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = sizeof alt, .ss_flags = 77 }, NULL));
    SHOW(sigaltstack(&s, &old));
    SAY("before: disabled %d", old.ss_flags == SS_DISABLE);
    a.sa_handler = on_alt;
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    s.ss_flags = SS_DISABLE;
    SHOW(sigaltstack(&s, NULL));
    signal(SIGUSR1, SIG_DFL);
}

static int overflow(int depth)
{
    volatile char pad[4096];

    pad[0] = (char)depth;
    if (depth == depth_limit)
        return 0;
    return overflow(depth + 1) + pad[0];
}

static void on_overflow(int sig, siginfo_t *info, void *context)
{
    (void)context;
    SAY("stack overflow caught: signal %d code %d", sig, info->si_code == SEGV_MAPERR);
    fflush(stdout);
    _exit(5);
}

static void child_overflow(void)
{
    struct sigaction a = { .sa_flags = SA_ONSTACK | SA_SIGINFO };
    stack_t s = { .ss_sp = alt, .ss_size = sizeof alt };

    sigaltstack(&s, NULL);
    a.sa_sigaction = on_overflow;
    sigaction(SIGSEGV, &a, NULL);
    _exit(overflow(0));
}

static void child_overflow_plain(void)
{
    _exit(overflow(0));
}

/* ---- groups and sessions ------------------------------------------------------------------- */

static void child_session(void)
{
    SHOW(setsid() == getpid());
    SHOW(getsid(0) == getpid());
    SHOW(getpgrp() == getpid());
    SHOW(setsid());
    SHOW(setpgid(0, 0));
    SHOW(setpgid(0, 1));
    SHOW(setpgid(getppid(), 0));
    SHOW(getpgid(-5));
    SHOW(getsid(99999999));
}

static void waiting_member(void)
{
    signal(SIGTERM, SIG_DFL);
    pause();
}

/* ---- frames that cannot be taken back ------------------------------------------------------ */

static volatile sig_atomic_t segv_count;

static void on_segv_count(int sig)
{
    (void)sig;
    if (++segv_count > 3)
        _exit(9); /* the same sigreturn again and again */
}

static void on_usr1_wreck(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
    (void)info;
#ifdef __x86_64__
    uc->uc_mcontext.fpregs = (void *)8;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
#else
    ((uint32_t *)uc->uc_mcontext.__reserved)[1] = 8; /* the first record's size */
    sigaddset(&uc->uc_sigmask, SIGUSR2);
#endif
}

/* Linux takes registers and mask from a frame before it finds that the rest is bad: the handler of
 * its SIGSEGV returns behind the signal. */
static void part_bad_frame(void)
{
    struct sigaction wreck = { .sa_sigaction = on_usr1_wreck, .sa_flags = SA_SIGINFO };
    struct sigaction count = { .sa_handler = on_segv_count };
    sigset_t now;

    part("bad frames");
    sigaction(SIGUSR1, &wreck, NULL);
    sigaction(SIGSEGV, &count, NULL);
    SHOW(raise(SIGUSR1));
    SHOW(segv_count);
    sigprocmask(SIG_SETMASK, NULL, &now);
    SHOW(sigismember(&now, SIGUSR2));
    SHOW(sigismember(&now, SIGSEGV));
    sigemptyset(&now);
    sigprocmask(SIG_SETMASK, &now, NULL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
}

static volatile sig_atomic_t nested;
static char *below_stack;

#ifdef __x86_64__
static void on_usr1_nested(int sig)
{
    if (++nested < 5)
        raise(sig);
    _exit(0);
}

static void child_small_stack(void)
{
    struct sigaction again = { .sa_handler = on_usr1_nested, .sa_flags = SA_ONSTACK | SA_NODEFER };
    stack_t small = { .ss_sp = below_stack + 8192, .ss_size = 2048 };

    syscall(SYS_sigaltstack, &small, NULL);
    sigaction(SIGUSR1, &again, NULL);
    raise(SIGUSR1);
}
#endif

/* A frame that does not fit into the alternate stack: nothing below that is written. */
static void part_small_stack(void)
{
    size_t dirty = 0;

    part("small stack");
    below_stack = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
#ifdef __x86_64__
    reap("small", spawn(child_small_stack));
#else
    SAY("small: signal 11"); /* arm64 does not look: its least stack is larger than a frame */
#endif
    for (size_t i = 0; i < 8192; i++)
        dirty += below_stack[i] != 0;
    SHOW(dirty);
    munmap(below_stack, 16384);
}

/* Of a call's number 32 bits count. */
static void part_numbers(void)
{
    part("numbers of calls");
    SHOW(syscall(SYS_getpid | 0x100000000L) == getpid());
    SHOW(syscall((long)(SYS_getpid | 0xffffffff00000000UL)) == getpid());
    SHOW(syscall(-1L));
    SHOW(syscall(0x7fffffffL));
}

static void part_groups(void)
{
    pid_t a, b;
    int status;

    part("groups");
    reap("session", spawn(child_session));
    a = spawn(waiting_member);
    SHOW(setpgid(a, a));
    b = spawn(waiting_member);
    SHOW(setpgid(b, a));
    SHOW(getpgid(b) == a);
    SHOW(setpgid(b, b + 100000));
    SHOW(kill(-a, SIGTERM));
    SHOW(waitpid(-a, &status, 0) > 0);
    say_status("member", status);
    SHOW(waitpid(-a, &status, 0) > 0);
    say_status("member", status);
    SHOW(waitpid(-a, &status, 0));
    SHOW(kill(-a, SIGTERM));
}

/* The stopped member of a group that becomes orphaned gets SIGHUP and SIGCONT. */
static int orphan_pipe[2];

static void on_hup(int sig)
{
    char c = sig == SIGHUP ? 'H' : 'C';

    if (write(orphan_pipe[1], &c, 1) != 1)
        abort();
}

static void orphan_child(void)
{
    signal(SIGHUP, on_hup);
    signal(SIGCONT, on_hup);
    raise(SIGSTOP);
    msleep(20);
    _exit(0);
}

static void orphan_parent(void)
{
    int status;
    pid_t pid;

    setpgid(0, 0);
    pid = fork();
    if (pid == 0)
        orphan_child();
    waitpid(pid, &status, WUNTRACED);
    _exit(0);
}

static void part_orphans(void)
{
    char got[8] = "";
    size_t n = 0;

    part("orphans");
    if (pipe(orphan_pipe))
        abort();
    reap("parent", spawn(orphan_parent));
    close(orphan_pipe[1]);
    while (n < 7 && read(orphan_pipe[0], got + n, 1) == 1)
        n++;
    SAY("orphan got H %d, C %d", strchr(got, 'H') != NULL, strchr(got, 'C') != NULL);
    close(orphan_pipe[0]);
}

static void death_child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (write(orphan_pipe[1], "r", 1) != 1)
        abort();
    pause();
}

static void death_parent(void)
{
    char c;

    if (fork() == 0)
        death_child();
    if (read(orphan_pipe[0], &c, 1) != 1)
        abort();
    _exit(0);
}

static void part_death_signal(void)
{
    int status;

    part("death signal");
    if (pipe(orphan_pipe))
        abort();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    reap("parent", spawn(death_parent));
    SHOW(waitpid(-1, &status, 0) > 0);
    say_status("child", status);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    close(orphan_pipe[0]);
    close(orphan_pipe[1]);
}

/* ---- clone --------------------------------------------------------------------------------- */

static long raw_clone(unsigned long flags)
{
    fflush(stdout);
    long r = syscall(SYS_clone, flags, 0, 0, 0, 0);

    if (r == 0)
        _exit(9);
    return r;
}

static void part_clone(void)
{
    int status;
    pid_t pid;

    part("clone");
    SHOW(raw_clone(CLONE_SIGHAND));
    SHOW(raw_clone(CLONE_THREAD | SIGCHLD));
    SHOW(syscall(SYS_clone3, NULL, 0));
    SHOW(syscall(SYS_clone3, NULL, 8));
    SHOW(syscall(SYS_clone3, NULL, 100000));
    SHOW(syscall(SYS_unshare, 0));
    signal(SIGUSR2, SIG_IGN);
    pid = (pid_t)raw_clone(SIGUSR2); /* another exit signal: only __WCLONE or __WALL see it */
    SHOW(pid > 0);
    SHOW(waitpid(pid, &status, 0));
    SHOW(waitpid(pid, &status, __WCLONE) == pid);
    say_status("clone child", status);
    signal(SIGUSR2, SIG_DFL);
    pid = vfork();
    if (pid == 0)
        _exit(11);
    reap("vfork", pid);
}

static void part_pidfd(void)
{
    struct pollfd p;
    siginfo_t info;
    pid_t pid = spawn(child_pause);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    part("pidfd");
    SHOW(fd >= 0);
    SHOW(fcntl(fd, F_GETFD));
    p = (struct pollfd){ fd, POLLIN, 0 };
    SHOW(poll(&p, 1, 0));
    SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0x100));
    SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    SHOW(poll(&p, 1, 2000));
    SHOW(waitid((idtype_t)3, (id_t)fd, &info, WEXITED));
    SAY("status %d", info.si_status);
    SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    close(fd);
    SHOW(syscall(SYS_pidfd_open, -1, 0));
    SHOW(syscall(SYS_pidfd_open, 99999999, 0));
    SHOW(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0));
}

/* ---- exec ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    fchmod(fd, mode);
    close(fd);
}

static void try_exec(const char *path)
{
    char *argv[] = { (char *)path, "one", NULL }, *envp[] = { "A=b", NULL };
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execve(path, argv, envp);
        SAY("execve: E%d", errno);
        fflush(stdout);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    say_status("  exec", status);
}

static void exec_child_long(void)
{
    static char big[200000];
    char *argv[] = { (char *)self, "args", big, NULL };

    memset(big, 'x', sizeof big - 1);
    SHOW(execv(self, argv));
}

static void exec_child_empty(void)
{
    char *none[] = { NULL };

    execve(self, none, none);
    _exit(1);
}

static void *thread_execs(void *arg)
{
    char *argv[] = { (char *)self, "pid", arg, NULL };

    execv(self, argv);
    return NULL;
}

static void exec_from_thread(void)
{
    char number[16];
    pthread_t th;

    snprintf(number, sizeof number, "%d", getpid());
    pthread_create(&th, NULL, thread_execs, number);
    for (;;)
        pause();
}

static void exec_signals(void)
{
    char *argv[] = { (char *)self, "signals", NULL };

    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, on_alarm);
    block(SIG_BLOCK, SIGTERM);
    execv(self, argv);
}

static void exec_cloexec(void)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char first[16], second[16], *argv[] = { (char *)self, "fds", first, second, NULL };

    snprintf(first, sizeof first, "%d", a);
    snprintf(second, sizeof second, "%d", b);
    execv(self, argv);
}

static void part_exec(void)
{
    char line[4096];

    part("exec");
    mkdir("/tmp/pt", 0755);
    try_exec("/nowhere");
    try_exec("/tmp/pt");
    write_file("/tmp/pt/plain", "just text", 0644);
    try_exec("/tmp/pt/plain");
    write_file("/tmp/pt/text", "just text", 0755);
    try_exec("/tmp/pt/text");
    write_file("/tmp/pt/empty", "", 0755);
    try_exec("/tmp/pt/empty");
    write_file("/tmp/pt/elf", "\177ELF\2\1\1", 0755);
    try_exec("/tmp/pt/elf");
    write_file("/tmp/pt/noint", "#!/nowhere\n", 0755);
    try_exec("/tmp/pt/noint");
    snprintf(line, sizeof line, "#!%s  args  x y \nrest\n", self);
    write_file("/tmp/pt/s1", line, 0755);
    try_exec("/tmp/pt/s1");
    write_file("/tmp/pt/s2", "#!/tmp/pt/s1 second\n", 0755);
    try_exec("/tmp/pt/s2");
    write_file("/tmp/pt/loop", "#!/tmp/pt/loop\n", 0755);
    try_exec("/tmp/pt/loop");
    reap("long", spawn(exec_child_long));
    reap("empty", spawn(exec_child_empty));
    reap("thread", spawn(exec_from_thread));
    reap("signals", spawn(exec_signals));
    reap("cloexec", spawn(exec_cloexec));
}

/* ---- what a program started with ----------------------------------------------------------- */

static int started_as(int argc, char **argv)
{
    if (argc >= 2 && strncmp(argv[1], "args", 4) == 0) {
        for (int i = 1; i < argc; i++)
            SAY("  argv[%d] %.40s", i, argv[i]);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "pid") == 0) {
        SAY("  same pid %d, one thread %d", atoi(argv[2]) == getpid(),
            syscall(SYS_gettid) == getpid());
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "signals") == 0) {
        struct sigaction a, b;
        sigset_t set;

        sigaction(SIGUSR1, NULL, &a);
        sigaction(SIGUSR2, NULL, &b);
        sigprocmask(SIG_BLOCK, NULL, &set);
        SAY("  ignored %d, default %d, blocked %d", a.sa_handler == SIG_IGN,
            b.sa_handler == SIG_DFL, sigismember(&set, SIGTERM));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "fds") == 0) {
        SAY("  kept %d, closed %d", fcntl(atoi(argv[2]), F_GETFD) == 0,
            fcntl(atoi(argv[3]), F_GETFD) == -1);
        return 0;
    }
    return -1;
}

static void part_auxv(void)
{
    part("auxv");
    SAY("page %lu clock %lu secure %lu", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK),
        getauxval(AT_SECURE));
    SAY("phdr %d random %d execfn %s platform %d vdso %d", getauxval(AT_PHDR) != 0,
        getauxval(AT_RANDOM) != 0, strrchr((char *)getauxval(AT_EXECFN), '/') ? "path" : "name",
        getauxval(AT_PLATFORM) != 0, getauxval(AT_SYSINFO_EHDR) != 0);
    SAY("uid %lu euid %lu gid %lu egid %lu", getauxval(AT_UID), getauxval(AT_EUID),
        getauxval(AT_GID), getauxval(AT_EGID));
}

/* ---- limits, prctl, credentials ------------------------------------------------------------ */

static void child_limits(void)
{
    struct rlimit r = { 5, 4 };

    SHOW(setrlimit(RLIMIT_NOFILE, &r));
    SHOW(getrlimit((__typeof__(RLIMIT_NOFILE))99, &r));
    r = (struct rlimit){ 8, 8 };
    SHOW(setrlimit(RLIMIT_NOFILE, &r));
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    SAY("open: E%d", errno);
    fflush(stdout);
    r = (struct rlimit){ 4096, RLIM_INFINITY };
    setrlimit(RLIMIT_FSIZE, &r);
    signal(SIGXFSZ, SIG_IGN);
    close(3);
    int fd = open("/tmp/pt/limit", O_RDWR | O_CREAT | O_TRUNC, 0600);
    static char block_[8192];
    SHOW(write(fd, block_, sizeof block_));
    SHOW(write(fd, block_, sizeof block_));
    SHOW(ftruncate(fd, 5000));
    r.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &r);
}

static void child_users(void)
{
    struct rlimit r = { 1, 1 };

    SHOW(setgid(65534));
    SHOW(setuid(65534));
    SHOW(setuid(0));
    SHOW(getuid());
    SHOW(geteuid());
    SHOW(kill(1, 0));
    SHOW(setresuid(65534, 65534, 0));
    SHOW(sethostname("x", 1));
    SHOW(setpriority(PRIO_PROCESS, 0, -5));
    SHOW(setrlimit(RLIMIT_NPROC, &r));
    pid_t a = fork();
    if (a == 0)
        _exit(0);
    SAY("fork at the limit: %d E%d", a > 0 ? 1 : a, a > 0 ? 0 : errno);
    if (a > 0)
        waitpid(a, NULL, 0);
}

static void part_limits(void)
{
    int sig = 0;
    char name[16] = "";

    part("limits and prctl");
    reap("limits", spawn(child_limits));
    reap("users", spawn(child_users));
    SHOW(prctl(PR_SET_NAME, "a-very-long-name-indeed"));
    SHOW(prctl(PR_GET_NAME, name));
    SAY("name %s", name);
    SHOW(prctl(PR_SET_PDEATHSIG, 100));
    SHOW(prctl(PR_GET_PDEATHSIG, &sig));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 5));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_CAPBSET_READ, 999));
    SHOW(prctl(9999, 0, 0, 0, 0));
    SHOW(syscall(SYS_personality, 0xffffffff));
}

/* ---- futexes ------------------------------------------------------------------------------- */

static uint32_t word, word2;

static long futex(uint32_t *p, int op, uint32_t val, void *time, uint32_t *p2, uint32_t val3)
{
    return syscall(SYS_futex, p, op, val, time, p2, val3);
}

static void *futex_sleeper(void *arg)
{
    long r = futex(arg, 128, 0, NULL, NULL, 0);

    return (void *)(intptr_t)(r ? -errno : 0);
}

static void part_futex(void)
{
    struct timespec soon = { 0, 10000000 }, bad = { 0, 2000000000 };
    pthread_t th[3];
    void *r;

    part("futex");
    SHOW(futex(&word, 128, 1, NULL, NULL, 0));
    SHOW(futex(&word, 128, 0, &soon, NULL, 0));
    SHOW(futex(&word, 128, 0, &bad, NULL, 0));
    SHOW(futex((uint32_t *)((char *)&word + 1), 128, 0, &soon, NULL, 0));
    SHOW(futex((uint32_t *)16, 128, 0, &soon, NULL, 0));
    SHOW(futex(&word, 127, 0, NULL, NULL, 0));
    SHOW(futex(&word, 128 | 9, 0, &soon, NULL, 0));
    SHOW(futex(&word, 128 | 1, 5, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        pthread_create(&th[i], NULL, futex_sleeper, &word);
    msleep(30);
    SHOW(futex(&word, 128 | 4, 1, (void *)1, &word2, 7));
    SHOW(futex(&word, 128 | 4, 1, (void *)1, &word2, 0));
    SHOW(futex(&word, 128 | 1, 10, NULL, NULL, 0));
    SHOW(futex(&word2, 128 | 1, 10, NULL, NULL, 0));
    for (int i = 0; i < 3; i++) {
        pthread_join(th[i], &r);
        SAY("sleeper %ld", (long)(intptr_t)r);
    }
    word = 5; /* word += 3, and wake word's own if the old value was 5 */
    SHOW(futex(&word2, 128 | 5, 1, (void *)1, &word, 1u << 28 | 0u << 24 | 3 << 12 | 5));
    SAY("word %u", word);
}

static pthread_mutex_t *robust;

static void robust_owner(void)
{
    pthread_mutex_lock(robust);
    _exit(0);
}

static void part_robust(void)
{
    pthread_mutexattr_t a;

    part("robust");
    robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(robust, &a);
    reap("owner", spawn(robust_owner));
    SHOW(pthread_mutex_lock(robust) == EOWNERDEAD);
    SHOW(pthread_mutex_consistent(robust));
    SHOW(pthread_mutex_unlock(robust));
    SHOW(pthread_mutex_lock(robust));
}

/* ---- threads and the end ------------------------------------------------------------------- */

static void *thread_exits_group(void *arg)
{
    (void)arg;
    msleep(20);
    _exit(21);
}

static void group_exit(void)
{
    pthread_t th;

    pthread_create(&th, NULL, thread_exits_group, NULL);
    for (;;)
        pause();
}

static void *thread_goes_on(void *arg)
{
    (void)arg;
    msleep(40);
    _exit(22);
}

static void leader_ends_first(void)
{
    pthread_t th;

    pthread_create(&th, NULL, thread_goes_on, NULL);
    syscall(SYS_exit, 0);
}

static void *thread_faults(void *arg)
{
    (void)arg;
    *bad_address = 1;
    return NULL;
}

static void thread_fault(void)
{
    pthread_t th;

    pthread_create(&th, NULL, thread_faults, NULL);
    for (;;)
        pause();
}

static void part_threads(void)
{
    int status;
    pid_t pid;

    part("threads");
    reap("group exit", spawn(group_exit));
    pid = spawn(leader_ends_first);
    msleep(15);
    SHOW(waitpid(pid, &status, WNOHANG));
    SHOW(kill(pid, 0));
    reap("leader first", pid);
    reap("thread fault", spawn(thread_fault));
    reap("overflow", spawn(child_overflow));
    reap("overflow", spawn(child_overflow_plain));
}

/* ---- /proc --------------------------------------------------------------------------------- */

/* What /proc/self/smaps says of the region at `at`: a figure in kB, -1: no such line. */
static long smaps_of(const void *at, const char *field)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    unsigned long start, end;
    char line[512];
    bool here = false;
    long kb = -1;

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = start <= (unsigned long)at && (unsigned long)at < end;
        else if (here && !strncmp(line, field, strlen(field)))
            sscanf(line + strlen(field), " %ld", &kb);
    }
    if (f)
        fclose(f);
    return kb;
}

static void child_smaps(void)
{
    char *p = mmap(NULL, 40960, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *all, *end, text[2048];
    int fd;

    p += 4096;
    mprotect(p - 4096, 4096, PROT_NONE); /* so that nothing joins it */
    memset(p, 1, 4 * 4096);
    SHOW(smaps_of(p, "Size:"));
    SHOW(smaps_of(p, "KernelPageSize:"));
    SHOW(smaps_of(p, "Rss:"));
    SHOW(smaps_of(p, "Pss:"));
    SHOW(smaps_of(p, "Private_Dirty:"));
    SHOW(smaps_of(p, "Anonymous:"));
    fflush(stdout);
    if (fork() == 0) {
        p[0] = 2;
        SHOW(smaps_of(p, "Rss:"));
        SHOW(smaps_of(p, "Pss:"));
        SHOW(smaps_of(p, "Private_Dirty:"));
        SHOW(smaps_of(p, "Shared_Dirty:"));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    SHOW(mlock(p, 3 * 4096));
    SHOW(smaps_of(p, "Locked:"));
    fd = open("/proc/self/smaps_rollup", O_RDONLY);
    memset(text, 0, sizeof text);
    SHOW(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    all = strstr(text, "[rollup]");
    SAY("column %d", all ? (int)(all - text) : -1);
    for (all = all ? strchr(all, '\n') + 1 : text; (end = strchr(all, '\n')); all = end + 1)
        SAY("%.*s %d", (int)strcspn(all, ":"), all, (int)(end - all));
}

static long oom_score_with(const char *adjustment)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    char text[16] = "";

    if (write(fd, adjustment, strlen(adjustment)) < 0)
        return -1;
    close(fd);
    fd = open("/proc/self/oom_score", O_RDONLY);
    if (read(fd, text, sizeof text - 1) <= 0)
        return -1;
    close(fd);
    return atol(text);
}

static void part_proc(void)
{
    char path[64], text[4096], state = 0;
    int a = 0, ppid = 0, pgrp = 0, sid = 0;
    ssize_t n;
    FILE *f;

    part("/proc");
    f = fopen("/proc/self/stat", "r");
    if (f && fscanf(f, "%d (%*[^)]) %c %d %d %d", &a, &state, &ppid, &pgrp, &sid) == 5)
        SAY("stat %d %c %d %d %d", a == getpid(), state, ppid == getppid(), pgrp == getpgrp(),
            sid == getsid(0));
    if (f)
        fclose(f);
    n = readlink("/proc/self/exe", text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    SAY("exe %d", strcmp(text, self) == 0);
    n = readlink("/proc/self", text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    SAY("self %d", atoi(text) == getpid());
    snprintf(path, sizeof path, "/proc/%d/cmdline", getpid());
    f = fopen(path, "r");
    n = f ? (ssize_t)fread(text, 1, sizeof text, f) : 0;
    SAY("cmdline %d", n > 0 && strcmp(text, self) == 0);
    if (f)
        fclose(f);
    a = open("/dev/null", O_RDONLY);
    snprintf(path, sizeof path, "/proc/self/fd/%d", a);
    n = readlink(path, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    SAY("fd %s", text);
    SHOW(open("/proc/99999999/stat", O_RDONLY));
    SHOW(access("/proc/self/task", F_OK));
    SHOW(oom_score_with("-1000"));
    SHOW(oom_score_with("1000") > 1300);
    SHOW(oom_score_with("0") < 1000);
    reap("smaps", spawn(child_smaps));
}

/* A task may die while others look at it, fork and signal it. */
static void child_storm(void)
{
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            if (i % 3 == 0)
                pause();
            _exit(0);
        }
        if (pid < 0)
            _exit(1);
        if (i % 3 == 0)
            kill(pid, i % 2 ? SIGKILL : SIGTERM);
    }
    int n = 0;
    while (wait(NULL) > 0)
        n++;
    _exit(n == 200 ? 0 : 2);
}

/* The parts run in a group of a session whose leader is their parent, whatever started this program:
 * else the group is orphaned and the terminal's stop signals do nothing. */
static int result;

static void setsid_step(void)
{
    setsid();
}

static void setpgid_step(void)
{
    setpgid(0, 0);
}

/* Forks; in the child: `step`, and 0; in the parent: its end in `result`, and 1. */
static int run_below(void (*step)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        step();
        return 0;
    }
    waitpid(pid, &status, 0);
    result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 1;
}

static char signal_stack[1 << 16];
static size_t frame_taken;

static void frame_measure(int sig, siginfo_t *info, void *context)
{
    char *top = signal_stack + sizeof signal_stack;

    (void)sig;
    frame_taken = (size_t)(top - (char *)((char *)info < (char *)context ? (void *)info : context));
}

#define MAPS_BYTES (4 << 20)
#define MAPS_PAGES 2001

/* All of a file, read `step` bytes at a time from `start` on. */
static size_t read_by(const char *path, char *to, size_t step, off_t start)
{
    int fd = open(path, O_RDONLY);
    size_t length = 0;
    ssize_t n;

    lseek(fd, start, SEEK_SET);
    while (length + step < MAPS_BYTES && (n = read(fd, to + length, step)) > 0)
        length += (size_t)n;
    to[length] = 0;
    close(fd);
    return length;
}

static int times_in(const char *text, const char *word)
{
    int n = 0;

    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        n++;
    }
    return n;
}

/* Files about a space of many regions come in pieces; a reader who goes on sees them all once. */
static void part_maps(void)
{
    static char some[MAPS_BYTES], all[MAPS_BYTES];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *area = mmap(NULL, MAPS_PAGES * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t length;
    char *line;
    int fd;

    part("maps");
    memset(some, 1, sizeof some);
    memset(all, 1, sizeof all);
    for (int i = 1; i < MAPS_PAGES; i += 2)
        mprotect(area + (size_t)i * page, page, PROT_NONE);
    length = read_by("/proc/self/maps", all, 1 << 16, 0);
    SHOW(times_in(all, "\n") > MAPS_PAGES);
    SHOW(read_by("/proc/self/maps", some, 100, 0) == length && strcmp(some, all) == 0);
    SHOW(read_by("/proc/self/maps", some, 5000, 70001) == length - 70001 && strcmp(some, all + 70001) == 0);
    fd = open("/proc/self/maps", O_RDONLY);
    SHOW(pread(fd, some, 50, 60000) > 0 && memcmp(some, all + 60000, 20) == 0);
    SHOW(pread(fd, some, 50, 10) > 0 && memcmp(some, all + 10, 20) == 0);
    SHOW(pread(fd, some, 50, (off_t)length));
    close(fd);
    read_by("/proc/self/smaps", some, 4096, 0);
    SHOW(times_in(some, "Size: ") / 3 == times_in(all, "\n")); /* and KernelPageSize, MMUPageSize */
    SHOW(times_in(some, "VmFlags:") == times_in(all, "\n"));
    line = strrchr(some, 'V');
    SHOW(line && strncmp(line, "VmFlags:", 8) == 0);
    munmap(area, MAPS_PAGES * page);
}

static void part_frame(void)
{
    stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack }, none = { .ss_flags = SS_DISABLE };
    struct sigaction a = { .sa_sigaction = frame_measure, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    size_t told = getauxval(51 /* AT_MINSIGSTKSZ */);

    part("frame");
    SHOW(sigaltstack(&stack, NULL));
    SHOW(sigaction(SIGUSR1, &a, NULL));
    SHOW(raise(SIGUSR1));
    SHOW(frame_taken > 0 && frame_taken <= told);
    SHOW(told < frame_taken + 512);
    SHOW(sigaltstack(&none, NULL));
    signal(SIGUSR1, SIG_DFL);
}

/* Two that take turns on one CPU, each with its own %gs.  Return: how often the parent's was another. */
static int selectors_lost(void)
{
    int lost = 0;
#ifdef __x86_64__
    cpu_set_t one, all;
    unsigned gs;
    int status;
    pid_t pid;

    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof one, &one);
    __asm__ volatile("movl %0, %%gs" ::"r"(0x2b));
    pid = fork();
    if (pid == 0) {
        __asm__ volatile("movl %%gs, %0" : "=r"(gs));
        lost = gs != 0x2b;
        __asm__ volatile("movl %0, %%gs" ::"r"(0));
        for (int i = 0; i < 100; i++)
            sched_yield();
        __asm__ volatile("movl %%gs, %0" : "=r"(gs));
        _exit(lost + (gs != 0));
    }
    for (int i = 0; i < 100; i++) {
        sched_yield();
        __asm__ volatile("movl %%gs, %0" : "=r"(gs));
        lost += gs != 0x2b;
    }
    lost += waitpid(pid, &status, 0) != pid || status != 0;
    syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0);
    __asm__ volatile("movl %%gs, %0" : "=r"(gs));
    lost += gs != 0;
    sched_setaffinity(0, sizeof all, &all);
#endif
    return lost;
}

static void part_selectors(void)
{
    part("selectors");
    SHOW(selectors_lost());
}

int main(int argc, char **argv)
{
    if (argc == 0 || !argv[0] || !argv[0][0]) {
        SAY("  argc %d, argv[0] %s", argc, argv[0] && !argv[0][0] ? "empty" : "missing");
        return 0;
    }
    if (started_as(argc, argv) == 0)
        return 0;
    self = argv[0];
    if (run_below(setsid_step) || run_below(setpgid_step))
        return result;
    part_wait();
    part_signals();
    part_nested();
    part_restart();
    part_stopped_sleep();
    part_altstack();
    part_bad_frame();
    part_small_stack();
    part_numbers();
    part_groups();
    part_orphans();
    part_death_signal();
    part_clone();
    part_pidfd();
    part_exec();
    part_auxv();
    part_limits();
    part_futex();
    part_robust();
    part_threads();
    part_proc();
    part_maps();
    part_selectors();
    part_frame();
    part("storm");
    reap("storm", spawn(child_storm));
    SAY("done");
    return 0;
}
