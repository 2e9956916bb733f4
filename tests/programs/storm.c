// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: many processes do everything to each other at once, and each thing they do is checked.
 * Usage: storm [PROCESSES [SECONDS [PATIENCE]]]; PATIENCE: seconds without a step after which one hangs.
 *
 * Model: processes work in pairs, each with a second thread (its companion) on another CPU.  A round
 * is, with the partner in step, one each of
 *
 *     pipe     blocks go to and fro through pipes
 *     futex    a page in shared memory, handed over by a futex
 *     signal   kill() and sigsuspend(), or sigwaitinfo(), by turns
 *     shared   a file mapped by both, filled, moved, protected, cut off and written to
 *
 * and of those that need no partner, in any order,
 *
 *     private  memory mapped, protected, moved, dropped and unmapped beside the companion
 *     exec     a child that gets data as memory, string, file and number, and answers by its status
 *     stop     a child stopped, continued and killed
 *     threads  a child whose threads make threads all the time ends, becomes another program or stops; one whose
 *              threads end gets signals
 *     queue    real-time signals to anyone; at the end as many have come as were sent
 *
 * Before, two that share their actions change one, and threads set one timer.
 *
 * All data is a pattern of a seed that only the two know.  So a lost byte is seen, a stale translation
 * shows old data or does not fault, and a lost wake-up leaves a process that takes no step: the first
 * process says which, and what it waits for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* musl comes without Linux's headers. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_PRIVATE_FLAG 128

#define PROCESSES_MAX 256
#define HOPS 8 /* of a ball in a round */
#define FILE_PAGES 8
#define PRIVATE_PAGES 16
#define QUEUED_SIGNALS 4
#define STRING_BYTES 3000

enum { PIPE, FUTEX, SIGNAL, SHARED, PRIVATE, EXEC, STOP, THREADS, QUEUE, BARRIER, KINDS };

static const char *const kind_names[] = { "pipe", "futex", "signal",  "shared", "private",
                                          "exec", "stop",  "threads", "queue",  "barrier" };

struct slot {
    atomic_int pid;
    atomic_uint kind, step; /* what it is at */
    atomic_ulong beats, rounds;
    atomic_ulong done[KINDS];
    atomic_ulong sent, sent_sum, came, came_sum; /* real-time signals for it */
} __attribute__((aligned(128)));

struct pair {
    atomic_uint turn; /* even: the first one's */
    uint64_t words[256];
} __attribute__((aligned(128)));

static struct shared {
    atomic_bool failed;
    atomic_uint waiting, generation; /* of the barrier */
    struct slot slots[PROCESSES_MAX];
    struct pair pairs[PROCESSES_MAX / 2];
} *all;

static size_t page_size;
static unsigned processes = 64, cpus, self, partner;
static double seconds = 5, patience = 60, end;
static struct slot *own;
static struct pair *pair;
static bool first; /* of the pair */
static unsigned long round_number;
static int pipe_in, pipe_out, pair_file, own_file;
static uint64_t dice;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    char text[300];
    int saved = errno, n = 0;
    va_list args;

    if (own)
        n = snprintf(text, sizeof text, "process %u, %s, step %u of round %lu: ", self, kind_names[own->kind],
                     own->step, own->rounds);
    va_start(args, format);
    n += vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    n += snprintf(text + n, sizeof text - (size_t)n, " (errno %d)\n", saved);
    if (write(1, text, (size_t)n) != n)
        _exit(2);
    if (all)
        all->failed = true;
    _exit(1);
}

static void check(bool ok, const char *what)
{
    if (!ok)
        fail("%s", what);
}

static void at(unsigned kind)
{
    own->kind = kind;
    own->step = 0;
    own->beats++;
}

static void step(void)
{
    own->step++;
    own->beats++;
}

static void handler_set(int sig, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

    check(sigaction(sig, &action, NULL) == 0, "sigaction");
}

static unsigned random_below(unsigned n)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((dice >> 33) % n);
}

