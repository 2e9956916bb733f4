// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the data of a console device's port: what terminals, programs and the log send and receive.
 *
 * Model: received buffers wait in a queue until they are consumed, then the device has them again: so a reader
 * that does not read holds the device back.  Output goes into a ring of bytes, of which one run at a time is with
 * the device; what is written meanwhile goes with the next.
 *
 *     tail          tail + out              head
 *      | with the device |  waits for its turn |  room
 *
 * A device that takes nothing makes writers wait; the log waits a moment, then drops and counts.  In a panic
 * output goes through the emergency register where there is one, a character at a time, and past the ring.
 * Locking: see console.h.
 * Invariants: (1) out <= head - tail <= CONSOLE_TX_BYTES; (2) each receive buffer is with the device, or in
 * full[], but for idle ones; unless the port is stopped: then nobody touches the queues.
 */
#define LOG_TAG "virtio-console"
#include <dev/virtio/console.h>

#include <core/log.h>
#include <core/number.h>
#include <core/panic.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>

#include <linux/virtio_console.h>

#define HVC_MAJOR 229
#define HVC_MAX 8
#define PORT_MAJOR 243
#define RATING 40
#define PIECE 256

NUMBER_POOL(hvc_numbers, HVC_MAX);

static struct console_port *port_at(struct virtio_queue *q)
{
    const struct console_device *c = q->device->data;

    return &c->ports[q->index < 2 ? 0 : q->index / 2 - 1];
}

/* ---- receiving ------------------------------------------------------------------------------- */

static uint8_t *rx_buffer(const struct console_port *p, unsigned n)
{
    return p->rx_memory + n * CONSOLE_RX_BYTES;
}

/* lock held. */
static void rx_offer(struct console_port *p, unsigned n)
{
    struct dma_segment seg = { virt_to_phys(rx_buffer(p, n)), CONSOLE_RX_BYTES };

    if (!p->stopped && virtio_queue_add(p->rx, &seg, 0, 1, rx_buffer(p, n)) != 0)
        p->idle++; /* a short queue, or the device is given up: it is never offered again */
}

/* The oldest buffer is the device's again; lock held. */
static void full_drop(struct console_port *p)
{
    unsigned n = p->full[p->full_at].number;

    p->full_at = (p->full_at + 1) % CONSOLE_RX_BUFFERS;
    p->full_count--;
    p->consumed = 0;
    rx_offer(p, n);
}

/* lock held. */
static size_t rx_pull(struct console_port *p, uint8_t *out, size_t n)
{
    size_t done = 0;

    while (done < n && p->full_count > 0) {
        unsigned bytes = p->full[p->full_at].bytes;
        size_t run = MIN(n - done, (size_t)(bytes - p->consumed));

        memcpy(out + done, rx_buffer(p, p->full[p->full_at].number) + p->consumed, run);
        done += run;
        p->consumed += (unsigned)run;
        if (p->consumed == bytes)
            full_drop(p);
    }
    if (done && !p->stopped)
        virtio_queue_kick(p->rx);
    return done;
}

static void rx_discard(struct console_port *p)
{
    for (unsigned n = p->full_count; n > 0; n--)
        full_drop(p);
    if (!p->stopped)
        virtio_queue_kick(p->rx);
}

/* What came back, at most all that were out; lock held. */
static void rx_collect(struct console_port *p)
{
    uint8_t *buffer;
    uint32_t bytes;

    do {
        while ((buffer = virtio_queue_take(p->rx, &bytes)) != NULL) {
            unsigned at = (p->full_at + p->full_count++) % CONSOLE_RX_BUFFERS;

            p->full[at].number = (uint16_t)((size_t)(buffer - p->rx_memory) / CONSOLE_RX_BYTES);
            p->full[at].bytes = (uint16_t)bytes;
        }
    } while (virtio_queue_rearm(p->rx));
    if (!p->guest_open)
        rx_discard(p);
}

static size_t rx_pull_locking(struct console_port *p, uint8_t *out, size_t n)
{
    unsigned long flags = spin_lock_irqsave(&p->lock);

    n = rx_pull(p, out, n);
    spin_unlock_irqrestore(&p->lock, flags);
    return n;
}

/* To the terminal as long as it takes, and word to the program. */
static void rx_deliver(struct console_port *p)
{
    unsigned long flags = spin_lock_irqsave(&p->listen_lock);
    uint8_t piece[PIECE];
    size_t n;

    while (p->listener && !atomic_load(&p->throttled) && (n = rx_pull_locking(p, piece, sizeof piece)) > 0)
        p->listener->input(p->listener_arg, piece, n);
    if (p->stream)
        port_changed(&p->stream->port);
    spin_unlock_irqrestore(&p->listen_lock, flags);
}

