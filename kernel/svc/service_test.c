// SPDX-License-Identifier: CC0-1.0
/* Purpose: the service locator: ratings, names, privileges, refusals. */
#include <svc/service.h>

#include <core/ktest.h>
#include <lib/string.h>
#include <sched/clock.h>
#include <sched/thread.h>
#include <sched/timer.h>
#include <svc/graph.h>

struct service_test_iface {
    int number;
};
SERVICE_TYPE(service_test, struct service_test_iface);

static const struct service_test_iface one = { 1 }, two = { 2 };

static bool find_counts(const struct service *s, void *arg)
{
    if (strcmp(s->type, "service_test") == 0)
        *(struct service *)arg = *s;
    return true;
}

KTEST(service, best_rating_and_name)
{
    const struct service_test_iface *got = NULL;

    KTEST_EQ(service_find_service_test(NULL, &got), -ENOENT);
    KTEST_REQUIRE(service_publish_service_test("low", &one, 10, PRIV_USER) == 0);
    KTEST_REQUIRE(service_publish_service_test("high", &two, 20, PRIV_USER) == 0);
    KTEST_EQ(service_publish_service_test("high", &one, 30, PRIV_USER), -EEXIST);
    KTEST_EQ(service_find_service_test(NULL, &got), 0);
    KTEST_TRUE(got == &two);
    KTEST_EQ(service_find_service_test_named(NULL, "low", &got), 0);
    KTEST_TRUE(got == &one);
    KTEST_EQ(service_find_service_test_named(NULL, "none", &got), -ENOENT);
    service_withdraw_service_test("high");
    KTEST_EQ(service_find_service_test(NULL, &got), 0);
    KTEST_TRUE(got == &one);
    service_withdraw_service_test("low");
    service_withdraw_service_test("low"); /* allowed */
    KTEST_EQ(service_find_service_test(NULL, &got), -ENOENT);
}

KTEST(service, privileges)
{
    static const struct subsystem user = { .name = "test user", .privilege = PRIV_USER };
    static const struct subsystem driver = { .name = "test driver", .privilege = PRIV_DRIVER };
    const struct service_test_iface *got = NULL;
    struct service s = { .name = NULL };

    KTEST_REQUIRE(service_publish_service_test("p", &one, 10, PRIV_DRIVER) == 0);
    KTEST_EQ(service_find_service_test(&user, &got), -EPERM);
    KTEST_TRUE(got == NULL);
    KTEST_EQ(service_find_service_test(&driver, &got), 0);
    KTEST_EQ(service_find_service_test(NULL, &got), 0);
    service_for_each(find_counts, &s);
    KTEST_TRUE(s.name != NULL && s.refused == 1 && s.users == 2);
    service_withdraw_service_test("p");
}

/* --- what a subsystem of little privilege can reach, by every public call --- */

static struct {
    const struct service_test_iface *found, *named, *forged, *forged_null, *listed, *of_thread;
    err_t find, find_named, find_forged, publish_over, publish_beside, publish_above, find_of_thread;
    err_t stop, start, restart;
    const struct subsystem *identity, *identity_of_thread;
    bool thread_done; /* atomic */
} tried;

static bool note_listed(const struct service *s, void *arg)
{
    if (strcmp(s->type, "service_test") == 0 && s->impl)
        tried.listed = s->impl;
    return true;
}

/* A thread of the subsystem's own, which outlives its init. */
static void thread_tries(void *arg)
{
    tried.identity_of_thread = subsystem_current();
    tried.find_of_thread = service_find_service_test(NULL, &tried.of_thread);
    atomic_store(&tried.thread_done, true);
}

