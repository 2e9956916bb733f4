// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PC's interval timer (Intel 8254, 231164): channel 0 as one-shot event device, channel
 * 2 as the clock source of a machine that has no other, and what others are measured by.
 *
 * Model: in mode 0 the output rises when the count reaches 0 and stays there; a new count, two
 * bytes, starts over.  16 bits reach 54.9 ms: a later deadline fires early and is asked for again.
 * Channel 2, whose gate is in port 0x61, counts down through all 16 bits again and again; each
 * reading adds what has passed since the last one: when nobody reads for 54.9 ms, the clock is late, but it never
 * goes back.
 * Locking: interrupts off and one CPU for channel 0; pit_lock for the latch of channel 2.
 */
#define LOG_TAG "pit"
#include <core/irq.h>
#include <core/log.h>
#include <core/spinlock.h>
#include <dev/services.h>
#include <hal/io.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#define PIT_HZ 1193182ull
#define PIT_CHANNEL0 0x40
#define PIT_CHANNEL2 0x42
#define PIT_CONTROL 0x43
#define PIT_MODE0 0x30 /* both bytes, mode 0, binary */
#define PIT_SELECT2 0x80
#define PIT_LATCH2 0x80
#define PIT_IRQ 0
#define PIT_COUNT_MAX 0xffffull
#define COUNT_SPINS 10000

#define NMI_STATUS 0x61
#define SPEAKER_GATE 0x01
#define SPEAKER_DATA 0x02

#define DELTA_MAX (PIT_COUNT_MAX * NS_PER_SEC / PIT_HZ)
/* Counts for each ns, times 2^32. */
#define COUNTS_MULT ((PIT_HZ << 32) / NS_PER_SEC)

static struct spinlock pit_lock = SPINLOCK_INIT(LOCK_LOG); /* last of all: any code reads the clock */
static uint16_t count_last; /* of channel 2; pit_lock */
static uint64_t counted; /* since boot; pit_lock */
static bool wanted; /* channel 0 was asked for a deadline: its interrupts are ours; own CPU */

/* --- event device ------------------------------------------------------------------------------ */

static void count_write(uint32_t count)
{
    port_write8(PIT_CHANNEL0, (uint8_t)count);
    port_write8(PIT_CHANNEL0, (uint8_t)(count >> 8));
}

/* Rounded up: an interrupt before the deadline would have to be asked for again. */
static uint32_t count_for(ns_t delta)
{
    return (uint32_t)MIN((MIN(delta, DELTA_MAX) * COUNTS_MULT >> 32) + 1, PIT_COUNT_MAX);
}

static void pit_set_deadline(struct clock_event *dev, ns_t now, ns_t deadline)
{
    (void)dev;
    wanted = deadline != NS_NEVER;
    if (wanted)
        count_write(count_for(deadline > now ? deadline - now : 0));
    else
        port_write8(PIT_CONTROL, PIT_MODE0); /* waits for a count */
}

static struct clock_event pit_event = {
    .name = "pit",
    .rating = 100,
    .set_deadline = pit_set_deadline,
};

static void pit_interrupt(unsigned irq, void *arg)
{
    (void)irq;
    (void)arg;
    if (wanted) /* else it is the HPET's */
        timer_interrupt();
}

/* --- clock source ------------------------------------------------------------------------------ */

static uint64_t pit_read(void)
{
    unsigned long flags = spin_lock_irqsave(&pit_lock);
    uint16_t count;
    uint64_t all;

    port_write8(PIT_CONTROL, PIT_LATCH2);
    count = port_read8(PIT_CHANNEL2);
    count |= (uint16_t)(port_read8(PIT_CHANNEL2) << 8);
    all = counted += (uint16_t)(count_last - count);
    count_last = count;
    spin_unlock_irqrestore(&pit_lock, flags);
    return all;
}

static struct clock_source pit_source = {
    .name = "pit", .rating = 110, .read = pit_read, .hz = PIT_HZ, .mask = UINT64_MAX,
    .reach = PIT_COUNT_MAX
};

static void source_run(void)
{
    port_write8(NMI_STATUS, (uint8_t)((port_read8(NMI_STATUS) & ~SPEAKER_DATA) | SPEAKER_GATE));
    port_write8(PIT_CONTROL, PIT_SELECT2 | PIT_MODE0);
    port_write8(PIT_CHANNEL2, 0xff);
    port_write8(PIT_CHANNEL2, 0xff);
}

static bool counts(void)
{
    uint64_t start = pit_read();

    for (unsigned n = 0; n < COUNT_SPINS; n++)
        if (pit_read() != start)
            return true;
    return false;
}

static err_t pit_start(struct subsystem *self)
{
    err_t err;

    (void)self;
    source_run();
    if (!counts())
        return -ENODEV;
    clock_source_register(&pit_source);
    err = service_publish_clock_source(pit_source.name, &pit_source, pit_source.rating,
                                       PRIV_DRIVER);
    if (err)
        return err;
    port_write8(PIT_CONTROL, PIT_MODE0);
    err = irq_register(PIT_IRQ, "timer", pit_interrupt, NULL);
    if (err)
        return err;
    clock_event_register(&pit_event);
    return service_publish_clock_event(pit_event.name, &pit_event, pit_event.rating, PRIV_DRIVER);
}

static const char *const needs[] = { "irqchip", NULL };
static struct subsystem pit_subsystem = {
    .name = "pit",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = pit_start,
};
REGISTER_SUBSYSTEM(pit_subsystem);
