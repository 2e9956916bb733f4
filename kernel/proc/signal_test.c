// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of sending and queueing, on a process that never runs.
 */
#include <proc/signal.h>

#include <core/ktest.h>
#include <lib/string.h>
#include <proc/internal.h>
#include <proc/process.h>

struct fixture {
    struct process *p;
    struct task *t;
};

static void nothing(void *arg)
{
}

static bool fixture_make(struct fixture *f)
{
    struct thread_params params = { .name = "ktest", .level = LEVEL_NORMAL, .entry = nothing };
    unsigned long flags;

    f->p = process_create();
    if (!f->p)
        return false;
    f->p->sighand = sighand_create(NULL);
    f->p->limits.r[RLIMIT_SIGPENDING].rlim_cur = 4;
    f->t = task_create(f->p);
    if (!f->t || !f->p->sighand)
        return false;
    params.release = f->t->thread.release;
    if (thread_init(&f->t->thread, &params))
        return false;
    flags = brlock_write_irqsave(&tree_lock);
    f->t->user = user_count_add(4711, UINT64_MAX);
    brlock_write_irqrestore(&tree_lock, flags);
    if (IS_ERR(f->t->user))
        return false;
    list_add_tail(&f->p->tasks, &f->t->process_link);
    f->p->task_count = f->p->live = 1;
    f->p->leader = f->t;
    return true;
}

static void fixture_free(struct fixture *f)
{
    unsigned long flags;

    list_del(&f->t->process_link);
    f->p->task_count = 0;
    signal_queue_flush(&f->t->pending);
    signal_queue_flush(&f->p->pending);
    flags = brlock_write_irqsave(&tree_lock);
    user_count_sub(f->t->user);
    brlock_write_irqrestore(&tree_lock, flags);
    thread_discard(&f->t->thread);
    task_destroy(f->t);
    process_put(f->p);
}

static void handle(struct fixture *f, int sig)
{
    f->p->sighand->action[sig - 1].handler = 0x1000;
}

static void info_value(siginfo_t *i, int sig, int value)
{
    memset(i, 0, sizeof *i);
    i->si_signo = sig;
    i->si_code = SI_QUEUE;
    i->si_int = value;
}

KTEST(signal, standard_is_queued_once)
{
    struct fixture f;
    siginfo_t info;

    KTEST_REQUIRE(fixture_make(&f));
    handle(&f, SIGUSR1);
    KTEST_EQ(signal_send_process(f.p, SIGUSR1, NULL), 0);
    KTEST_EQ(signal_send_process(f.p, SIGUSR1, NULL), 0);
    KTEST_TRUE(f.t->thread.ctx.pending & PENDING_SIGNAL);
    KTEST_EQ(signal_take(f.t, ~0ull, &info), SIGUSR1);
    KTEST_EQ(info.si_code, SI_KERNEL);
    KTEST_EQ(signal_take(f.t, ~0ull, &info), 0);
    fixture_free(&f);
}

KTEST(signal, realtime_keeps_order_and_limit)
{
    struct fixture f;
    siginfo_t info;
    int sig = SIGRTMIN + 3;

    KTEST_REQUIRE(fixture_make(&f));
    handle(&f, sig);
    for (int i = 0; i < 4; i++) {
        info_value(&info, sig, i);
        KTEST_EQ(signal_send_process(f.p, sig, &info), 0);
    }
    info_value(&info, sig, 4);
    KTEST_EQ(signal_send_process(f.p, sig, &info), -EAGAIN);
    for (int i = 0; i < 4; i++) {
        KTEST_EQ(signal_take(f.t, SIG_BIT(sig), &info), sig);
        KTEST_EQ(info.si_int, i);
    }
    KTEST_EQ(signal_take(f.t, ~0ull, &info), 0);
    KTEST_EQ(f.t->user->signals, 0);
    fixture_free(&f);
}

KTEST(signal, ignored_is_dropped_unless_blocked)
{
    struct fixture f;
    siginfo_t info;

    KTEST_REQUIRE(fixture_make(&f));
    KTEST_EQ(signal_send_process(f.p, SIGCHLD, NULL), 0);
    KTEST_EQ(signal_pending_set(f.t), 0);
    f.t->blocked = SIG_BIT(SIGCHLD);
    KTEST_EQ(signal_send_process(f.p, SIGCHLD, NULL), 0);
    KTEST_EQ(signal_pending_set(f.t), SIG_BIT(SIGCHLD));
    KTEST_EQ(signal_take(f.t, SIG_BIT(SIGCHLD), &info), SIGCHLD);
    fixture_free(&f);
}

KTEST(signal, stop_and_continue_cancel)
{
    struct fixture f;

    KTEST_REQUIRE(fixture_make(&f));
    f.t->blocked = ~0ull;
    handle(&f, SIGCONT);
    KTEST_EQ(signal_send_process(f.p, SIGTSTP, NULL), 0);
    KTEST_EQ(signal_pending_set(f.t), SIG_BIT(SIGTSTP));
    KTEST_EQ(signal_send_process(f.p, SIGCONT, NULL), 0);
    KTEST_EQ(signal_pending_set(f.t), SIG_BIT(SIGCONT));
    KTEST_EQ(signal_send_process(f.p, SIGSTOP, NULL), 0);
    KTEST_EQ(signal_pending_set(f.t), SIG_BIT(SIGSTOP));
    fixture_free(&f);
}

KTEST(signal, kill_marks_every_task)
{
    struct fixture f;

    KTEST_REQUIRE(fixture_make(&f));
    KTEST_EQ(signal_send_process(f.p, SIGKILL, NULL), 0);
    KTEST_TRUE(f.p->exiting && f.t->killed);
    KTEST_EQ(f.p->exit_status, SIGKILL);
    fixture_free(&f);
}

KTEST(signal, process_1_takes_only_what_it_handles)
{
    struct fixture f;

    KTEST_REQUIRE(fixture_make(&f));
    f.p->unkillable = true;
    KTEST_EQ(signal_send_process(f.p, SIGKILL, NULL), 0);
    KTEST_EQ(signal_send_process(f.p, SIGTERM, NULL), 0);
    KTEST_EQ(signal_send_process(f.p, SIGSTOP, NULL), 0);
    KTEST_TRUE(!f.p->exiting);
    KTEST_EQ(signal_pending_set(f.t), 0);
    handle(&f, SIGTERM);
    KTEST_EQ(signal_send_process(f.p, SIGTERM, NULL), 0);
    KTEST_EQ(signal_pending_set(f.t), SIG_BIT(SIGTERM));
    fixture_free(&f);
}

KTEST(signal, faults_come_first)
{
    struct fixture f;
    siginfo_t info;

    KTEST_REQUIRE(fixture_make(&f));
    handle(&f, SIGHUP);
    handle(&f, SIGSEGV);
    KTEST_EQ(signal_send_task(f.t, SIGHUP, NULL), 0);
    KTEST_EQ(signal_send_task(f.t, SIGSEGV, NULL), 0);
    KTEST_EQ(signal_take(f.t, ~0ull, &info), SIGSEGV);
    KTEST_EQ(signal_take(f.t, ~0ull, &info), SIGHUP);
    fixture_free(&f);
}
