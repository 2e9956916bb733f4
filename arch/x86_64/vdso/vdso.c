// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the code that programs call to learn the time and their CPU without entering the kernel
 * (vdso(7)): a shared object of its own, mapped right above the page that <hal/vdso.h> describes.
 * Model: runs in user mode at an address chosen by ASLR; everything is found relative to %rip.
 */
#include <hal/vdso.h>
#include <lib/atomic.h>

#include <asm/unistd.h>
#include <linux/time.h>
#include <linux/time_types.h>

#define EXPORT __attribute__((visibility("default")))
/* Also under the name without the prefix. */
#define ALIAS(name) __attribute__((weak, alias("__vdso_" #name), visibility("default")))
#define CPU_NUMBER_SELECTOR 0x7b /* GDT_CPU_NUMBER, DPL 3: <arch/context.h> */

/* The page below the ELF header; in assembly, for to C it lies outside of every object. */
static __always_inline const struct vdso_data *data_page(void)
{
    const struct vdso_data *d;

    __asm__(".hidden __ehdr_start\n\tleaq __ehdr_start-4096(%%rip), %0" : "=r"(d));
    return d;
}

static __always_inline long syscall2(long nr, long a, long b)
{
    long ret;

    __asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return ret;
}

/* LFENCE: not before the loads above it (SDM vol. 2, RDTSC). */
static __always_inline uint64_t counter(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

static __always_inline uint32_t read_begin(const struct vdso_data *d)
{
    uint32_t seq;

    while (unlikely((seq = atomic_load(&d->seq)) & 1))
        __asm__ volatile("pause");
    return seq;
}

static __always_inline bool read_retry(const struct vdso_data *d, uint32_t seq)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return unlikely(atomic_load_relaxed(&d->seq) != seq);
}

static __always_inline uint64_t offset_of_clock(const struct vdso_data *d, unsigned clock)
{
    if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE)
        return 0;
    return clock == CLOCK_BOOTTIME ? d->boot_offset_ns : d->real_offset_ns;
}

/* Return: false when the counter is not for user mode. */
static __always_inline bool clock_read(unsigned clock, uint64_t *ns)
{
    const struct vdso_data *d = data_page();
    uint32_t seq;

    do {
        uint64_t delta;

        seq = read_begin(d);
        if (unlikely(!d->mode))
            return false;
        delta = counter() - d->base_cycles;
        if (unlikely((int64_t)delta < 0))
            delta = 0;
        *ns = d->mono_ns + (delta * d->mult >> d->shift) + offset_of_clock(d, clock);
    } while (read_retry(d, seq));
    return true;
}

static __always_inline void clock_read_coarse(unsigned clock, uint64_t *ns)
{
    const struct vdso_data *d = data_page();
    uint32_t seq;

    do {
        seq = read_begin(d);
        *ns = d->coarse_ns + offset_of_clock(d, clock);
    } while (read_retry(d, seq));
}

static __always_inline void timespec_set(struct __kernel_timespec *ts, uint64_t ns)
{
    ts->tv_sec = (int64_t)(ns / NS_PER_SEC);
    ts->tv_nsec = (int64_t)(ns % NS_PER_SEC);
}

#define CLOCKS_FINE (1u << CLOCK_REALTIME | 1u << CLOCK_MONOTONIC | 1u << CLOCK_MONOTONIC_RAW | \
                     1u << CLOCK_BOOTTIME)
#define CLOCKS_COARSE (1u << CLOCK_REALTIME_COARSE | 1u << CLOCK_MONOTONIC_COARSE)

EXPORT int __vdso_clock_gettime(int clock, struct __kernel_timespec *ts)
{
    uint64_t ns;

    if (likely((unsigned)clock < 32)) {
        if (likely(CLOCKS_FINE >> clock & 1) && likely(clock_read((unsigned)clock, &ns))) {
            timespec_set(ts, ns);
            return 0;
        }
        if (CLOCKS_COARSE >> clock & 1) {
            clock_read_coarse((unsigned)clock, &ns);
            timespec_set(ts, ns);
            return 0;
        }
    }
    return (int)syscall2(__NR_clock_gettime, clock, (long)ts);
}

EXPORT int __vdso_clock_getres(int clock, struct __kernel_timespec *res)
{
    return (int)syscall2(__NR_clock_getres, clock, (long)res);
}

EXPORT int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz)
{
    uint64_t ns;

    if (tz || !clock_read(CLOCK_REALTIME, &ns))
        return (int)syscall2(__NR_gettimeofday, (long)tv, (long)tz);
    if (tv) {
        tv->tv_sec = (long)(ns / NS_PER_SEC);
        tv->tv_usec = (long)(ns % NS_PER_SEC / NS_PER_USEC);
    }
    return 0;
}

EXPORT long __vdso_time(long *t)
{
    uint64_t ns;
    long seconds;

    clock_read_coarse(CLOCK_REALTIME_COARSE, &ns);
    seconds = (long)(ns / NS_PER_SEC);
    if (t)
        *t = seconds;
    return seconds;
}

EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    unsigned v;

    __asm__("lsl %1, %0" : "=r"(v) : "r"(CPU_NUMBER_SELECTOR));
    if (cpu)
        *cpu = v & 0xfff;
    if (node)
        *node = v >> 12;
    return 0;
}

ALIAS(clock_gettime) int clock_gettime(int clock, struct __kernel_timespec *ts);
ALIAS(clock_getres) int clock_getres(int clock, struct __kernel_timespec *res);
ALIAS(gettimeofday) int gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz);
ALIAS(time) long time(long *t);
ALIAS(getcpu) long getcpu(unsigned *cpu, unsigned *node, void *unused);