/* --- patterns ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    return x ^ x >> 29;
}

static uint64_t seed_of(unsigned who, unsigned part)
{
    return mix((uint64_t)who << 48 ^ (uint64_t)part << 40 ^ (round_number + 1) * 2654435761u);
}

static void fill(volatile void *p, size_t bytes, uint64_t seed)
{
    volatile uint64_t *w = p;

    for (size_t i = 0; i < bytes / sizeof *w; i++)
        w[i] = seed += 0x9e3779b97f4a7c15u;
}

static bool holds(const volatile void *p, size_t bytes, uint64_t seed)
{
    const volatile uint64_t *w = p;

    for (size_t i = 0; i < bytes / sizeof *w; i++)
        if (w[i] != (seed += 0x9e3779b97f4a7c15u))
            return false;
    return true;
}

static bool is_zero(const volatile void *p, size_t bytes)
{
    const volatile uint64_t *w = p;

    for (size_t i = 0; i < bytes / sizeof *w; i++)
        if (w[i] != 0)
            return false;
    return true;
}

static void *map(size_t bytes, int prot, int flags, int fd)
{
    void *p = mmap(NULL, bytes, prot, flags, fd, 0);

    check(p != MAP_FAILED, "mmap");
    return p;
}

static void *map_private(size_t bytes)
{
    return map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* --- waiting ----------------------------------------------------------------------------------- */

static void futex_wait_for(atomic_uint *word, unsigned seen, int private)
{
    if (syscall(SYS_futex, word, FUTEX_WAIT | private, seen, NULL, NULL, 0) != 0)
        check(errno == EAGAIN || errno == EINTR, "FUTEX_WAIT");
}

static void futex_wake_all(atomic_uint *word, int private)
{
    check(syscall(SYS_futex, word, FUTEX_WAKE | private, INT_MAX, NULL, NULL, 0) >= 0, "FUTEX_WAKE");
}

static void barrier(void)
{
    unsigned seen = all->generation;

    at(BARRIER);
    if (++all->waiting == processes) {
        all->waiting = 0;
        all->generation++;
        futex_wake_all(&all->generation, 0);
        return;
    }
    while (all->generation == seen)
        futex_wait_for(&all->generation, seen, 0);
}

/* Until the partner has handed over. */
static void await_turn(void)
{
    unsigned turn;

    step();
    while ((turn = pair->turn) % 2 == first)
        futex_wait_for(&pair->turn, turn, 0);
}

static void hand_over(void)
{
    pair->turn++;
    futex_wake_all(&pair->turn, 0);
}

/* --- pipe -------------------------------------------------------------------------------------- */

struct block {
    uint64_t round, words, last;
    uint64_t word[1500];
};

