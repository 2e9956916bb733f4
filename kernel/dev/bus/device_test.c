// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of the device model: who is bound when, what a removal does in which order, and that it
 * waits for those who are inside.
 */
#include <dev/bus/device.h>

#include <core/ktest.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/thread.h>
#include <sched/timer.h>

#define TRACE_MAX 256

static char trace[TRACE_MAX]; /* what happened, a letter each */
static unsigned released; /* atomic */
static bool refuse;

static void note(char c)
{
    size_t n = strlen(trace);

    if (n + 1 < sizeof trace) {
        trace[n] = c;
        trace[n + 1] = '\0';
    }
}

static void test_release(struct device *d)
{
    atomic_fetch_add(&released, 1);
    kfree(d);
}

static void test_unbound(struct device *d)
{
    (void)d;
    note('u');
}

static void test_removed(struct device *d)
{
    (void)d;
    note('g');
}

static struct bus test_bus = { .name = "ktest", .release = test_release, .unbound = test_unbound,
                               .removed = test_removed };

static bool test_match(const struct device *d)
{
    return d->name[0] == 'm';
}

static err_t test_probe(struct device *d)
{
    note('p');
    d->driver_data = d;
    return refuse ? -ENODEV : 0;
}

static void test_stop(struct device *d)
{
    (void)d;
    note('s');
}

static void test_remove(struct device *d)
{
    (void)d;
    note('r');
}

static struct driver test_driver = {
    .subsystem = { .name = "ktest-driver" }, .bus = &test_bus, .match = test_match,
    .probe = test_probe, .stop = test_stop, .remove = test_remove
};

/* A device in the tree, with a reference of the caller's; NULL: it could not be added. */
static struct device *add(struct device *parent, const char *name)
{
    struct device *d = kzalloc(sizeof *d);

    if (!d)
        return NULL;
    device_init(d, &test_bus, parent, "%s", name);
    if (device_add(d) == 0)
        return d;
    device_put(d);
    return NULL;
}

static bool begin(void)
{
    trace[0] = '\0';
    refuse = false;
    atomic_store(&released, 0u);
    return bus_add(&test_bus) == 0;
}

static void drop(struct device *d)
{
    device_remove(d);
    device_put(d);
}

KTEST(device, driver_first)
{
    struct device *d, *other;

    KTEST_REQUIRE(begin());
    KTEST_EQ(driver_start(&test_driver), 0);
    KTEST_EQ(driver_start(&test_driver), -EALREADY);
    d = add(NULL, "m0");
    other = add(NULL, "x0");
    KTEST_REQUIRE(d && other);
    KTEST_STR_EQ(trace, "p");
    KTEST_TRUE(device_is_bound(d) && !device_is_bound(other));
    KTEST_TRUE(d->driver_data == d);
    KTEST_EQ(device_enter(d), 0);
    device_leave(d);
    KTEST_EQ(device_enter(other), -ENODEV);
    KTEST_TRUE(add(NULL, "m0") == NULL);
    driver_stop(&test_driver);
    KTEST_STR_EQ(trace, "psru");
    KTEST_EQ(device_enter(d), -ENODEV);
    drop(d);
    drop(other);
    bus_remove(&test_bus);
    KTEST_EQ(released, 3);
    KTEST_STR_EQ(trace, "psrugg");
}

KTEST(device, device_first)
{
    struct device *d, *found;

    KTEST_REQUIRE(begin());
    d = add(NULL, "m0");
    KTEST_REQUIRE(d);
    refuse = true;
    KTEST_EQ(driver_start(&test_driver), 0);
    KTEST_TRUE(!device_is_bound(d));
    KTEST_STR_EQ(trace, "pu");
    driver_stop(&test_driver);
    refuse = false;
    KTEST_EQ(driver_start(&test_driver), 0);
    KTEST_TRUE(device_is_bound(d));
    found = device_find(&test_bus, "m0");
    KTEST_TRUE(found == d);
    device_put(found);
    KTEST_EQ(device_remove(d), 0);
    KTEST_EQ(device_remove(d), -ENODEV);
    KTEST_TRUE(device_find(&test_bus, "m0") == NULL);
    KTEST_EQ(device_enter(d), -ENODEV);
    KTEST_STR_EQ(trace, "pupsrug");
    KTEST_EQ(released, 0);
    device_put(d);
    KTEST_EQ(released, 1);
    driver_stop(&test_driver);
    bus_remove(&test_bus);
}

