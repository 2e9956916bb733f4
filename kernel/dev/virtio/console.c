// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: consoles and ports of virtual machines (virtio 1.2, 5.3): /dev/hvcN and /dev/vportNpM.
 *
 * Model: without MULTIPORT there is one port, a console, from the start.  With it the device says by control
 * messages which ports come and go and what they are; each is a stream, and a console too when it says so.
 * Messages are taken and acted upon in a thread, one at a time; their buffers are the device's again before
 * that, so a device that talks without end keeps one thread busy and nothing else.  What is to be said to the
 * device is kept as what is due for each port, not as a queue, so it needs no memory however slow the device is.
 *
 *     start: DEVICE_READY ->            <- PORT_ADD n
 *            PORT_READY n ->            <- CONSOLE_PORT n, PORT_NAME n, PORT_OPEN n, RESIZE n
 *            PORT_OPEN n (somebody has it) ->   ...   <- PORT_REMOVE n
 *
 * Start waits until the device has said what it wanted to say at once, but not long: so that a console is there
 * before process 1 opens it.
 * Locking: see console.h.
 */
#define LOG_TAG "virtio-console"
#include <dev/virtio/console.h>

#include <core/log.h>
#include <hal/mmu.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#define FEATURES (BIT(VIRTIO_CONSOLE_F_SIZE) | BIT(VIRTIO_CONSOLE_F_MULTIPORT) | BIT(VIRTIO_CONSOLE_F_EMERG_WRITE))
#define ENTRIES_MAX 16
#define CONTROL_IN 2
#define CONTROL_OUT 3
#define IN_BUFFERS 8u
#define IN_BYTES 128u
#define OUT_BUFFERS 4u
#define SETTLE (200 * NS_PER_MSEC)
#define BATCH 64 /* messages, before others have their turn */
#define READY_NO 1
#define READY_YES 2

struct console_control_memory { /* with the device */
    uint8_t in[IN_BUFFERS][IN_BYTES];
    struct virtio_console_control out[OUT_BUFFERS];
};

struct message {
    struct virtio_console_control head;
    uint8_t data[IN_BYTES - sizeof(struct virtio_console_control)];
    size_t data_bytes;
};

/* ---- to the device; control_lock held -------------------------------------------------------- */

/* The next thing that is due.  Return: whether there is one. */
static bool due_take(struct console_device *c, struct virtio_console_control *m)
{
    if (c->ready_due) {
        c->ready_due = false;
        *m = (struct virtio_console_control){ VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1 };
        return true;
    }
    if (c->refused != VIRTIO_CONSOLE_BAD_ID) {
        *m = (struct virtio_console_control){ c->refused, VIRTIO_CONSOLE_PORT_READY, 0 };
        c->refused = VIRTIO_CONSOLE_BAD_ID;
        return true;
    }
    for (unsigned i = 0; i < c->port_count; i++) {
        struct console_port *p = &c->ports[i];

        if (p->ready_due) {
            *m = (struct virtio_console_control){ i, VIRTIO_CONSOLE_PORT_READY, p->ready_due == READY_YES };
            p->ready_due = 0;
            return true;
        }
        if (p->open_due != p->open_said) {
            *m = (struct virtio_console_control){ i, VIRTIO_CONSOLE_PORT_OPEN, p->open_due };
            p->open_said = p->open_due;
            return true;
        }
    }
    return false;
}

static void control_send(struct console_device *c)
{
    if (!c->control_out || c->stopped)
        return;
    while (c->out_busy != BIT(OUT_BUFFERS) - 1 && c->control_out->free_count > 0) {
        unsigned n = (unsigned)__builtin_ctz(~c->out_busy);
        struct virtio_console_control *m = &c->memory->out[n];
        struct dma_segment seg = { virt_to_phys(m), sizeof *m };

        if (!due_take(c, m) || virtio_queue_add(c->control_out, &seg, 1, 0, m) != 0)
            break;
        c->out_busy |= 1u << n;
    }
    virtio_queue_kick(c->control_out);
}

static void control_out_handler(struct virtio_queue *q)
{
    struct console_device *c = q->device->data;
    unsigned long flags = spin_lock_irqsave(&c->control_lock);
    struct virtio_console_control *m;
    uint32_t bytes;

    do {
        while ((m = virtio_queue_take(q, &bytes)) != NULL)
            c->out_busy &= ~(1u << (m - c->memory->out));
    } while (virtio_queue_rearm(q));
    control_send(c);
    spin_unlock_irqrestore(&c->control_lock, flags);
}