static void transfer(ssize_t (*way)(int, void *, size_t), int fd, void *p, size_t bytes)
{
    for (char *c = p; bytes > 0;) {
        ssize_t n = way(fd, c, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        check(n > 0, "a pipe ended");
        c += n;
        bytes -= (size_t)n;
    }
}

static ssize_t write_way(int fd, void *p, size_t bytes)
{
    return write(fd, p, bytes);
}

static void block_send(struct block *b, unsigned hop, bool last)
{
    b->round = round_number;
    b->words = 1 + random_below(random_below(4) ? 100 : 1500);
    b->last = last;
    fill(b->word, b->words * 8, seed_of(self, hop));
    transfer(write_way, pipe_out, b, 24);
    transfer(write_way, pipe_out, b->word, b->words * 8);
}

static bool block_receive(struct block *b, unsigned hop)
{
    transfer(read, pipe_in, b, 24);
    check(b->round == round_number && b->words <= 1500, "a header is wrong");
    transfer(read, pipe_in, b->word, b->words * 8);
    check(holds(b->word, b->words * 8, seed_of(partner, hop)), "bytes are wrong");
    return b->last;
}

/* The first one of a pair says which round is the last. */
static bool pipe_part(void)
{
    static struct block b;
    bool last = first && now() >= end;

    at(PIPE);
    for (unsigned hop = 0; hop < HOPS; hop++) {
        step();
        if (first)
            block_send(&b, hop, last);
        if (block_receive(&b, hop) && !first)
            last = true;
        if (!first)
            block_send(&b, hop, last);
    }
    own->done[PIPE]++;
    return last;
}

/* --- futex ------------------------------------------------------------------------------------- */

static void futex_part(void)
{
    at(FUTEX);
    for (unsigned hop = 0; hop < HOPS; hop++) {
        await_turn();
        if (!first || hop > 0)
            check(holds(pair->words, sizeof pair->words, seed_of(partner, first ? hop - 1 : hop)),
                  "words are wrong");
        fill(pair->words, sizeof pair->words, seed_of(self, hop));
        hand_over();
    }
    own->done[FUTEX]++;
}

/* --- signal ------------------------------------------------------------------------------------ */

static volatile sig_atomic_t balls;

static void on_ball(int sig)
{
    (void)sig;
    balls++;
}

static void ball_throw(int sig)
{
    check(kill(all->slots[partner].pid, sig) == 0, "kill");
}

static void ball_suspend(sig_atomic_t seen)
{
    sigset_t mask;

    step();
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    while (balls == seen)
        sigsuspend(&mask);
    check(balls == seen + 1, "a signal came twice");
}

static void ball_wait(void)
{
    siginfo_t info;
    sigset_t set;

    step();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    while (sigwaitinfo(&set, &info) < 0)
        check(errno == EINTR, "sigwaitinfo");
    check(info.si_pid == all->slots[partner].pid && info.si_code == SI_USER, "a signal is not the partner's");
}

static void signal_part(void)
{
    at(SIGNAL);
    for (unsigned hop = 0; hop < HOPS; hop++) {
        int sig = hop % 2 ? SIGUSR1 : SIGUSR2;
        sig_atomic_t seen = balls;

        if (first)
            ball_throw(sig);
        if (sig == SIGUSR1)
            ball_suspend(seen);
        else
            ball_wait();
        if (!first)
            ball_throw(sig);
    }
    own->done[SIGNAL]++;
}

/* --- shared ------------------------------------------------------------------------------------ */

/* What was freed most likely is somebody else's from now on. */
static void frames_take(size_t bytes)
{
    void *p = map_private(bytes);

    fill(p, bytes, ~seed_of(self, 99));
    check(munmap(p, bytes) == 0, "munmap");
}

static void shared_first(char *p, size_t bytes)
{
    uint64_t words[64];

    await_turn();
    fill(p, bytes, seed_of(self, 20));
    hand_over();
    await_turn();
    check(holds(p, bytes, seed_of(partner, 21)), "what the partner wrote is not there");
    check(ftruncate(pair_file, 0) == 0 && ftruncate(pair_file, (off_t)bytes) == 0, "ftruncate");
    frames_take(bytes);
    check(is_zero(p, bytes), "cut off data is there");
    hand_over();
    await_turn();
    check(holds(p, bytes, seed_of(partner, 22)), "what the partner wrote anew is not there");
    fill(words, sizeof words, seed_of(self, 23));
    for (size_t i = 0; i < bytes; i += sizeof words)
        check(pwrite(pair_file, words, sizeof words, (off_t)i) == sizeof words, "pwrite");
    hand_over();
    check(munmap(p, bytes) == 0, "munmap");
}

static char *shared_move(char *p, size_t bytes)
{
    char *to = map(bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

    check(mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
    check(mprotect(to, bytes, PROT_READ) == 0, "mprotect");
    return to;
}

static void shared_second(char *p, size_t bytes)
{
    uint64_t words[64];

    await_turn();
    check(holds(p, bytes, seed_of(partner, 20)), "what the partner wrote is not there");
    fill(p, bytes, seed_of(self, 21));
    hand_over();
    await_turn();
    check(is_zero(p, bytes), "data that the partner cut off is there");
    fill(p, bytes, seed_of(self, 22));
    p = shared_move(p, bytes);
    hand_over();
    await_turn();
    for (size_t i = 0; i < bytes; i += sizeof words) {
        check(holds(p + i, sizeof words, seed_of(partner, 23)), "what was written is not in the mapping");
        check(pread(pair_file, words, sizeof words, (off_t)i) == sizeof words &&
                  holds(words, sizeof words, seed_of(partner, 23)),
              "what was written is not read");
    }
    hand_over();
    check(munmap(p, bytes) == 0, "munmap");
}

static void shared_part(void)
{
    size_t bytes = FILE_PAGES * page_size;
    char *p;

    at(SHARED);
    p = map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pair_file);
    if (first) {
        shared_first(p, bytes);
        await_turn();
    } else {
        shared_second(p, bytes);
    }
    own->done[SHARED]++;
}

/* --- private: with the companion --------------------------------------------------------------- */

enum order { HOLDS, FILL, ZERO, READ_FAULTS, WRITE_FAULTS };

static struct {
    atomic_uint asked, answered;
    enum order order;
    char *at;
    size_t bytes;
    uint64_t seed;
    bool yes;
} companion;

static _Thread_local sigjmp_buf fault_way;
static _Thread_local volatile bool fault_expected;

static void on_fault(int sig)
{
    if (!fault_expected)
        fail("signal %d", sig);
    fault_expected = false;
    siglongjmp(fault_way, 1);
}

static bool access_faults(volatile uint64_t *p, bool write)
{
    fault_expected = true;
    if (sigsetjmp(fault_way, 0))
        return true;
    if (write)
        *p = 1;
    else
        (void)*p;
    fault_expected = false;
    return false;
}

/* All pages, not only the first: a range may be forgotten in parts. */
static bool all_fault(char *p, size_t bytes, bool write)
{
    bool faults = true;

    for (size_t i = 0; i < bytes; i += page_size)
        faults &= access_faults((volatile uint64_t *)(void *)(p + i), write);
    return faults;
}

static bool companion_obey(void)
{
    switch (companion.order) {
    case HOLDS:
        return holds(companion.at, companion.bytes, companion.seed);
    case FILL:
        fill(companion.at, companion.bytes, companion.seed);
        return true;
    case ZERO:
        return is_zero(companion.at, companion.bytes);
    default:
        return all_fault(companion.at, companion.bytes, companion.order == WRITE_FAULTS);
    }
}

/* Stays on its CPU for a while, with the translations it has. */
static void await_change(atomic_uint *word, unsigned seen)
{
    for (unsigned i = 0; i < 300; i++)
        if (*word != seen)
            return;
    while (*word == seen)
        futex_wait_for(word, seen, FUTEX_PRIVATE_FLAG);
}

static void pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % cpus, &set);
    check(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

static void *companion_main(void *arg)
{
    pin(self + cpus / 2);
    for (unsigned n = 0;; n++) {
        await_change(&companion.asked, n);
        companion.yes = companion_obey();
        companion.answered++;
        futex_wake_all(&companion.answered, FUTEX_PRIVATE_FLAG);
    }
    return arg;
}

static void ask(enum order order, char *p, size_t bytes, uint64_t seed, const char *what)
{
    unsigned seen = companion.answered;

    step();
    companion.order = order;
    companion.at = p;
    companion.bytes = bytes;
    companion.seed = seed;
    companion.asked++;
    futex_wake_all(&companion.asked, FUTEX_PRIVATE_FLAG);
    await_change(&companion.answered, seen);
    check(companion.yes, what);
}

/* Elsewhere and back: the same frames at other addresses. */
static char *private_move(char *p, size_t bytes, uint64_t seed)
{
    char *to = map(bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

    check(mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
    ask(READ_FAULTS, p, bytes, 0, "where a mapping was moved away from nothing faults");
    ask(HOLDS, to, bytes, seed, "moved memory is wrong");
    return to;
}

static void private_part(void)
{
    size_t bytes = (1 + random_below(PRIVATE_PAGES)) * page_size;
    uint64_t seed = seed_of(self, 30);
    char *p;

    at(PRIVATE);
    p = map_private(bytes);
    fill(p, bytes, seed);
    ask(HOLDS, p, bytes, seed, "fresh memory is wrong");
    ask(FILL, p, bytes, ++seed, "");
    check(holds(p, bytes, seed), "what the companion wrote is not there");
    check(mprotect(p, bytes, PROT_READ) == 0, "mprotect");
    ask(WRITE_FAULTS, p, bytes, 0, "protected memory can be written to");
    check(holds(p, bytes, seed), "protected memory is wrong");
    check(mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0, "mprotect");
    fill(p, bytes, ++seed);
    p = private_move(p, bytes, seed);
    check(madvise(p, bytes, MADV_DONTNEED) == 0, "madvise");
    frames_take(bytes);
    ask(ZERO, p, bytes, 0, "dropped memory is not zero");
    ask(FILL, p, bytes, ++seed, "");
    check(holds(p, bytes, seed), "what the companion wrote anew is not there");
    check(munmap(p, bytes) == 0, "munmap");
    ask(READ_FAULTS, p, bytes, 0, "unmapped memory does not fault");
    own->done[PRIVATE]++;
}

/* --- exec -------------------------------------------------------------------------------------- */

static void string_make(char *text, uint64_t seed)
{
    for (unsigned i = 0; i + 1 < STRING_BYTES; i++) {
        seed = mix(seed + i);
        text[i] = (char)('!' + seed % 90);
    }
    text[STRING_BYTES - 1] = '\0';
}

static int answer_of(uint64_t seed)
{
    return 10 + (int)(seed % 100);
}

/* `storm - SEED FILE STRING`: what a child becomes. */
static int exec_main(char **argv)
{
    uint64_t seed = strtoull(argv[2], NULL, 16);
    size_t bytes = FILE_PAGES * page_size;
    char text[STRING_BYTES];
    void *p;

    string_make(text, seed);
    if (strcmp(text, argv[4]) != 0)
        return 1;
    p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, atoi(argv[3]), 0);
    if (p == MAP_FAILED || !holds(p, bytes, seed))
        return 2;
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, atoi(argv[3]), 0);
    if (p == MAP_FAILED)
        return 3;
    fill(p, bytes, ~seed);
    return holds(p, bytes, ~seed) ? answer_of(seed) : 4;
}

/* The parent goes on writing to what the child was given. */
static int child_main(char *memory, size_t bytes, uint64_t seed, char **argv)
{
    if (!holds(memory, bytes, seed))
        return 5;
    fill(memory, bytes, seed + 1);
    if (!holds(memory, bytes, seed + 1))
        return 6;
    if (argv)
        execv("/proc/self/exe", argv);
    return argv ? 7 : answer_of(seed);
}

static void exec_part(void)
{
    char number[20], file[12], text[STRING_BYTES];
    char *argv[] = { "storm", "-", number, file, text, NULL };
    size_t bytes = FILE_PAGES * page_size;
    uint64_t seed = seed_of(self, 40);
    bool execs = random_below(3) > 0;
    char *memory, *mapped;
    int status;
    pid_t child;

    at(EXEC);
    memory = map_private(bytes);
    mapped = map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, own_file);
    string_make(text, seed);
    snprintf(number, sizeof number, "%llx", (unsigned long long)seed);
    snprintf(file, sizeof file, "%d", own_file);
    fill(memory, bytes, seed);
    fill(mapped, bytes, seed);
    child = fork();
    check(child >= 0, "fork");
    if (child == 0)
        _exit(child_main(memory, bytes, seed, execs ? argv : NULL));
    step();
    fill(memory, bytes, seed + 2);
    check(waitpid(child, &status, 0) == child, "waitpid");
    step();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != answer_of(seed))
        fail("the child's status is %#x", status);
    check(holds(memory, bytes, seed + 2), "the child wrote to its parent's memory");
    check(munmap(memory, bytes) == 0 && munmap(mapped, bytes) == 0, "munmap");
    own->done[EXEC]++;
}

