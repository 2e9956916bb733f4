// SPDX-License-Identifier: CC0-1.0
/* Purpose: a big-reader lock's two sides on one CPU; between CPUs the host's explorer tries it. */
#include <core/ktest.h>

#include <core/brlock.h>

static struct brlock lock = BRLOCK_INIT(LOCK_DEVICE);

KTEST(brlock, reader_marks_its_cpu_alone)
{
    unsigned marked = 0;

    brlock_read(&lock);
    unsigned me = cpu_current()->id;

    for (unsigned i = 0; i < CPU_MAX; i++)
        marked += lock.readers[i].reads;
    KTEST_EQ(marked, 1);
    KTEST_EQ(lock.readers[me].reads, 1);
    KTEST_TRUE(!spin_held(&lock.lock));
    brlock_read_done(&lock);
    KTEST_EQ(lock.readers[me].reads, 0);
}

KTEST(brlock, writer_holds_the_spinlock)
{
    brlock_write(&lock);
    KTEST_TRUE(spin_held(&lock.lock));
    KTEST_EQ(lock.writer, 1);
    KTEST_TRUE(!brlock_write_try(&lock));
    brlock_write_done(&lock);
    KTEST_EQ(lock.writer, 0);
    KTEST_REQUIRE(brlock_write_try(&lock));
    brlock_write_done(&lock);
    KTEST_TRUE(!spin_held(&lock.lock));
}

KTEST(brlock, words_share_no_line)
{
    KTEST_EQ(sizeof lock.readers[0], BRLOCK_LINE);
    KTEST_EQ((uintptr_t)&lock.readers[0] % BRLOCK_LINE, 0);
    KTEST_TRUE((uintptr_t)&lock.writer / BRLOCK_LINE != (uintptr_t)&lock.readers[0] / BRLOCK_LINE);
}

/* As the reader of another CPU would: it does not get past the writer, and both come to their end. */
KTEST(brlock, reader_waits_by_the_spinlock)
{
    struct lock_stat before, after;
    bool counts = lock_stat_get(LOCK_DEVICE, &before);

    preempt_disable();
    lock.readers[cpu_current()->id].reads = 1;
    brlock_read_wait(&lock); /* as if a writer had just gone */
    KTEST_EQ(lock.readers[cpu_current()->id].reads, 1);
    KTEST_TRUE(!spin_held(&lock.lock));
    lock.readers[cpu_current()->id].reads = 0;
    preempt_enable();
    brlock_read(&lock);
    brlock_read_done(&lock);
    (void)lock_stat_get(LOCK_DEVICE, &after);
    KTEST_TRUE(!counts || after.taken > before.taken);
}

KTEST(brlock, unread_sees_both_sides)
{
    KTEST_TRUE(brlock_unread(&lock));
    brlock_read(&lock);
    KTEST_TRUE(!brlock_unread(&lock));
    brlock_read_done(&lock);
    brlock_write(&lock);
    KTEST_TRUE(!brlock_unread(&lock));
    brlock_write_done(&lock);
    KTEST_TRUE(brlock_unread(&lock));
}