/* Children go before their parent, the last one's reference frees the parents. */
KTEST(device, tree)
{
    struct device *top, *middle, *leaf;
    char path[64];

    KTEST_REQUIRE(begin());
    top = add(NULL, "x0");
    middle = add(top, "m1");
    leaf = add(middle, "m2");
    KTEST_REQUIRE(top && middle && leaf);
    KTEST_STR_EQ(device_path(leaf, path, sizeof path), "devices/x0/m1/m2");
    KTEST_EQ(driver_start(&test_driver), 0);
    KTEST_EQ(device_remove(top), 0);
    KTEST_STR_EQ(trace, "ppsrugsrugg");
    KTEST_TRUE(add(top, "m3") == NULL);
    device_put(top);
    device_put(middle);
    KTEST_EQ(released, 1);
    device_put(leaf);
    KTEST_EQ(released, 4);
    driver_stop(&test_driver);
    bus_remove(&test_bus);
}

KTEST(device, resources)
{
    struct device *d = kzalloc(sizeof *d);
    struct device_resource r = { .kind = RESOURCE_MEMORY, .start = 0x1000, .size = 0x1000 };

    KTEST_REQUIRE(d);
    device_init(d, NULL, NULL, "r");
    KTEST_EQ(device_resource_add(d, &r), 0);
    r = (struct device_resource){ .kind = RESOURCE_IRQ, .start = 7, .size = 1 };
    while (d->resource_count < DEVICE_RESOURCES_MAX)
        KTEST_EQ(device_resource_add(d, &r), 0);
    KTEST_EQ(device_resource_add(d, &r), -ENOSPC);
    KTEST_EQ(device_resource(d, RESOURCE_MEMORY, 0)->start, 0x1000);
    KTEST_TRUE(device_resource(d, RESOURCE_MEMORY, 1) == NULL);
    KTEST_EQ(device_resource(d, RESOURCE_IRQ, 1)->start, 7);
    KTEST_TRUE(device_map(device_resource(d, RESOURCE_MEMORY, 0), 0x1000, 0) == NULL);
    KTEST_TRUE(device_map(device_resource(d, RESOURCE_MEMORY, 0), 0xfff, 2) == NULL);
    KTEST_TRUE(device_map(device_resource(d, RESOURCE_IRQ, 0), 0, 1) == NULL);
    device_put(d);
}

KTEST(device, dma)
{
    struct device *d = kzalloc(sizeof *d);
    struct dma_buffer b;
    paddr_t pa;

    KTEST_REQUIRE(d);
    device_init(d, NULL, NULL, "dma");
    KTEST_EQ(dma_alloc(d, 0, 1, &b), -EINVAL);
    KTEST_REQUIRE(dma_alloc(d, 3 * PAGE_SIZE + 1, 4 * PAGE_SIZE, &b) == 0);
    KTEST_TRUE(IS_ALIGNED(b.pa, 4 * PAGE_SIZE) && ((uint8_t *)b.va)[3 * PAGE_SIZE] == 0);
    KTEST_EQ(dma_address(d, b.va, b.size, &pa), 0);
    KTEST_EQ(pa, b.pa);
    d->dma_limit = b.pa + b.size - 2;
    KTEST_EQ(dma_address(d, b.va, b.size, &pa), -EFAULT);
    dma_free(&b);
    dma_free(&b);
    d->dma_limit = 0;
    KTEST_EQ(dma_alloc(d, 1, 1, &b), -ENOMEM);
    d->dma_coherent = false;
    KTEST_EQ(dma_alloc(d, 1, 1, &b), -EOPNOTSUPP);
    device_put(d);
}

/* --- many at once --- */

