// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the console device's driver: the input is what a device says that means harm, and when.
 * Run: scripts/fuzz.sh console SECONDS.
 *
 * Model: the head is what the device is: features, the size of its queues, its configuration.  Each byte after it
 * is a step: the device sends a control message (any port, event, value, name, length), or data, takes or
 * refuses what it is sent, lies in its rings, interrupts; the thread or a timer runs; the terminal, the log and a
 * program read and write; the device goes and comes.  After each step: no lock is held, the queues keep
 * their invariants, no two consoles or ports have one name, and names are text.  In the end nothing is left.
 */
#include "device.h"

#include <dev/virtio/console.h>

#include <lib/string.h>

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QUEUES (2 * CONSOLE_PORTS_MAX + 2)
#define CONTROL_IN 2
#define MESSAGE_MAX 200
#define AWAKENINGS 8

static struct fake_device f;
static const struct console_service *consoles[CONSOLE_PORTS_MAX];
static struct port *ports[CONSOLE_PORTS_MAX];
static bool eager; /* the terminal throttles now and then */
static unsigned awakenings;

/* ---- what shows consoles and ports ------------------------------------------------------------ */

static void on_input(void *arg, const uint8_t *data, size_t n)
{
    const struct console_service *c = arg;
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += data[i]; /* ASan looks whether it is there */
    if (!eager && sum % 4 == 0)
        c->throttle(c, true);
}

static void on_event(void *arg)
{
    const struct console_service *c = arg;
    unsigned columns, rows;

    expect(c->room(c) <= CONSOLE_TX_BYTES && c->pending(c) <= CONSOLE_TX_BYTES);
    c->size(c, &columns, &rows);
    expect(columns <= UINT16_MAX && rows <= UINT16_MAX);
}

static const struct console_listener listener = { .input = on_input, .room = on_event, .resized = on_event };

err_t console_add(const struct console_service *c, unsigned rating)
{
    unsigned free_at = CONSOLE_PORTS_MAX;

    for (unsigned i = 0; i < CONSOLE_PORTS_MAX; i++) {
        expect(!consoles[i] || (consoles[i] != c && consoles[i]->minor != c->minor));
        if (!consoles[i])
            free_at = i;
    }
    expect(free_at < CONSOLE_PORTS_MAX && strncmp(c->tty_name, "hvc", 3) == 0);
    if (!eager && input_byte() % 16 == 15)
        return -ENOMEM;
    consoles[free_at] = c;
    c->listen(c, &listener, (void *)c);
    return 0;
}

void console_remove(const struct console_service *c)
{
    unsigned i = 0;

    while (i < CONSOLE_PORTS_MAX && consoles[i] != c)
        i++;
    expect(i < CONSOLE_PORTS_MAX);
    c->listen(c, NULL, NULL);
    consoles[i] = NULL;
}

static void label_check(const char *label)
{
    expect(strnlen(label, PORT_LABEL_BYTES) < PORT_LABEL_BYTES);
    for (; *label; label++)
        expect((uint8_t)*label >= ' ' && *label != 0x7f);
}

err_t port_add(struct port *p)
{
    unsigned free_at = CONSOLE_PORTS_MAX;

    for (unsigned i = 0; i < CONSOLE_PORTS_MAX; i++) {
        expect(!ports[i] || (ports[i]->minor != p->minor && strcmp(ports[i]->name, p->name) != 0));
        if (!ports[i])
            free_at = i;
    }
    expect(free_at < CONSOLE_PORTS_MAX);
    if (!eager && input_byte() % 16 == 15)
        return -ENOMEM;
    spin_init(&p->lock, LOCK_TTY);
    ports[free_at] = p;
    return 0;
}

void port_remove(struct port *p)
{
    unsigned i = 0;

    while (i < CONSOLE_PORTS_MAX && ports[i] != p)
        i++;
    expect(i < CONSOLE_PORTS_MAX);
    ports[i] = NULL;
    p->gone = true;
}

void port_label(struct port *p, const char *label)
{
    label_check(label);
    str_copy(p->label, label, sizeof p->label);
}

void port_changed(struct port *p)
{
    expect(!p->gone);
}

void port_put(struct port *p)
{
    expect(p->gone);
    p->ops->release(p);
}

/* ---- what the device does -------------------------------------------------------------------- */

static bool device_sends(unsigned queue, const void *data, size_t bytes, uint32_t said)
{
    struct fake_chain c;

    if (!device_take(&f, queue, &c))
        return false;
    memcpy(c.piece[0].data, data, MIN(bytes, (size_t)c.piece[0].bytes));
    fake_give(&f, queue, c.head, said);
    return true;
}

