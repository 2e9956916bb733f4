// SPDX-License-Identifier: CC0-1.0
/* Purpose: getrandom. */
#include <abi/syscalls_gen.h>
#include <core/random.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <proc/process.h>
#include <sched/clock.h>

#include <linux/random.h>

#define CHUNK 256
#define POLL_NS (10 * NS_PER_MSEC)

/* The pool fills from interrupts; nobody is woken by it, so look now and then. */
static err_t wait_for_seed(unsigned flags)
{
    while (!random_ready() && !(flags & GRND_INSECURE)) {
        err_t err;

        if (flags & GRND_NONBLOCK)
            return -EAGAIN;
        err = sleep_until(clock_monotonic() + POLL_NS, true);
        if (err)
            return err;
    }
    return 0;
}

long sys_getrandom(char __user *buf, size_t count, unsigned flags)
{
    uint8_t chunk[CHUNK];
    size_t done = 0;
    err_t err;

    if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    err = wait_for_seed(flags);
    if (err)
        return err;
    count = MIN(count, (size_t)INT_MAX);
    while (done < count) {
        size_t n = MIN(count - done, sizeof chunk);
        size_t left;

        if (done && signal_pending())
            break;
        random_bytes(chunk, n);
        left = user_copy_out(buf + done, chunk, n);
        done += n - left;
        if (left)
            break;
    }
    memset(chunk, 0, sizeof chunk);
    return done || !count ? (long)done : -EFAULT;
}