static unsigned inside, done, slots; /* atomic */
static struct thread *ended[4]; /* the first `slots` of them, once `done` says so */

/* The last that a thread of a test does here. */
static void thread_done(void)
{
    struct thread *self = thread_current();

    thread_get(self);
    ended[atomic_fetch_add(&slots, 1)] = self;
    atomic_fetch_add(&done, 1);
}

/* Until `n` threads have ended and nobody else has them: their memory does not count as lost. */
static void threads_await(unsigned n)
{
    while (atomic_load(&done) < n)
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    for (unsigned i = 0; i < n; i++) {
        while (atomic_load(&ended[i]->refs) != 1)
            (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
        thread_put(ended[i]);
    }
}
static bool going; /* atomic */

/* Uses the device as long as it may. */
static void user_thread(void *arg)
{
    struct device *d = arg;

    while (device_enter(d) == 0) {
        atomic_fetch_add(&inside, 1);
        (void)sleep_until(clock_monotonic() + 100 * NS_PER_USEC, false);
        atomic_fetch_sub(&inside, 1);
        device_leave(d);
    }
    device_put(d);
    thread_done();
}

static void watching_remove(struct device *d)
{
    (void)d;
    note(atomic_load(&inside) == 0 ? 'r' : '!');
}

KTEST(device, removal_waits)
{
    enum { USERS = 4 };
    struct driver driver = test_driver;
    struct device *d;

    KTEST_REQUIRE(begin());
    driver.remove = watching_remove;
    atomic_store(&inside, 0u);
    atomic_store(&done, 0u);
    atomic_store(&slots, 0u);
    KTEST_EQ(driver_start(&driver), 0);
    d = add(NULL, "m0");
    KTEST_REQUIRE(d);
    for (unsigned i = 0; i < USERS; i++) {
        device_get(d);
        KTEST_REQUIRE(kthread_start("device-user", LEVEL_NORMAL, user_thread, d));
    }
    (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    KTEST_EQ(device_remove(d), 0);
    KTEST_STR_EQ(trace, "psrug");
    threads_await(USERS);
    device_put(d);
    KTEST_EQ(released, 1);
    driver_stop(&driver);
    bus_remove(&test_bus);
}

static void remover_thread(void *arg)
{
    (void)arg;
    while (atomic_load(&going)) {
        struct device *d = device_find(&test_bus, "m0");

        if (d) {
            device_remove(d);
            device_put(d);
        }
        (void)sleep_until(clock_monotonic() + 50 * NS_PER_USEC, false);
    }
    thread_done();
}

static void restarter_thread(void *arg)
{
    while (atomic_load(&going)) {
        driver_stop(arg);
        (void)sleep_until(clock_monotonic() + 70 * NS_PER_USEC, false);
        (void)!driver_start(arg);
    }
    driver_stop(arg);
    thread_done();
}

/* Devices come, are removed by two, and their driver stops and starts: each goes once. */
KTEST(device, races)
{
    enum { ROUNDS = 60, THREADS = 3 };
    unsigned added = 0;

    KTEST_REQUIRE(begin());
    atomic_store(&done, 0u);
    atomic_store(&slots, 0u);
    atomic_store(&going, true);
    KTEST_REQUIRE(kthread_start("device-remove", LEVEL_NORMAL, remover_thread, NULL));
    KTEST_REQUIRE(kthread_start("device-remove", LEVEL_NORMAL, remover_thread, NULL));
    KTEST_REQUIRE(kthread_start("device-driver", LEVEL_NORMAL, restarter_thread, &test_driver));
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct device *d = add(NULL, "m0"), *child = d ? add(d, "m1") : NULL;

        added += (d != NULL) + (child != NULL);
        (void)sleep_until(clock_monotonic() + 40 * NS_PER_USEC, false);
        if (child)
            device_put(child);
        if (d)
            drop(d);
    }
    atomic_store(&going, false);
    threads_await(THREADS);
    KTEST_TRUE(added > 0);
    KTEST_TRUE(atomic_load(&released) >= added);
    bus_remove(&test_bus);
}