/* --- stop -------------------------------------------------------------------------------------- */

static void stop_child(atomic_ulong *count)
{
    for (;;) {
        ++*count;
        sched_yield();
    }
}

static void stop_await(pid_t child, int options, int *status)
{
    step();
    check(waitpid(child, status, options) == child, "waitpid");
}

static void await_count(atomic_ulong *count)
{
    unsigned long seen = *count;

    step();
    while (*count == seen)
        sched_yield();
}

static void stop_part(void)
{
    atomic_ulong *count;
    unsigned long seen;
    int status;
    pid_t child;

    at(STOP);
    count = map(page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    child = fork();
    check(child >= 0, "fork");
    if (child == 0)
        stop_child(count);
    for (unsigned i = 0; i < 2; i++) {
        await_count(count);
        check(kill(child, SIGSTOP) == 0, "kill");
        stop_await(child, WUNTRACED, &status);
        check(WIFSTOPPED(status), "not stopped");
        seen = *count;
        usleep(500);
        check(*count == seen, "a stopped child runs");
        check(kill(child, SIGCONT) == 0, "kill");
        stop_await(child, WCONTINUED, &status);
        check(WIFCONTINUED(status), "not continued");
    }
    await_count(count);
    check(kill(child, SIGKILL) == 0, "kill");
    stop_await(child, 0, &status);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "not killed");
    check(munmap(count, page_size) == 0, "munmap");
    own->done[STOP]++;
}