void console_open_tell(struct console_port *p, bool open)
{
    unsigned long flags = spin_lock_irqsave(&p->device->control_lock);

    p->open_due = open;
    if (!atomic_load(&p->wanted)) /* it does not know the port any more */
        p->open_said = open;
    control_send(p->device);
    spin_unlock_irqrestore(&p->device->control_lock, flags);
}

static void answer(struct console_device *c, uint32_t id, bool yes)
{
    unsigned long flags = spin_lock_irqsave(&c->control_lock);

    if (id < c->port_count)
        c->ports[id].ready_due = yes ? READY_YES : READY_NO;
    else
        c->refused = id;
    control_send(c);
    spin_unlock_irqrestore(&c->control_lock, flags);
}

/* ---- from the device ------------------------------------------------------------------------- */

/* control_lock held. */
static void in_offer(struct console_device *c, uint8_t *buffer)
{
    struct dma_segment seg = { virt_to_phys(buffer), IN_BYTES };

    if (virtio_queue_add(c->control_in, &seg, 0, 1, buffer) != 0)
        c->in_idle++; /* a short queue, or the device is given up: it is never offered again */
}

/* Return: whether there was one; one that is too short for a head says nothing. */
static bool message_take(struct console_device *c, struct message *m)
{
    unsigned long flags = spin_lock_irqsave(&c->control_lock);
    uint8_t *buffer = NULL;
    uint32_t bytes = 0;

    if (c->control_in && !c->stopped) {
        buffer = virtio_queue_take(c->control_in, &bytes);
        if (!buffer && virtio_queue_rearm(c->control_in))
            buffer = virtio_queue_take(c->control_in, &bytes);
    }
    if (buffer) {
        memcpy(m, buffer, MIN(bytes, IN_BYTES));
        m->data_bytes = bytes < sizeof m->head ? 0 : bytes - sizeof m->head;
        if (bytes < sizeof m->head)
            m->head = (struct virtio_console_control){ VIRTIO_CONSOLE_BAD_ID, UINT16_MAX, 0 };
        in_offer(c, buffer);
        virtio_queue_kick(c->control_in);
    }
    spin_unlock_irqrestore(&c->control_lock, flags);
    return buffer != NULL;
}

static void port_come(struct console_port *p)
{
    err_t err;

    if (p->wanted)
        return;
    err = console_port_begin(p);
    if (!err)
        err = console_stream_add(p);
    if (err)
        log_warn("%s: port %u is left out: error %d", virtio_name(p->device->v), p->id, err);
    atomic_store(&p->wanted, err == 0);
    answer(p->device, p->id, err == 0);
}

static void port_go(struct console_port *p)
{
    atomic_store(&p->wanted, false);
    console_port_hide(p);
}

static void port_name(struct console_port *p, const struct message *m)
{
    size_t n = MIN(strnlen((const char *)m->data, m->data_bytes), sizeof p->label - 1);

    for (size_t i = 0; i < n; i++) /* it stands in files of text */
        p->label[i] = m->data[i] < ' ' || m->data[i] == 0x7f ? '?' : (char)m->data[i];
    p->label[n] = '\0';
    if (p->stream)
        port_label(&p->stream->port, p->label);
}

static void port_console(struct console_port *p)
{
    err_t err;

    atomic_store(&p->is_console, true);
    err = console_tty_add(p);
    if (err)
        log_warn("%s: port %u cannot be a console: error %d", virtio_name(p->device->v), p->id, err);
}

/* Rows first: what Linux reads, and so what devices send, whatever the specification says. */
static void port_size(struct console_port *p, const struct message *m)
{
    uint16_t size[2];

    if (m->data_bytes < sizeof size)
        return;
    memcpy(size, m->data, sizeof size);
    console_port_resized(p, size[1], size[0]);
}

