// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the clocks without entering the kernel: the virtual counter and the page of
 * <hal/vdso.h>.  Whatever that does not cover makes the system call.
 */
#include <hal/vdso.h>

#include <asm/unistd.h>
#include <linux/time.h>
#include <linux/time_types.h>

extern const struct vdso_data vdso_data[] __attribute__((visibility("hidden")));

#define EXPORT __attribute__((visibility("default")))

EXPORT int __kernel_clock_gettime(int clock, struct __kernel_timespec *ts);
EXPORT int __kernel_clock_getres(int clock, struct __kernel_timespec *ts);
EXPORT int __kernel_gettimeofday(struct timeval *tv, struct timezone *tz);

static long call2(long nr, long a, long b)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
    return x0;
}

static __always_inline uint64_t counter_read(void)
{
    uint64_t v;

    /* The barrier keeps the read behind that of the sequence (Arm ARM D11.2.2). */
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v)::"memory");
    return v;
}

#define CLOCKS_FINE                                                                                \
    (BIT(CLOCK_REALTIME) | BIT(CLOCK_MONOTONIC) | BIT(CLOCK_MONOTONIC_RAW) | BIT(CLOCK_BOOTTIME))
#define CLOCKS_COARSE (BIT(CLOCK_REALTIME_COARSE) | BIT(CLOCK_MONOTONIC_COARSE))

/* `clock` is a constant, so each caller gets a straight line of its own.
 * Return: false when only the kernel knows. */
static __always_inline bool clock_read(unsigned clock, uint64_t *ns)
{
    const struct vdso_data *d = vdso_data;
    uint32_t seq;

    do {
        do
            seq = __atomic_load_n(&d->seq, __ATOMIC_ACQUIRE);
        while (unlikely(seq & 1));
        if (unlikely(d->mode == 0))
            return false;
        if (BIT(clock) & CLOCKS_COARSE)
            *ns = d->coarse_ns;
        else
            *ns = d->mono_ns + ((counter_read() - d->base_cycles) * d->mult >> d->shift);
        if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
            *ns += d->real_offset_ns;
        if (clock == CLOCK_BOOTTIME)
            *ns += d->boot_offset_ns;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (unlikely(__atomic_load_n(&d->seq, __ATOMIC_RELAXED) != seq));
    return true;
}

static bool clock_read_any(unsigned clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
        return clock_read(CLOCK_REALTIME, ns);
    case CLOCK_MONOTONIC_RAW:
        return clock_read(CLOCK_MONOTONIC, ns); /* nothing ever slews it */
    case CLOCK_BOOTTIME:
        return clock_read(CLOCK_BOOTTIME, ns);
    case CLOCK_REALTIME_COARSE:
        return clock_read(CLOCK_REALTIME_COARSE, ns);
    case CLOCK_MONOTONIC_COARSE:
        return clock_read(CLOCK_MONOTONIC_COARSE, ns);
    default:
        return false;
    }
}

/* One division instruction: a multiplication by the inverse of the constant is twice as long. */
static __always_inline void seconds_split(uint64_t ns, long long *seconds, long long *rest)
{
    uint64_t second = NS_PER_SEC;

    __asm__("" : "+r"(second));
    *seconds = (long long)(ns / second);
    *rest = (long long)(ns - ns / second * second);
}

int __kernel_clock_gettime(int clock, struct __kernel_timespec *ts)
{
    uint64_t ns;

    if (likely(clock == CLOCK_MONOTONIC)) {
        if (unlikely(!clock_read(CLOCK_MONOTONIC, &ns)))
            return (int)call2(__NR_clock_gettime, clock, (long)ts);
    } else if (!clock_read_any((unsigned)clock, &ns)) {
        return (int)call2(__NR_clock_gettime, clock, (long)ts);
    }
    seconds_split(ns, &ts->tv_sec, &ts->tv_nsec);
    return 0;
}

int __kernel_gettimeofday(struct timeval *tv, struct timezone *tz)
{
    uint64_t ns;

    if (!clock_read(CLOCK_REALTIME, &ns))
        return (int)call2(__NR_gettimeofday, (long)tv, (long)tz);
    if (tv != NULL) {
        tv->tv_sec = (long)(ns / NS_PER_SEC);
        tv->tv_usec = (long)(ns % NS_PER_SEC / NS_PER_USEC);
    }
    if (tz != NULL)
        *tz = (struct timezone){ 0 };
    return 0;
}

int __kernel_clock_getres(int clock, struct __kernel_timespec *ts)
{
    if ((unsigned)clock > CLOCK_BOOTTIME || !(BIT(clock) & CLOCKS_FINE))
        return (int)call2(__NR_clock_getres, clock, (long)ts);
    if (ts != NULL)
        *ts = (struct __kernel_timespec){ .tv_nsec = 1 };
    return 0;
}
