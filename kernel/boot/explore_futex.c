// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interleavings of futexes: locks and condition variables as C libraries build them.
 * Source: U. Drepper, "Futexes Are Tricky", mutex2; robust lists: get_robust_list(2).
 */
#include <boot/explore.h>

#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/futex.h>
#include <proc/process.h>
#include <sched/clock.h>
#include <vm/space.h>

#include <linux/futex.h>
#include <linux/mman.h>

#define ROUNDS 3
#define AREA 0x50000000ul

enum { LOCK_WORD = AREA, CONDITION = AREA + 64, VALUE = AREA + 128, ROBUST = AREA + 256 };

static struct space *space;
static uint64_t total;
static unsigned inside;
static bool value_unlooked, wake_first; /* deliberate faults */

static uint32_t __user *word(vaddr_t at)
{
    return USER_PTR(uint32_t, at);
}

static uint32_t load(vaddr_t at)
{
    uint32_t v = 0;

    explore_point();
    explore_must(user_load_u32(word(at), &v) == 0);
    return v;
}

static uint32_t cas(vaddr_t at, uint32_t expected, uint32_t v)
{
    uint32_t old = 0;

    explore_point();
    explore_must(user_cas_u32(word(at), expected, v, &old) == 0);
    return old;
}

static uint32_t swap(vaddr_t at, uint32_t v)
{
    for (;;) {
        uint32_t old = load(at);

        if (cas(at, old, v) == old)
            return old;
    }
}

static void sleep_on(vaddr_t at, uint32_t val)
{
    struct futex_word w = { at, false };
    long err;

    if (value_unlooked)
        val = load(at); /* whatever it is: as if the kernel did not look */
    err = futex_wait(w, val, NS_NEVER, ~0u);
    explore_must(err == 0 || err == -EAGAIN);
}

static void wake(vaddr_t at, unsigned n)
{
    explore_must(futex_wake((struct futex_word){ at, false }, n, ~0u) >= 0);
}

/* 0 free, 1 held, 2 held and waited for. */
static void lock(void)
{
    uint32_t c = cas(LOCK_WORD, 0, 1);

    if (c == 0)
        return;
    if (c != 2)
        c = swap(LOCK_WORD, 2);
    while (c != 0) {
        sleep_on(LOCK_WORD, 2);
        c = swap(LOCK_WORD, 2);
    }
}

static void unlock(void)
{
    if (wake_first) {
        if (load(LOCK_WORD) == 2)
            wake(LOCK_WORD, 1);
        (void)swap(LOCK_WORD, 0);
    } else if (swap(LOCK_WORD, 0) == 2) {
        wake(LOCK_WORD, 1);
    }
}

static void critical(void)
{
    uint64_t was = total;

    explore_must(inside++ == 0);
    explore_point();
    inside--;
    total = was + 1;
}

static void space_prepare(void)
{
    struct map_request q = { .addr = AREA, .length = PAGE_SIZE, .map_flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
                             .vm_flags = VM_READ | VM_WRITE | VM_MAY_READ | VM_MAY_WRITE };
    uint8_t zero = 0;
    vaddr_t at;

    space = space_create();
    explore_must(space != NULL && space_map(space, &q, &at) == 0);
    explore_must(space_access(space, AREA, &zero, 1, true) == 1);
}

static void lock_work(unsigned id)
{
    (void)id;
    space_activate(space);
    for (unsigned i = 0; i < ROUNDS; i++) {
        lock();
        critical();
        unlock();
    }
}

static const char *lock_check(void)
{
    return total == 4 * ROUNDS ? NULL : "a round under the futex was lost";
}

static void unlooked_prepare(void)
{
    value_unlooked = true;
    space_prepare();
}

static void wake_first_prepare(void)
{
    wake_first = true;
    space_prepare();
}

EXPLORE(futex, .name = "futex.lock", .workers = 4, .prepare = space_prepare, .work = lock_work,
        .check = lock_check);
EXPLORE(futex_free, .name = "futex.lock_moving", .workers = 4, .flags = EXPLORE_FREE,
        .prepare = space_prepare, .work = lock_work, .check = lock_check);
EXPLORE(futex_unlooked, .name = "futex.lock!value_not_looked_at", .broken = true, .workers = 3,
        .prepare = unlooked_prepare, .work = lock_work);
EXPLORE(futex_wake_first, .name = "futex.lock!wakes_before_unlock", .broken = true, .workers = 3,
        .prepare = wake_first_prepare, .work = lock_work);

/* --- requeue: three wait for a condition, one tells them all --- */

static uint32_t waiting; /* under the lock */