static void message_act(struct console_device *c, const struct message *m)
{
    struct console_port *p = m->head.id < c->port_count ? &c->ports[m->head.id] : NULL;

    if (m->head.event == VIRTIO_CONSOLE_PORT_ADD && !p)
        answer(c, m->head.id, false);
    else if (m->head.event == VIRTIO_CONSOLE_PORT_ADD)
        port_come(p);
    if (!p || !p->wanted)
        return;
    switch (m->head.event) {
    case VIRTIO_CONSOLE_PORT_REMOVE:
        port_go(p);
        break;
    case VIRTIO_CONSOLE_CONSOLE_PORT:
        if (m->head.value)
            port_console(p);
        break;
    case VIRTIO_CONSOLE_PORT_OPEN:
        console_port_connected(p, m->head.value);
        break;
    case VIRTIO_CONSOLE_PORT_NAME:
        port_name(p, m);
        break;
    case VIRTIO_CONSOLE_RESIZE:
        port_size(p, m);
        break;
    }
}

/* What has been said, up to BATCH messages.  Return: how many. */
static unsigned control_serve(struct console_device *c)
{
    struct message m;
    unsigned n = 0;

    mutex_lock(&c->control_mutex);
    for (; n < BATCH && message_take(c, &m); n++)
        message_act(c, &m);
    mutex_unlock(&c->control_mutex);
    return n;
}

/* ---- the thread's part ----------------------------------------------------------------------- */

static void hide_all(struct console_device *c)
{
    mutex_lock(&c->control_mutex);
    for (unsigned i = 0; i < c->port_count; i++)
        port_go(&c->ports[i]);
    mutex_unlock(&c->control_mutex);
}

static void work_want(struct console_device *c)
{
    unsigned long flags = spin_lock_irqsave(&c->control_lock);

    if (!c->stopped)
        work_queue(&c->work);
    spin_unlock_irqrestore(&c->control_lock, flags);
}

static void console_work(struct work *w)
{
    struct console_device *c = container_of(w, struct console_device, work);

    if (virtio_broken(c->v))
        hide_all(c); /* who waits for it learns that there is nothing to wait for */
    else if (control_serve(c) == BATCH)
        work_want(c);
}