void console_rx_handler(struct virtio_queue *q)
{
    struct console_port *p = port_at(q);
    unsigned long flags = spin_lock_irqsave(&p->lock);

    if (!p->stopped)
        rx_collect(p);
    spin_unlock_irqrestore(&p->lock, flags);
    rx_deliver(p);
}

/* ---- sending; lock held ---------------------------------------------------------------------- */

static uint32_t tx_room(const struct console_port *p)
{
    return CONSOLE_TX_BYTES - (p->head - p->tail);
}

static void tx_send(struct console_port *p)
{
    uint32_t at = p->tail % CONSOLE_TX_BYTES, run = MIN(p->head - p->tail, CONSOLE_TX_BYTES - at);
    struct dma_segment seg;

    if (p->out > 0 || run == 0 || p->stopped)
        return;
    seg = (struct dma_segment){ virt_to_phys(p->tx_memory + at), run };
    if (virtio_queue_add(p->tx, &seg, 1, 0, p) != 0)
        return;
    p->out = run;
    virtio_queue_kick(p->tx);
}

/* Return: whether something has left. */
static bool tx_reap(struct console_port *p)
{
    uint32_t before = p->tail, bytes;

    if (p->stopped)
        return false;
    do {
        while (virtio_queue_take(p->tx, &bytes)) {
            p->tail += p->out;
            p->out = 0;
            p->stalled = false;
        }
    } while (virtio_queue_rearm(p->tx));
    return p->tail != before;
}

static void tx_put(struct console_port *p, const char *s, uint32_t n)
{
    uint32_t at = p->head % CONSOLE_TX_BYTES, first = MIN(n, CONSOLE_TX_BYTES - at);

    memcpy(p->tx_memory + at, s, first);
    memcpy(p->tx_memory, s + first, n - first);
    p->head += n;
    tx_send(p);
}

static void room_tell(struct console_port *p)
{
    unsigned long flags = spin_lock_irqsave(&p->listen_lock);

    if (p->listener)
        p->listener->room(p->listener_arg);
    if (p->stream)
        port_changed(&p->stream->port);
    spin_unlock_irqrestore(&p->listen_lock, flags);
}

void console_tx_handler(struct virtio_queue *q)
{
    struct console_port *p = port_at(q);
    unsigned long flags = spin_lock_irqsave(&p->lock);
    bool left = tx_reap(p);

    tx_send(p);
    spin_unlock_irqrestore(&p->lock, flags);
    if (left)
        room_tell(p);
}

/* A device that is given up takes all, and nobody waits for it. */
static size_t tx_write(struct console_port *p, const char *s, size_t n)
{
    unsigned long flags = spin_lock_irqsave(&p->lock);

    if (!p->stopped) {
        (void)tx_reap(p);
        n = MIN(n, (size_t)tx_room(p));
        tx_put(p, s, (uint32_t)n);
    }
    spin_unlock_irqrestore(&p->lock, flags);
    return n;
}

/* ---- as a console ---------------------------------------------------------------------------- */

static size_t hvc_write(const struct console_service *c, const char *s, size_t n)
{
    return tx_write(c->data, s, n);
}

static size_t hvc_room(const struct console_service *c)
{
    struct console_port *p = c->data;
    unsigned long flags = spin_lock_irqsave(&p->lock);
    size_t room = p->stopped ? CONSOLE_TX_BYTES : tx_room(p);

    spin_unlock_irqrestore(&p->lock, flags);
    return room;
}

static size_t hvc_pending(const struct console_service *c)
{
    struct console_port *p = c->data;
    unsigned long flags = spin_lock_irqsave(&p->lock);
    size_t pending = p->stopped ? 0 : p->head - p->tail;

    spin_unlock_irqrestore(&p->lock, flags);
    return pending;
}

/* Waits a moment for room; lock held. */
static bool log_room(struct console_port *p, size_t n)
{
    ns_t limit = clock_monotonic() + CONSOLE_LOG_PATIENCE;

    (void)tx_reap(p);
    while (tx_room(p) < n + CONSOLE_LOG_RESERVE && !p->stalled) {
        tx_send(p);
        hal_relax();
        (void)tx_reap(p);
        p->stalled = clock_monotonic() > limit || virtio_broken(p->device->v);
    }
    return tx_room(p) >= n + CONSOLE_LOG_RESERVE;
}

