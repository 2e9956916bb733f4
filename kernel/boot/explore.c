// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <boot/explore.h>: the driver of the scenarios.
 *
 * Model: the workers are new threads when the machine is saved, so that a run costs what it does and
 * not what thread creation costs.  The last worker that is done checks and ends the run; where
 * workers end for good, the driver waits until they are gone and what they had is back.
 */
#include <boot/explore.h>

#include <core/irq.h>
#include <core/log.h>
#include <core/panic.h>
#include <hal/cpu.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define CASES_MAX 128
#define WARM_STACKS 8

static struct host_scenario scenarios[CASES_MAX];
static const struct explore_case *cases[CASES_MAX];
static unsigned case_count;

static const struct explore_case *the_case;
static struct thread *workers[EXPLORE_WORKERS];
static unsigned done; /* atomic */

struct thread *explore_worker(unsigned id)
{
    return workers[id];
}

static __noreturn void run_end(void)
{
    host_explore_end(the_case->check != NULL ? the_case->check() : NULL);
}

static void worker_main(void *arg)
{
    the_case->work((unsigned)(uintptr_t)arg);
    if (the_case->flags & EXPLORE_ENDS)
        return;
    if (atomic_add_fetch(&done, 1) == the_case->workers)
        run_end();
    for (;;) {
        thread_current()->state = THREAD_STOPPED;
        schedule();
    }
}

/* --- before the machine is saved --- */

static void panic_ends_run(struct log_sink *sink, const char *text, size_t n)
{
    char line[200];

    (void)sink;
    str_copy(line, text, MIN(n, sizeof(line)));
    host_explore_end(line);
}

static void cases_gather(void)
{
    registry_for_each(explore, c) {
        if (case_count == CASES_MAX)
            panic("more than %d scenarios", CASES_MAX);
        scenarios[case_count] = (struct host_scenario){ (*c)->name, (*c)->broken };
        cases[case_count++] = *c;
    }
}

static struct thread *worker_create(unsigned id)
{
    struct thread_params p = { .name = "worker", .level = LEVEL_NORMAL, .entry = worker_main,
                               .arg = (void *)(uintptr_t)id };
    struct thread *t = kzalloc(sizeof(*t));

    if (t == NULL || thread_init(t, &p) != 0)
        panic("no memory for a worker");
    return t;
}

/* Stacks that are mapped already, for threads that a case makes. */
static void stacks_warm(void)
{
    uintptr_t stack[WARM_STACKS];

    for (unsigned i = 0; i < WARM_STACKS; i++)
        stack[i] = vmap_stack_alloc();
    for (unsigned i = 0; i < WARM_STACKS; i++)
        vmap_stack_free(stack[i]);
}

static void pin(struct thread *t, unsigned cpu)
{
    uint64_t mask[CPU_MAX / 64] = { 0 };

    bitmap_set(mask, cpu % cpu_count);
    if (sched_set_affinity(t, mask) != 0)
        host_explore_end("a worker cannot be pinned");
}

/* --- a run --- */

static void drive(void)
{
    unsigned others = thread_count() - the_case->workers;

    host_clock_advance(explore_random(20 * NS_PER_MSEC)); /* to some moment between two ticks */
    if (the_case->prepare != NULL)
        the_case->prepare();
    for (unsigned i = 0; i < the_case->workers; i++) {
        if (!(the_case->flags & EXPLORE_FREE))
            pin(workers[i], i);
        thread_start(workers[i]);
    }
    if (the_case->flags & EXPLORE_ENDS) {
        while (thread_count() != others)
            (void)sleep_until(clock_monotonic() + 50 * NS_PER_USEC, false);
        run_end();
    }
    for (;;) {
        thread_current()->state = THREAD_STOPPED;
        schedule();
    }
}

void explore_run(struct log_sink *log)
{
    static struct log_sink findings = { .name = "findings", .write = panic_ends_run,
                                        .level = LOG_EMERG };

    cases_gather();
    stacks_warm();
    for (unsigned i = 0; i < EXPLORE_WORKERS; i++)
        workers[i] = worker_create(i);
    pin(thread_current(), 0);
    (void)sleep_until(clock_monotonic() + 50 * NS_PER_MSEC, false); /* others come up */
    if (!host_explore_traced()) {
        log_sink_remove(log);
        log_sink_add(&findings, false);
    }
    hal_irq_disable();
    the_case = cases[host_explore_start(scenarios, case_count)];
    hal_irq_enable();
    drive();
    __builtin_unreachable();
}
