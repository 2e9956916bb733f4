// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what drivers of virtio devices call of the kernel, for a fuzzer of its own: one CPU, a clock that goes
 * on when somebody waits, locks that look at their order, work and timers that run when the fuzzer says so.
 * Model: the device is that of fake.h.  Its other side, and all that is random, is the fuzzer.
 */
#pragma once

#include <dev/virtio/fake.h>

void expect(bool ok);
/* The input; what lies behind its end reads as 0. */
void input_begin(const uint8_t *data, size_t size);
bool input_left(void);
uint8_t input_byte(void);
uint32_t input_number(unsigned bytes);
void input_bytes(void *out, size_t n);

/* The driver of that name is bound to the device, as the bus does it.  0: it is live. */
err_t driver_begin(struct fake_device *f, const char *name);
void driver_end(struct fake_device *f);
/* Nobody holds a lock, and the queues keep their invariants. */
void driver_check(struct fake_device *f);
/* What is called while the driver sleeps; NULL: nothing. */
extern void (*while_asleep)(void);

/* Return: whether there was one. */
bool work_run(void);
bool timer_run(void);

/* fake_take(), but for queues on which it lied: what it would find there may be given back long since. */
bool device_take(struct fake_device *f, unsigned queue, struct fake_chain *c);
/* A step of a device that lies, on any of its `queues`. */
void device_lies(struct fake_device *f, unsigned queues);