static void log_put(struct console_port *p, const char *s, size_t n)
{
    if (!p->stopped && log_room(p, n))
        tx_put(p, s, (uint32_t)n);
    else
        p->dropped += n;
}

/* The register is the first console's, whichever that is: here the first port. */
static bool emergency_put(struct console_port *p, const char *s, size_t n)
{
    struct virtio_device *v = p->device->v;

    if (p->id != 0 || !virtio_has(v, VIRTIO_CONSOLE_F_EMERG_WRITE))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t word = (uint8_t)s[i];

        virtio_config_write(v, offsetof(struct virtio_console_config, emerg_wr), &word, sizeof word);
    }
    return true;
}

/* Others are stopped, where they were: whoever held the lock left the ring as it was. */
static void panic_put(struct console_port *p, const char *s, size_t n)
{
    if (!emergency_put(p, s, n) && !spin_held(&p->lock))
        log_put(p, s, n);
}

static void hvc_write_log(const struct console_service *c, const char *s, size_t n)
{
    struct console_port *p = c->data;
    unsigned long flags;

    if (atomic_load_relaxed(&panicking)) {
        panic_put(p, s, n);
        return;
    }
    flags = spin_lock_irqsave(&p->lock);
    log_put(p, s, n);
    spin_unlock_irqrestore(&p->lock, flags);
}

static void hvc_listen(const struct console_service *c, const struct console_listener *l, void *arg)
{
    struct console_port *p = c->data;
    unsigned long flags = spin_lock_irqsave(&p->listen_lock);

    p->listener = l;
    p->listener_arg = arg;
    spin_unlock_irqrestore(&p->listen_lock, flags);
    rx_deliver(p);
}

static void hvc_size(const struct console_service *c, unsigned *columns, unsigned *rows)
{
    uint32_t size = atomic_load(&((struct console_port *)c->data)->size);

    *columns = size & 0xffff;
    *rows = size >> 16;
}

/* In the listener's own function the loop of rx_deliver() sees it; else that goes on. */
static void hvc_throttle(const struct console_service *c, bool on)
{
    struct console_port *p = c->data;

    atomic_store(&p->throttled, on);
    if (!on)
        rx_deliver(p);
}

static void guest_open_set(struct console_port *p, bool open)
{
    unsigned long flags = spin_lock_irqsave(&p->lock);

    p->guest_open = open;
    if (!open)
        rx_discard(p);
    spin_unlock_irqrestore(&p->lock, flags);
    console_open_tell(p, open);
}

err_t console_tty_add(struct console_port *p)
{
    err_t err = p->console_added ? -EALREADY : number_take(&hvc_numbers, &p->hvc);

    if (err)
        return err == -EALREADY ? 0 : err;
    fmt_snprintf(p->tty_name, sizeof p->tty_name, "hvc%u", p->hvc);
    p->console = (struct console_service){ .tty_name = p->tty_name, .major = HVC_MAJOR, .minor = p->hvc,
                                           .data = p, .write = hvc_write, .write_log = hvc_write_log,
                                           .room = hvc_room, .pending = hvc_pending, .listen = hvc_listen,
                                           .size = hvc_size, .throttle = hvc_throttle };
    atomic_store(&p->throttled, false);
    err = console_add(&p->console, RATING);
    if (err) {
        number_give(&hvc_numbers, p->hvc);
        return err;
    }
    p->console_added = true;
    guest_open_set(p, true);
    return 0;
}

static void tty_remove(struct console_port *p)
{
    if (!p->console_added)
        return;
    console_remove(&p->console);
    if (p->dropped)
        log_info("%s: %llu bytes of the log were not taken", p->tty_name, (unsigned long long)p->dropped);
    p->dropped = 0;
    p->console_added = false;
    number_give(&hvc_numbers, p->hvc);
    guest_open_set(p, false);
}

/* ---- as a stream; the port's own lock held, so the stream has its owner ---------------------- */

static struct console_port *owner_of(struct port *port)
{
    return container_of(port, struct console_stream, port)->owner;
}

static size_t stream_read(struct port *port, void *buf, size_t n)
{
    return rx_pull_locking(owner_of(port), buf, n);
}

static size_t stream_write(struct port *port, const void *buf, size_t n)
{
    return tx_write(owner_of(port), buf, n);
}

static unsigned stream_state(struct port *port)
{
    struct console_port *p = owner_of(port);
    unsigned long flags = spin_lock_irqsave(&p->lock);
    unsigned state = (p->full_count ? PORT_READABLE : 0) | (p->stopped || tx_room(p) ? PORT_WRITABLE : 0) |
                     (atomic_load(&p->host_open) && !p->stopped ? PORT_CONNECTED : 0);

    spin_unlock_irqrestore(&p->lock, flags);
    return state;
}