static void message_send(bool sound)
{
    uint8_t message[MESSAGE_MAX];
    struct virtio_console_control head = { input_byte(), input_byte() % 9, input_byte() % 2 };
    uint32_t n = input_byte() % sizeof message, said = n + sizeof head;

    if (!sound) {
        head = (struct virtio_console_control){ input_number(4), (uint16_t)input_number(2),
                                                (uint16_t)input_number(2) };
        said = input_byte();
    }
    n = MIN(n, (uint32_t)(sizeof message - sizeof head));
    memcpy(message, &head, sizeof head);
    input_bytes(message + sizeof head, n);
    (void)device_sends(CONTROL_IN, message, sizeof head + n, MIN(said, 128u + !sound));
}

static void data_send(void)
{
    uint8_t data[CONSOLE_RX_BYTES];
    unsigned queue = input_byte() % QUEUES;
    uint32_t n = input_number(2) % (CONSOLE_RX_BYTES + 2);

    memset(data, input_byte(), sizeof data);
    (void)device_sends(queue & ~1u, data, MIN(n, CONSOLE_RX_BYTES), n);
}

static void chain_take(unsigned queue)
{
    struct fake_chain c;
    uint8_t sum = 0;

    if (!device_take(&f, queue, &c))
        return;
    for (unsigned i = 0; i < c.count; i++)
        for (uint32_t k = 0; k < c.piece[i].bytes; k++)
            sum += c.piece[i].data[k];
    fake_give(&f, queue, c.head, sum % 64 ? 0 : sum);
}

static void device_step(unsigned what)
{
    switch (what) {
    case 0:
    case 1:
        message_send(true);
        break;
    case 2:
        message_send(false);
        break;
    case 3:
        data_send();
        break;
    case 4:
        chain_take(input_byte() % QUEUES | 1);
        break;
    case 5:
        input_bytes(f.config + input_byte() % 16, 4);
        virtio_interrupt(&f.v, true);
        break;
    case 6:
        device_lies(&f, QUEUES);
        break;
    default:
        break;
    }
    fake_interrupt(&f);
}

/* ---- what the machine does ------------------------------------------------------------------- */

static void terminal_step(unsigned how)
{
    static const char text[1000];
    const struct console_service *c = consoles[input_byte() % CONSOLE_PORTS_MAX];

    if (!c)
        return;
    if (how % 3 == 0)
        c->write(c, text, input_number(2) % sizeof text);
    else if (how % 3 == 1)
        c->write_log(c, text, input_byte());
    else
        c->throttle(c, input_byte() & 1);
    on_event((void *)c);
}

static void program_step(unsigned how)
{
    static uint8_t text[1000];
    struct port *p = ports[input_byte() % CONSOLE_PORTS_MAX];
    unsigned long flags;

    if (!p)
        return;
    flags = spin_lock_irqsave(&p->lock);
    if (!p->opened)
        p->opened = p->ops->open(p) == 0;
    else if (how % 4 == 0)
        expect(p->ops->read(p, text, 300) <= 300);
    else if (how % 4 == 1)
        expect(p->ops->write(p, text, sizeof text) <= sizeof text);
    else if (how % 4 == 2)
        p->ops->close(p), p->opened = false;
    (void)p->ops->state(p);
    spin_unlock_irqrestore(&p->lock, flags);
}

/* While the driver waits in its start, the device goes on, but not for ever. */
static void asleep(void)
{
    if (awakenings++ < AWAKENINGS)
        device_step(input_byte() % 8);
}

static bool begin(void)
{
    unsigned features = input_byte(), entries = 1u << input_byte() % 5;

    fake_init(&f, VIRTIO_ID_CONSOLE,
              (features & 1 ? BIT(VIRTIO_CONSOLE_F_SIZE) : 0) | (features & 2 ? 0 : BIT(VIRTIO_CONSOLE_F_MULTIPORT)) |
                  (features & 4 ? BIT(VIRTIO_CONSOLE_F_EMERG_WRITE) : 0) |
                  (features & 8 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
                  (features & 16 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0));
    eager = features & 32;
    for (unsigned i = 0; i < QUEUES; i++)
        f.entries[i] = features & 64 && i > 9 ? 0 : entries;
    input_bytes(f.config, 12);
    awakenings = 0;
    return driver_begin(&f, "virtio_console") == 0;
}

static bool step(void)
{
    unsigned what = input_byte();

    if (what % 16 < 8) {
        device_step(what % 16);
    } else if (what % 16 < 11) {
        (void)work_run();
    } else if (what % 16 == 11) {
        (void)timer_run();
    } else if (what % 16 < 14) {
        terminal_step(what / 16);
    } else if (what != 0xff) {
        program_step(what / 16);
    } else {
        driver_end(&f);
        return begin();
    }
    driver_check(&f);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool live;

    input_begin(data, size);
    while_asleep = asleep;
    live = begin();
    while (live && input_left())
        live = step();
    if (live)
        driver_end(&f);
    for (unsigned i = 0; i < CONSOLE_PORTS_MAX; i++)
        expect(!consoles[i] && !ports[i]);
    return 0;
}