/* --- threads ----------------------------------------------------------------------------------- */

#define CHAINS 3
#define ENDING_THREADS 10

/* Ends when it has a successor: whoever forgets one does not get rid of the chain. */
static void *chain(void *count)
{
    pthread_attr_t detached;
    pthread_t next;

    ++*(atomic_ulong *)count;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (pthread_create(&next, &detached, chain, count) != 0)
        sched_yield();
    return NULL;
}

static void chains_start(atomic_ulong *count)
{
    pthread_t thread;

    for (unsigned i = 0; i < CHAINS; i++)
        if (pthread_create(&thread, NULL, chain, count) != 0)
            _exit(8);
    while (*count < 4 * CHAINS)
        sched_yield();
}

static void *end_at_once(void *arg)
{
    syscall(SYS_exit, 0); /* with the mask that it has */
    return arg;
}

static volatile sig_atomic_t signal_came;

static void on_shared(int sig)
{
    (void)sig;
    signal_came = 1;
}

static void *await_signal(void *arg)
{
    sigset_t none;

    sigemptyset(&none);
    while (!signal_came)
        sigsuspend(&none);
    return arg;
}

/* A signal of the process' finds one that takes it, though the first in question is just going. */
static void signals_to_ending(void)
{
    pthread_t going, staying;
    sigset_t set;

    handler_set(SIGUSR1, on_shared, 0);
    handler_set(SIGUSR2, on_ball, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    for (unsigned i = 0; i < ENDING_THREADS; i++) {
        signal_came = 0;
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        check(pthread_create(&going, NULL, end_at_once, NULL) == 0, "pthread_create");
        sigprocmask(SIG_BLOCK, &set, NULL);
        check(pthread_create(&staying, NULL, await_signal, NULL) == 0, "pthread_create");
        for (unsigned k = random_below(3); k > 0; k--)
            sched_yield();
        kill(getpid(), SIGUSR1);
        while (!signal_came)
            sched_yield();
        pthread_kill(staying, SIGUSR2); /* the other one took it */
        pthread_join(going, NULL);
        pthread_join(staying, NULL);
    }
}

static void threads_stop(pid_t child, atomic_ulong *count)
{
    unsigned long seen;
    int status;

    while (*count < 4 * CHAINS)
        sched_yield();
    check(kill(child, SIGSTOP) == 0, "kill");
    stop_await(child, WUNTRACED, &status);
    check(WIFSTOPPED(status), "not stopped");
    seen = *count;
    usleep(500);
    check(*count == seen, "a stopped child's threads run");
    check(kill(child, SIGKILL) == 0, "kill");
    stop_await(child, 0, &status);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "not killed");
}

