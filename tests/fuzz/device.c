// SPDX-License-Identifier: CC0-1.0
/* Purpose, model: see device.h. */
#include "device.h"

#include <core/lockrank.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <svc/work.h>

#define LOCKS_MAX 8
#define TIMERS_MAX 4
#define WORKS_MAX 4
#define CLOCK_STEP_NS NS_PER_MSEC

void *aligned_alloc(size_t align, size_t n);
void *calloc(size_t n, size_t size);
void free(void *p);
__noreturn void abort(void);

void expect(bool ok)
{
    if (!ok)
        abort();
}

/* ---- the input ------------------------------------------------------------------------------- */

static const uint8_t *input;
static size_t left;

void input_begin(const uint8_t *data, size_t size)
{
    input = data;
    left = size;
}

bool input_left(void)
{
    return left > 0;
}

uint8_t input_byte(void)
{
    if (left == 0)
        return 0;
    left--;
    return *input++;
}

uint32_t input_number(unsigned bytes)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint32_t)input_byte() << 8 * i;
    return v;
}

void input_bytes(void *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = input_byte();
}

/* ---- one CPU, its clock, its locks ----------------------------------------------------------- */

static struct cpu cpu = { .arch.irqs_on = true };
static struct hal_context context;
struct cpu *host_cpu = &cpu;
struct hal_context *host_current = &context;
struct cpu *cpus[CPU_MAX] = { &cpu };
struct clock_state clock_state; /* no direct source: the slow one below */
bool panicking;
void (*preempt_resched_hook)(void);
void (*while_asleep)(void);
static ns_t now = 1;
static struct spinlock *held[LOCKS_MAX];
static unsigned held_count;

void hal_irq_enable(void)
{
    cpu.arch.irqs_on = true;
}

void hal_relax(void)
{
    now += CLOCK_STEP_NS;
}

ns_t clock_monotonic_slow(void)
{
    return now;
}

void lockrank_acquire(struct spinlock *l)
{
    expect(held_count < LOCKS_MAX && !cpu.arch.irqs_on);
    expect(held_count == 0 || held[held_count - 1]->rank < l->rank);
    held[held_count++] = l;
}

void lockrank_release(struct spinlock *l)
{
    expect(held_count > 0 && held[held_count - 1] == l);
    held_count--;
}

void spin_init(struct spinlock *l, enum lock_rank rank)
{
    *l = (struct spinlock){ .rank = rank };
}

bool spin_held(const struct spinlock *l)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == l)
            return true;
    return false;
}

void spin_contend(struct spinlock *l)
{
    abort(); /* there is nobody else: it is taken twice */
}

void mutex_init(struct mutex *m)
{
    m->holder = NULL;
}

void mutex_lock(struct mutex *m)
{
    expect(held_count == 0 && m->holder == NULL);
    m->holder = (struct thread *)m;
}

void mutex_unlock(struct mutex *m)
{
    expect(m->holder != NULL);
    m->holder = NULL;
}

err_t sleep_until(ns_t deadline, bool interruptible)
{
    expect(held_count == 0 && cpu.arch.irqs_on);
    now = MAX(now, deadline) + 10 * CLOCK_STEP_NS;
    if (while_asleep)
        while_asleep();
    return 0;
}

/* ---- timers and work ------------------------------------------------------------------------- */

static struct timer *timers[TIMERS_MAX];
static struct work *works[WORKS_MAX];

void timer_init(struct timer *t, timer_fn fn)
{
    *t = (struct timer){ .fn = fn };
}

void timer_set(struct timer *t, ns_t deadline)
{
    unsigned n = 0;

    t->deadline = deadline;
    if (t->armed)
        return;
    while (n < TIMERS_MAX && timers[n])
        n++;
    expect(n < TIMERS_MAX);
    timers[n] = t;
    t->armed = true;
}

bool timer_cancel(struct timer *t)
{
    bool armed = t->armed;

    for (unsigned i = 0; i < TIMERS_MAX; i++)
        if (timers[i] == t)
            timers[i] = NULL;
    t->armed = false;
    return armed;
}