static err_t stream_open(struct port *port)
{
    struct console_port *p = owner_of(port);

    if (atomic_load(&p->is_console))
        return -ENXIO; /* as on Linux */
    guest_open_set(p, true);
    return 0;
}

static void stream_close(struct port *port)
{
    guest_open_set(owner_of(port), false);
}

static void stream_release(struct port *port)
{
    kfree(container_of(port, struct console_stream, port));
}

static const struct port_ops stream_ops = { .read = stream_read, .write = stream_write, .state = stream_state,
                                            .open = stream_open, .close = stream_close,
                                            .release = stream_release };

static void stream_set(struct console_port *p, struct console_stream *s)
{
    unsigned long flags = spin_lock_irqsave(&p->listen_lock);

    p->stream = s;
    spin_unlock_irqrestore(&p->listen_lock, flags);
}

err_t console_stream_add(struct console_port *p)
{
    struct console_stream *s = kzalloc(sizeof *s);
    struct virtio_device *v = p->device->v;
    err_t err;

    if (!s)
        return -ENOMEM;
    s->owner = p;
    s->port.class_name = "virtio-ports";
    s->port.major = PORT_MAJOR;
    s->port.minor = v->number * CONSOLE_PORTS_MAX + p->id;
    s->port.ops = &stream_ops;
    fmt_snprintf(s->port.name, sizeof s->port.name, "vport%up%u", v->number, p->id);
    device_path(&v->device, s->port.parent, sizeof s->port.parent);
    err = port_add(&s->port);
    if (err)
        kfree(s);
    else
        stream_set(p, s);
    return err;
}

static void stream_remove(struct console_port *p)
{
    struct console_stream *s = p->stream;

    if (!s)
        return;
    port_remove(&s->port);
    stream_set(p, NULL);
    if (!p->console_added)
        guest_open_set(p, false);
    port_put(&s->port);
}

/* ---- life ------------------------------------------------------------------------------------ */

void console_port_init(struct console_port *p, struct console_device *c, unsigned id)
{
    p->device = c;
    p->id = id;
    spin_init(&p->lock, LOCK_CONSOLE);
    spin_init(&p->listen_lock, LOCK_DEVICE);
}

err_t console_port_begin(struct console_port *p)
{
    unsigned long flags;

    if (p->rx_memory)
        return 0; /* it was here before: the buffers are where they were */
    p->tx_memory = kmalloc(CONSOLE_TX_BYTES);
    p->rx_memory = p->tx_memory ? kmalloc(CONSOLE_RX_BUFFERS * CONSOLE_RX_BYTES) : NULL;
    if (!p->rx_memory) {
        kfree(p->tx_memory);
        p->tx_memory = NULL;
        return -ENOMEM;
    }
    flags = spin_lock_irqsave(&p->lock);
    for (unsigned n = 0; n < CONSOLE_RX_BUFFERS; n++)
        rx_offer(p, n);
    virtio_queue_kick(p->rx);
    spin_unlock_irqrestore(&p->lock, flags);
    return 0;
}

void console_port_hide(struct console_port *p)
{
    tty_remove(p);
    stream_remove(p);
    atomic_store(&p->is_console, false);
    atomic_store(&p->host_open, false);
    p->label[0] = '\0';
}

void console_port_connected(struct console_port *p, bool host_open)
{
    atomic_store(&p->host_open, host_open);
    if (p->stream)
        port_changed(&p->stream->port);
}

void console_port_resized(struct console_port *p, unsigned columns, unsigned rows)
{
    unsigned long flags;

    atomic_store(&p->size, (columns & 0xffff) | rows << 16);
    flags = spin_lock_irqsave(&p->listen_lock);
    if (p->listener)
        p->listener->resized(p->listener_arg);
    spin_unlock_irqrestore(&p->listen_lock, flags);
}

void console_port_drain(struct console_port *p)
{
    unsigned long flags = spin_lock_irqsave(&p->lock);

    p->stopped = true;
    while (virtio_queue_detach(p->rx))
        ;
    while (virtio_queue_detach(p->tx))
        ;
    p->out = 0;
    p->tail = p->head;
    spin_unlock_irqrestore(&p->lock, flags);
    room_tell(p);
}

void console_port_free(struct console_port *p)
{
    if (p->device->v->dead) /* it may still write: the memory stays its own */
        return;
    kfree(p->rx_memory);
    kfree(p->tx_memory);
}