static void threads_child(unsigned how, atomic_ulong *count, char **argv)
{
    if (how == 3) {
        signals_to_ending();
        _exit(0);
    }
    chains_start(count);
    if (how == 1)
        execv("/proc/self/exe", argv);
    while (how == 2)
        pause();
    _exit(0);
}

static void threads_part(void)
{
    char *argv[] = { "storm", "-", NULL };
    unsigned how = random_below(4);
    atomic_ulong *count;
    int status;
    pid_t child;

    at(THREADS);
    count = map(page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    child = fork();
    check(child >= 0, "fork");
    if (child == 0)
        threads_child(how, count, argv);
    if (how == 2) {
        threads_stop(child, count);
    } else {
        stop_await(child, 0, &status);
        if (status != 0)
            fail("way %u: the child's status is %#x", how, status);
    }
    check(munmap(count, page_size) == 0, "munmap");
    own->done[THREADS]++;
}

/* --- queue ------------------------------------------------------------------------------------- */

static void on_queued(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    own->came++;
    own->came_sum += (unsigned)info->si_value.sival_int;
}

static void queue_part(void)
{
    at(QUEUE);
    for (unsigned i = 1 + random_below(4); i > 0; i--) {
        struct slot *to = &all->slots[random_below(processes)];
        unsigned value = random_below(1 << 30);
        union sigval v = { .sival_int = (int)value };

        if (sigqueue(to->pid, SIGRTMIN + 1 + (int)random_below(QUEUED_SIGNALS), v) != 0) {
            check(errno == EAGAIN, "sigqueue");
            continue;
        }
        to->sent++;
        to->sent_sum += value;
    }
    own->done[QUEUE]++;
}

/* Nobody sends any more. */
static void queue_end(void)
{
    double limit = now() + patience;

    while (own->came != own->sent && now() < limit)
        usleep(1000);
    if (own->came != own->sent || own->came_sum != own->sent_sum)
        fail("%lu signals were sent and %lu came", own->sent, own->came);
}

/* --- a process --------------------------------------------------------------------------------- */

static void signals_prepare(void)
{
    sigset_t mask;

    handler_set(SIGSEGV, on_fault, SA_NODEFER);
    handler_set(SIGBUS, on_fault, SA_NODEFER);
    handler_set(SIGUSR1, on_ball, SA_RESTART);
    for (int i = 1; i <= QUEUED_SIGNALS; i++) {
        struct sigaction action = { .sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART };

        sigfillset(&action.sa_mask);
        check(sigaction(SIGRTMIN + i, &action, NULL) == 0, "sigaction");
    }
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void companion_start(void)
{
    sigset_t mask, was;
    pthread_t thread;

    sigfillset(&mask);
    sigdelset(&mask, SIGSEGV);
    sigdelset(&mask, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &mask, &was);
    check(pthread_create(&thread, NULL, companion_main, NULL) == 0, "pthread_create");
    pthread_sigmask(SIG_SETMASK, &was, NULL);
}

static void alone_part(void)
{
    unsigned what = random_below(9);

    if (what == 0)
        stop_part();
    else if (what == 8)
        threads_part();
    else if (what < 4)
        exec_part();
    else
        private_part();
}

/* Every other round what waits is not woken by chance: a signal would hide that a wake-up is missing. */
static void queued_block(int how)
{
    sigset_t set;

    sigemptyset(&set);
    for (int i = 1; i <= QUEUED_SIGNALS; i++)
        sigaddset(&set, SIGRTMIN + i);
    sigprocmask(how, &set, NULL);
}

static void work(void)
{
    bool last;

    own->pid = getpid();
    dice = mix(self + 77);
    signals_prepare();
    companion_start();
    if (self % 4 == 0)
        pin(self); /* some stay, the others go where the scheduler wants them */
    barrier();
    do {
        queued_block(round_number % 2 ? SIG_BLOCK : SIG_UNBLOCK);
        last = pipe_part();
        futex_part();
        signal_part();
        queue_part();
        shared_part();
        alone_part();
        queue_part();
        alone_part();
        own->rounds = ++round_number;
    } while (!last);
    queued_block(SIG_UNBLOCK);
    barrier();
    queue_end();
    own->beats++;
    _exit(0);
}

/* --- all of them ------------------------------------------------------------------------------- */

static void processes_start(void)
{
    for (unsigned i = 0; i < processes; i += 2) {
        int there[2], back[2], file = memfd_create("pair", 0);

        check(pipe(there) == 0 && pipe(back) == 0 && file >= 0, "pipe");
        check(ftruncate(file, (off_t)(FILE_PAGES * page_size)) == 0, "ftruncate");
        for (unsigned k = 0; k < 2; k++) {
            pid_t child = fork();

            check(child >= 0, "fork");
            all->slots[i + k].pid = child ? child : getpid();
            if (child)
                continue;
            self = i + k;
            partner = self ^ 1;
            first = k == 0;
            own = &all->slots[self];
            pair = &all->pairs[i / 2];
            pipe_in = first ? back[0] : there[0];
            pipe_out = first ? there[1] : back[1];
            close(first ? back[1] : there[1]);
            close(first ? there[0] : back[0]);
            pair_file = file;
            own_file = memfd_create("own", 0);
            check(own_file >= 0 && ftruncate(own_file, (off_t)(FILE_PAGES * page_size)) == 0, "memfd");
            work();
        }
        close(there[0]), close(there[1]), close(back[0]), close(back[1]), close(file);
    }
}

static void state_print(unsigned i)
{
    const struct slot *s = &all->slots[i];
    char path[64], line[200] = "gone";
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", s->pid);
    f = fopen(path, "r");
    if (f && !fgets(line, sizeof line, f))
        strcpy(line, "gone");
    if (f)
        fclose(f);
    line[40] = '\0';
    printf("process %u hangs in %s, step %u of round %lu; its partner is in %s, step %u; turn %u; %lu of %lu signals; %s\n",
           i, kind_names[s->kind], s->step, s->rounds, kind_names[all->slots[i ^ 1].kind],
           all->slots[i ^ 1].step, all->pairs[i / 2].turn, s->came, s->sent, line);
}

static void give_up(void)
{
    fflush(stdout);
    for (unsigned i = 0; i < processes; i++)
        kill(all->slots[i].pid, SIGKILL);
    exit(1);
}

/* One step of each within `patience`, until all have ended. */
static void processes_watch(void)
{
    unsigned long beats[PROCESSES_MAX] = { 0 };
    double since[PROCESSES_MAX];
    bool gone[PROCESSES_MAX] = { false };
    unsigned left = processes, hanging = 0;
    double latest = now(); /* a step of any: who waits at the barrier waits for all */

    for (unsigned i = 0; i < processes; i++)
        since[i] = now();
    while (left > 0 && !hanging) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            for (unsigned i = 0; i < processes; i++)
                gone[i] |= all->slots[i].pid == pid;
            left--;
            if (status != 0)
                printf("a process ended with %#x\n", status);
            if (status != 0 || all->failed)
                give_up();
        }
        for (unsigned i = 0; i < processes; i++) {
            if (beats[i] != all->slots[i].beats)
                since[i] = latest = now();
            beats[i] = all->slots[i].beats;
            if (gone[i] || now() - (all->slots[i].kind == BARRIER ? latest : since[i]) < patience)
                continue;
            state_print(i);
            hanging++;
        }
        usleep(100000);
    }
    if (hanging)
        give_up();
}