bool timer_run(void)
{
    struct timer *t = NULL;

    for (unsigned i = 0; i < TIMERS_MAX && !t; i++)
        t = timers[i];
    if (!t)
        return false;
    (void)timer_cancel(t);
    now = MAX(now, t->deadline);
    cpu.arch.irqs_on = false;
    t->fn(t);
    cpu.arch.irqs_on = true;
    return true;
}

void work_init(struct work *w, void (*fn)(struct work *w))
{
    *w = (struct work){ .fn = fn };
}

void work_queue(struct work *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < WORKS_MAX; i++)
        if (works[i] == w)
            return;
    while (n < WORKS_MAX && works[n])
        n++;
    expect(n < WORKS_MAX);
    works[n] = w;
}

void work_cancel(struct work *w)
{
    expect(held_count == 0);
    for (unsigned i = 0; i < WORKS_MAX; i++)
        if (works[i] == w)
            works[i] = NULL;
}

bool work_run(void)
{
    for (unsigned i = 0; i < WORKS_MAX; i++) {
        struct work *w = works[i];

        if (!w)
            continue;
        works[i] = NULL;
        w->fn(w);
        return true;
    }
    return false;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *kcalloc(size_t n, size_t size)
{
    return calloc(n, size);
}

err_t dma_alloc(const struct device *d, size_t bytes, size_t align, struct dma_buffer *buffer)
{
    buffer->va = aligned_alloc(align, ALIGN_UP(bytes, PAGE_SIZE));
    buffer->pa = virt_to_phys(buffer->va);
    buffer->size = bytes;
    memset(buffer->va, 0, bytes);
    return 0;
}

void dma_free(struct dma_buffer *buffer)
{
    free(buffer->va);
}

/* ---- the device model ------------------------------------------------------------------------ */

char *device_path(const struct device *d, char *out, size_t size)
{
    str_copy(out, "devices/fake", size);
    return out;
}

static bool lied[VIRTIO_QUEUES_MAX];

static const struct virtio_driver *driver_find(const char *name)
{
    for (registry_subsystem_t *s = __start_registry_subsystem; s < __stop_registry_subsystem; s++)
        if (strcmp((*s)->name, name) == 0)
            return container_of(container_of(*s, struct driver, subsystem), struct virtio_driver, driver);
    abort();
}

err_t driver_begin(struct fake_device *f, const char *name)
{
    memset(lied, 0, sizeof lied);
    f->v.driver = driver_find(name);
    return virtio_probe(&f->v.device);
}

void driver_end(struct fake_device *f)
{
    virtio_stop(&f->v.device);
    driver_check(f);
    virtio_remove(&f->v.device);
    for (unsigned i = 0; i < TIMERS_MAX; i++)
        expect(!timers[i]);
    for (unsigned i = 0; i < WORKS_MAX; i++)
        expect(!works[i]);
}

void driver_check(struct fake_device *f)
{
    expect(held_count == 0 && cpu.arch.irqs_on && context.preempt_count == 0);
    for (unsigned i = 0; i < f->v.queues_end; i++)
        if (f->v.queues[i])
            expect(virtio_queue_check(f->v.queues[i]));
}

/* ---- the device's side ----------------------------------------------------------------------- */

bool device_take(struct fake_device *f, unsigned queue, struct fake_chain *c)
{
    return !lied[queue] && fake_take(f, queue, c);
}

void device_lies(struct fake_device *f, unsigned queues)
{
    unsigned what = input_byte(), queue = input_byte() % queues, entry;
    struct virtio_queue *q = f->queue[queue];

    if (!q)
        return;
    lied[queue] = true;
    entry = what / 6 % q->size;
    switch (what % 6) {
    case 0:
        q->used->idx = (uint16_t)input_number(2);
        break;
    case 1:
        q->used->idx = (uint16_t)(q->used->idx + input_byte() % 3);
        break;
    case 2:
        q->used->ring[entry].id = input_number(4);
        break;
    case 3:
        q->used->ring[entry].id = input_byte() % q->size;
        break;
    case 4:
        q->used->ring[entry].len = input_number(4);
        break;
    default:
        q->used->flags = input_byte();
        *(uint16_t *)&q->used->ring[q->size] = (uint16_t)input_number(2);
    }
}
