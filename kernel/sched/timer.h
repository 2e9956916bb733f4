// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: callbacks at a point of the monotonic clock.
 *
 * Model: a red-black tree of deadlines per CPU with its first kept at hand; the CPU's event device
 * is programmed for the earliest.  The 100 Hz tick is such a timer.
 * Context: callbacks run in the timer interrupt, interrupts off; they must not sleep.
 * Locking: LOCK_TIMER of the queue that the timer is on.  The owner of a timer serialises its own
 * timer_set and timer_cancel against each other.
 */
#pragma once

#include <lib/tree.h>
#include <lib/types.h>

#define TICK_NS (NS_PER_SEC / 100)

struct timer;
typedef void (*timer_fn)(struct timer *t);

struct timer {
    struct tree_node node;
    ns_t deadline; /* monotonic */
    timer_fn fn;
    struct timer_queue *queue; /* that it is, or last was, on; NULL: never armed */
    bool armed; /* queue's lock */
};

void timer_init(struct timer *t, timer_fn fn);
/* Arms (again).  A deadline in the past fires at once, on the next interrupt. Any context. */
void timer_set(struct timer *t, ns_t deadline);
/* Disarms; when the callback is running on another CPU, waits for it.  Return: whether it was
 * armed.  Not from its own callback. */
bool timer_cancel(struct timer *t);
/* From the event device's interrupt. */
void timer_interrupt(void);
/* How often the calling CPU's did. */
uint64_t timer_interrupts(void);
/* A timer queue for a CPU; from sched_init_cpu.  Return: NULL when out of memory. */
struct timer_queue *timer_queue_create(void);
/* After the event device changed: asks it for the first deadline of this CPU. */
void timer_reprogram(void);
/* Starts the 100 Hz tick of the calling CPU. Once there is a clock event device. */
void tick_start(void);
/* Sleeps until the deadline. Return: 0, -ERESTARTSYS when interruptible and a signal came. */
err_t sleep_until(ns_t deadline, bool interruptible);