static err_t try_everything(struct subsystem *self)
{
    static const struct subsystem kernel = { .name = "forged", .privilege = PRIV_KERNEL };

    tried.identity = subsystem_current();
    tried.find = service_find_service_test(self, &tried.found);
    tried.find_named = service_find_service_test_named(self, "secret", &tried.named);
    tried.find_forged = service_find_service_test(&kernel, &tried.forged);
    (void)(service_find_service_test(NULL, &tried.forged_null) == 0);
    service_for_each(note_listed, NULL);
    tried.publish_over = service_publish_service_test("secret", &two, 900, self->privilege);
    tried.publish_beside = service_publish_service_test("mine", &two, 900, self->privilege);
    tried.publish_above = service_publish_raw("service_test_2", "mine", &two, 1, PRIV_KERNEL);
    service_withdraw_service_test("secret");
    tried.stop = subsystem_stop("vfs");
    tried.start = subsystem_start("vfs");
    tried.restart = subsystem_restart("vfs");
    return kthread_start("ktest", LEVEL_HIGH, thread_tries, NULL) ? 0 : -ENOMEM;
}

static void try_as(struct ktest *t, enum privilege privilege)
{
    struct subsystem intruder = { .name = "intruder", .privilege = privilege,
                                  .late_init = try_everything };
    struct subsystem *const nodes[] = { &intruder };
    struct subsystem *order[1];
    struct graph g = { .nodes = nodes, .count = 1, .order = order };
    const struct service_test_iface *got = NULL;
    struct service s = { .name = NULL };
    uint64_t refused = services_refused();

    memset(&tried, 0, sizeof tried);
    graph_sort(&g);
    KTEST_REQUIRE(service_publish_service_test("secret", &one, 10, PRIV_KERNEL) == 0);
    KTEST_EQ(graph_start(&g, true), 0);
    while (!atomic_load(&tried.thread_done))
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    KTEST_TRUE(tried.identity == &intruder);
    KTEST_TRUE(tried.identity_of_thread == &intruder);
    KTEST_TRUE(subsystem_current() == NULL);
    KTEST_EQ(tried.find, -EPERM);
    KTEST_EQ(tried.find_named, -EPERM);
    KTEST_EQ(tried.find_forged, -EPERM);
    KTEST_EQ(tried.find_of_thread, -EPERM);
    KTEST_TRUE(!tried.found && !tried.named && !tried.forged && !tried.forged_null && !tried.listed &&
               !tried.of_thread);
    KTEST_EQ(tried.publish_over, -EPERM);
    KTEST_EQ(tried.publish_beside, -EPERM);
    KTEST_EQ(tried.publish_above, -EPERM);
    KTEST_TRUE(tried.stop != 0 && tried.start != 0 && tried.restart != 0);
    /* It is still there, still the same, and knows how often it was asked for in vain. */
    KTEST_EQ(service_find_service_test(NULL, &got), 0);
    KTEST_TRUE(got == &one);
    service_for_each(find_counts, &s);
    KTEST_EQ(s.refused, 9);
    KTEST_EQ(services_refused() - refused >= 10, true); /* publish_above, too, and other services listed */
    service_withdraw_service_test("secret");
}

KTEST(service, user_reaches_nothing_of_the_kernel)
{
    try_as(t, PRIV_USER);
}

KTEST(service, driver_reaches_nothing_of_the_kernel)
{
    try_as(t, PRIV_DRIVER);
}

static err_t kernel_may(struct subsystem *self)
{
    return service_find_service_test(self, &tried.found);
}

KTEST(service, kernel_subsystem_may)
{
    struct subsystem trusted = { .name = "trusted", .privilege = PRIV_KERNEL, .late_init = kernel_may };
    struct subsystem *const nodes[] = { &trusted };
    struct subsystem *order[1];
    struct graph g = { .nodes = nodes, .count = 1, .order = order };

    memset(&tried, 0, sizeof tried);
    graph_sort(&g);
    KTEST_REQUIRE(service_publish_service_test("secret", &one, 10, PRIV_KERNEL) == 0);
    KTEST_EQ(graph_start(&g, true), 0);
    KTEST_TRUE(tried.found == &one);
    service_withdraw_service_test("secret");
}