static void condition_wait(void)
{
    uint32_t seen = load(CONDITION);

    waiting++;
    unlock();
    sleep_on(CONDITION, seen);
    while (swap(LOCK_WORD, 2) != 0)
        sleep_on(LOCK_WORD, 2);
}

static void condition_broadcast(void)
{
    struct futex_word from = { CONDITION, false }, to = { LOCK_WORD, false };
    long n;

    (void)swap(CONDITION, load(CONDITION) + 1);
    do
        n = futex_requeue(from, to, 1, 100, true, load(CONDITION));
    while (n == -EAGAIN);
    explore_must(n >= 0);
}

static void requeue_work(unsigned id)
{
    space_activate(space);
    lock();
    if (id == 0) {
        while (waiting != 3) {
            unlock();
            sched_yield();
            lock();
        }
        (void)swap(VALUE, 1);
        condition_broadcast();
    } else {
        while (load(VALUE) == 0)
            condition_wait();
    }
    critical();
    unlock();
}

EXPLORE(requeue, .name = "futex.requeue", .workers = 4, .prepare = space_prepare,
        .work = requeue_work);

/* --- time-outs: whoever is woken, or gives up, says so truly --- */

static uint32_t woken, reported; /* atomic */

static void timeout_work(unsigned id)
{
    struct futex_word w = { CONDITION, false };

    space_activate(space);
    for (unsigned i = 0; i < ROUNDS; i++) {
        long n;

        if (id == 0) {
            n = futex_wake(w, 1, ~0u);
            explore_must(n == 0 || n == 1);
            (void)atomic_fetch_add(&woken, (uint32_t)n);
        } else if (id == 1) {
            n = futex_requeue(w, (struct futex_word){ VALUE, false }, 0, 1, false, 0);
            explore_must(n == 0);
            n = futex_wake((struct futex_word){ VALUE, false }, 1, ~0u);
            (void)atomic_fetch_add(&woken, (uint32_t)n);
        } else {
            n = futex_wait(w, 0, clock_monotonic() + explore_random(4000), ~0u);
            explore_must(n == 0 || n == -ETIMEDOUT);
            (void)atomic_fetch_add(&reported, n == 0);
        }
    }
}

static const char *timeout_check(void)
{
    return woken == reported ? NULL : "wakers and waiters do not agree who was woken";
}

EXPLORE(futex_timeout, .name = "futex.timeout", .workers = 4, .prepare = space_prepare,
        .work = timeout_work, .check = timeout_check);

/* --- robust: the holder dies --- */

#define DEAD_ID 77

static struct task *dying;

static void robust_prepare(void)
{
    struct robust_list_head head = { .list.next = (void *)(ROBUST + 64), .futex_offset = 32 };
    uint64_t back = ROBUST;
    uint32_t held = DEAD_ID;

    space_prepare();
    dying = kzalloc(sizeof(*dying));
    explore_must(dying != NULL);
    dying->id = DEAD_ID;
    dying->robust_list = ROBUST;
    explore_must(space_access(space, ROBUST, &head, sizeof(head), true) == sizeof(head));
    explore_must(space_access(space, ROBUST + 64, &back, sizeof(back), true) == sizeof(back));
    explore_must(space_access(space, ROBUST + 96, &held, sizeof(held), true) == sizeof(held));
}

static void robust_work(unsigned id)
{
    const vaddr_t at = ROBUST + 96;
    struct futex_word w = { at, true }; /* as the kernel looks for them */
    uint32_t v;

    space_activate(space);
    if (id == 0) {
        futex_task_exit(dying);
        return;
    }
    for (uint32_t others = 0;; others = FUTEX_WAITERS) { /* who has slept knows of no others */
        v = load(at);
        if ((v & FUTEX_TID_MASK) == 0) {
            if (cas(at, v, (v & FUTEX_WAITERS) | others | id) == v)
                break;
            continue;
        }
        if (!(v & FUTEX_WAITERS) && cas(at, v, v | FUTEX_WAITERS) != v)
            continue;
        (void)futex_wait(w, v | FUTEX_WAITERS, NS_NEVER, ~0u);
    }
    critical();
    do
        v = load(at);
    while (cas(at, v, 0) != v);
    if (v & FUTEX_WAITERS)
        explore_must(futex_wake(w, 1, ~0u) >= 0);
}

static const char *robust_check(void)
{
    return total == 3 ? NULL : "not everybody got the dead thread's lock";
}

EXPLORE(robust, .name = "futex.robust", .workers = 4, .prepare = robust_prepare,
        .work = robust_work, .check = robust_check);
