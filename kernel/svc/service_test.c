// SPDX-License-Identifier: CC0-1.0
/* Purpose: the service locator: ratings, names, privileges, refusals. */
#include <svc/service.h>

#include <core/ktest.h>
#include <lib/string.h>

struct service_test_iface {
    int number;
};
SERVICE_TYPE(service_test, struct service_test_iface);

static const struct service_test_iface one = { 1 }, two = { 2 };

static bool find_counts(const struct service *s, void *arg)
{
    if (strcmp(s->type, "service_test") == 0)
        *(const struct service **)arg = s;
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
    const struct service *s = NULL;

    KTEST_REQUIRE(service_publish_service_test("p", &one, 10, PRIV_DRIVER) == 0);
    KTEST_EQ(service_find_service_test(&user, &got), -EPERM);
    KTEST_TRUE(got == NULL);
    KTEST_EQ(service_find_service_test(&driver, &got), 0);
    KTEST_EQ(service_find_service_test(NULL, &got), 0);
    service_for_each(find_counts, &s);
    KTEST_TRUE(s != NULL && s->refused == 1 && s->users == 2);
    service_withdraw_service_test("p");
}