/* ---- before the storm: what a process shares with itself and with another one --------------- */

#define TURNS 20000

static char stack[65536] __attribute__((aligned(64)));
static atomic_bool over;

static void action_a(int sig)
{
    (void)sig;
}

static void action_b(int sig)
{
    (void)sig;
}

static int actions_flip(void *arg)
{
    struct sigaction a = { .sa_handler = action_a, .sa_flags = SA_RESTART };
    struct sigaction b = { .sa_handler = action_b, .sa_flags = SA_NODEFER };

    (void)arg;
    sigfillset(&a.sa_mask);
    for (unsigned i = 0; i < TURNS; i++)
        sigaction(SIGUSR2, i % 2 ? &a : &b, NULL);
    over = true;
    _exit(0);
}

/* A process that shares the actions sets one of two; the other sees one of them, whole. */
static void actions_shared(void)
{
    struct sigaction seen;
    int status;
    pid_t pid = clone(actions_flip, stack + sizeof stack, CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);

    check(pid > 0, "clone");
    while (!over) {
        bool a, b;

        check(sigaction(SIGUSR2, NULL, &seen) == 0, "sigaction");
        a = seen.sa_handler == action_a && (seen.sa_flags & SA_RESTART) && !(seen.sa_flags & SA_NODEFER) &&
            sigismember(&seen.sa_mask, SIGTERM) == 1;
        b = seen.sa_handler == action_b && (seen.sa_flags & SA_NODEFER) && !(seen.sa_flags & SA_RESTART) &&
            sigismember(&seen.sa_mask, SIGTERM) == 0;
        if (!a && !b && seen.sa_handler != SIG_DFL)
            fail("an action of two: handler %p, flags %#x, mask has %d", (void *)(uintptr_t)seen.sa_handler,
                 seen.sa_flags, sigismember(&seen.sa_mask, SIGTERM));
    }
    check(waitpid(pid, &status, 0) == pid && status == 0, "the process that shares actions");
    handler_set(SIGUSR2, SIG_DFL, 0);
}