static void control_in_handler(struct virtio_queue *q)
{
    work_want(q->device->data);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void console_destroy(struct console_device *c)
{
    for (unsigned i = 0; c->ports && i < c->port_count; i++)
        console_port_free(&c->ports[i]);
    if (!c->v->dead) /* it may still write: the memory stays its own */
        kfree(c->memory);
    kfree(c->ports);
    kfree(c);
}

static err_t port_queues(struct console_port *p)
{
    struct virtio_device *v = p->device->v;
    unsigned index = p->id ? 2 * p->id + 2 : 0;
    err_t err = virtio_queue_create(v, index, &p->lock, console_rx_handler, false);

    if (!err)
        err = virtio_queue_create(v, index + 1, &p->lock, console_tx_handler, false);
    if (err)
        return err;
    p->rx = v->queues[index];
    p->tx = v->queues[index + 1];
    return 0;
}

static err_t control_queues(struct console_device *c)
{
    err_t err;

    c->memory = kzalloc(sizeof *c->memory);
    if (!c->memory)
        return -ENOMEM;
    err = virtio_queue_create(c->v, CONTROL_IN, &c->control_lock, control_in_handler, false);
    if (!err)
        err = virtio_queue_create(c->v, CONTROL_OUT, &c->control_lock, control_out_handler, false);
    c->control_in = c->v->queues[CONTROL_IN];
    c->control_out = c->v->queues[CONTROL_OUT];
    return err;
}

static unsigned ports_of(struct virtio_device *d)
{
    uint32_t n = 1;

    if (virtio_has(d, VIRTIO_CONSOLE_F_MULTIPORT))
        virtio_config_read(d, offsetof(struct virtio_console_config, max_nr_ports), &n, sizeof n);
    return CLAMP(n, 1u, (uint32_t)CONSOLE_PORTS_MAX);
}

static err_t queues_make(struct console_device *c)
{
    err_t err = 0;

    for (unsigned i = 0; i < c->port_count; i++) /* all, before the first can fail: all are freed */
        console_port_init(&c->ports[i], c, i);
    for (unsigned i = 0; i < c->port_count && !err; i++)
        err = port_queues(&c->ports[i]);
    return !err && c->multiport ? control_queues(c) : err;
}

static err_t console_probe(struct virtio_device *d)
{
    struct console_device *c = kzalloc(sizeof *c);
    err_t err = -ENOMEM;

    if (!c)
        return -ENOMEM;
    c->v = d;
    c->multiport = virtio_has(d, VIRTIO_CONSOLE_F_MULTIPORT);
    c->refused = VIRTIO_CONSOLE_BAD_ID;
    mutex_init(&c->control_mutex);
    spin_init(&c->control_lock, LOCK_DEVICE);
    work_init(&c->work, console_work);
    c->port_count = ports_of(d);
    c->ports = kcalloc(c->port_count, sizeof *c->ports);
    d->data = c;
    if (c->ports)
        err = queues_make(c);
    if (err) {
        d->data = NULL;
        console_destroy(c);
    }
    return err;
}

static void size_read(struct console_device *c)
{
    uint16_t size[2];

    if (c->multiport || !virtio_has(c->v, VIRTIO_CONSOLE_F_SIZE))
        return;
    virtio_config_read(c->v, 0, size, sizeof size);
    console_port_resized(&c->ports[0], size[0], size[1]);
}

static err_t single_start(struct console_device *c)
{
    struct console_port *p = &c->ports[0];
    err_t err;

    mutex_lock(&c->control_mutex);
    err = console_port_begin(p);
    size_read(c);
    atomic_store(&p->wanted, true);
    atomic_store(&p->host_open, true);
    atomic_store(&p->is_console, true);
    if (!err)
        err = console_tty_add(p);
    mutex_unlock(&c->control_mutex);
    return err;
}

/* All that was to be said has been heard. */
static bool is_quiet(struct console_device *c)
{
    unsigned long flags = spin_lock_irqsave(&c->control_lock);
    bool quiet = c->out_busy == 0;

    spin_unlock_irqrestore(&c->control_lock, flags);
    return quiet;
}

static void control_start(struct console_device *c)
{
    ns_t limit = clock_monotonic() + SETTLE;
    unsigned long flags = spin_lock_irqsave(&c->control_lock);

    for (unsigned i = 0; i < IN_BUFFERS; i++)
        in_offer(c, c->memory->in[i]);
    virtio_queue_kick(c->control_in);
    c->ready_due = true; /* not before: what it says at once must find buffers */
    control_send(c);
    spin_unlock_irqrestore(&c->control_lock, flags);
    while (clock_monotonic() < limit) {
        bool quiet = is_quiet(c);

        if (control_serve(c) == 0 && quiet && is_quiet(c)) /* nor has the thread said anything meanwhile */
            return;
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC / 2, false);
    }
}

static err_t console_start(struct virtio_device *d)
{
    struct console_device *c = d->data;

    if (!c->multiport)
        return single_start(c);
    control_start(c);
    return 0;
}

static void console_detach(struct virtio_device *d)
{
    struct console_device *c = d->data;
    unsigned long flags = spin_lock_irqsave(&c->control_lock);

    c->stopped = true;
    spin_unlock_irqrestore(&c->control_lock, flags);
    work_cancel(&c->work);
    hide_all(c);
}

static void console_drain(struct virtio_device *d)
{
    struct console_device *c = d->data;
    unsigned long flags = spin_lock_irqsave(&c->control_lock);

    while (c->control_in && virtio_queue_detach(c->control_in))
        ;
    while (c->control_out && virtio_queue_detach(c->control_out))
        ;
    c->control_in = c->control_out = NULL;
    spin_unlock_irqrestore(&c->control_lock, flags);
    for (unsigned i = 0; i < c->port_count; i++)
        console_port_drain(&c->ports[i]);
    work_want(c);
}

static void console_free(struct virtio_device *d)
{
    struct console_device *c = d->data;

    /* A start that failed has not been detached. */
    console_detach(d);
    console_destroy(c);
}

static void console_config_changed(struct virtio_device *d)
{
    size_read(d->data);
}

static const char *const needs[] = { "virtio", "work", NULL };
static struct virtio_driver console_driver = { .driver = VIRTIO_DRIVER("virtio_console", needs),
                                               .id = VIRTIO_ID_CONSOLE,
                                               .features = FEATURES,
                                               .entries_max = ENTRIES_MAX,
                                               .probe = console_probe,
                                               .start = console_start,
                                               .detach = console_detach,
                                               .drain = console_drain,
                                               .free = console_free,
                                               .config_changed = console_config_changed };
REGISTER_VIRTIO_DRIVER(console_driver);
