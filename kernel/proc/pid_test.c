// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the table of ids. */
#include <proc/pid.h>

#include <core/ktest.h>

KTEST(pid, alloc_is_next_fit)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    pid_t a = pid_alloc(), b = pid_alloc(), c;

    KTEST_TRUE(a > 0 && b > a);
    pid_release(a, NULL);
    c = pid_alloc();
    KTEST_TRUE(c > b); /* a freed number does not come back at once */
    pid_release(b, NULL);
    pid_release(c, NULL);
    brlock_write_irqrestore(&tree_lock, flags);
}

KTEST(pid, exact_and_bounds)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);

    KTEST_EQ(pid_alloc_exact(0), -EINVAL);
    KTEST_EQ(pid_alloc_exact(-1), -EINVAL);
    KTEST_EQ(pid_alloc_exact(PID_MAX), -EINVAL);
    if (KTEST_EQ(pid_alloc_exact(PID_MAX - 1), 0)) {
        KTEST_EQ(pid_alloc_exact(PID_MAX - 1), -EEXIST);
        KTEST_TRUE(pid_slot(PID_MAX - 1) != NULL);
        KTEST_EQ(pid_next(PID_MAX - 1), PID_MAX - 1);
        pid_release(PID_MAX - 1, NULL);
    }
    KTEST_EQ(pid_next(PID_MAX), 0);
    KTEST_TRUE(pid_slot(0) == NULL);
    KTEST_TRUE(pid_slot(-5) == NULL);
    KTEST_TRUE(pid_slot(PID_MAX) == NULL);
    KTEST_TRUE(task_find(INT_MAX) == NULL);
    brlock_write_irqrestore(&tree_lock, flags);
}

KTEST(pid, occupied_number_is_kept)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    pid_t pid = pid_alloc();
    struct session s;

    KTEST_TRUE(pid > 0);
    pid_hold(pid);
    pid_slot(pid)->session = &s;
    pid_release(pid, NULL);
    KTEST_EQ(pid_alloc_exact(pid), -EEXIST);
    pid_release(pid, &s);
    KTEST_EQ(pid_alloc_exact(pid), 0);
    pid_release(pid, NULL);
    brlock_write_irqrestore(&tree_lock, flags);
}