static void timer_check(const struct itimerval *t, const char *who)
{
    long hours = t->it_interval.tv_sec / 3600;

    /* Far from its end: the value is just below its own interval. */
    if (t->it_interval.tv_sec % 3600 == 0 && t->it_value.tv_sec <= t->it_interval.tv_sec &&
        t->it_value.tv_sec >= t->it_interval.tv_sec - 600 && hours <= 2)
        return;
    fail("%s has a timer of two: %ld s every %ld s", who, (long)t->it_value.tv_sec, (long)t->it_interval.tv_sec);
}

static void *timer_flip(void *arg)
{
    long seconds_each = 3600 * (long)(uintptr_t)arg;
    struct itimerval set = { { seconds_each, 0 }, { seconds_each, 0 } }, old;

    for (unsigned i = 0; i < TURNS / 4; i++) {
        check(setitimer(ITIMER_REAL, &set, &old) == 0, "setitimer");
        timer_check(&old, "setitimer");
    }
    return NULL;
}

/* Threads set one timer of the process to this and that, or stop it. */
static void timers_shared(void)
{
    struct itimerval seen;
    pthread_t threads[3];

    for (uintptr_t i = 0; i < 3; i++)
        check(pthread_create(&threads[i], NULL, timer_flip, (void *)i) == 0, "pthread_create");
    for (unsigned i = 0; i < TURNS / 4; i++) {
        check(getitimer(ITIMER_REAL, &seen) == 0, "getitimer");
        timer_check(&seen, "getitimer");
    }
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    memset(&seen, 0, sizeof seen);
    check(setitimer(ITIMER_REAL, &seen, NULL) == 0, "setitimer");
}

static void run(double duration)
{
    all = map(sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    end = now() + duration;
    processes_start();
    processes_watch();
}

int main(int argc, char **argv)
{
    unsigned long sum[KINDS] = { 0 }, signals = 0;

    page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (argc > 1 && strcmp(argv[1], "-") == 0)
        return argc == 5 ? exec_main(argv) : 0;
    cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (argc > 1)
        processes = (unsigned)atoi(argv[1]) & ~1u;
    if (argc > 2)
        seconds = atof(argv[2]);
    if (argc > 3)
        patience = atof(argv[3]);
    if (processes < 2 || processes > PROCESSES_MAX)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    actions_shared();
    timers_shared();
    run(seconds);
    for (unsigned i = 0; i < processes; i++) {
        for (unsigned k = 0; k < KINDS; k++)
            sum[k] += all->slots[i].done[k];
        signals += all->slots[i].came;
    }
    printf("%u processes, %u CPUs:", processes, cpus);
    for (unsigned k = 0; k < BARRIER; k++)
        printf(" %s %lu", kind_names[k], sum[k]);
    printf(", %lu signals\n", signals);
    printf("ok\n");
    return 0;
}
