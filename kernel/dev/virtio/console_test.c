// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of consoles and ports against devices that are good, lazy, and liars.
 * Model: the device's side is the test: it takes what the driver sends off the queues and fills what it offers.
 * The tests listen in place of the terminal.
 */
#include <dev/virtio/console.h>
#include <dev/virtio/fake.h>

#include <core/ktest.h>
#include <core/log.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <sched/clock.h>
#include <sched/timer.h>

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#define RX 0
#define TX 1
#define CONTROL_IN 2
#define CONTROL_OUT 3
#define PORTS 4
#define SAID_MAX 512
#define PATIENCE (20 * NS_PER_SEC)

static struct fake_device f;
static struct heard {
    uint8_t text[256];
    size_t n;
    uint32_t room, resized; /* atomic */
} heard;
static struct virtio_console_control said[SAID_MAX]; /* by the driver */
static unsigned said_count;
static unsigned quiet_level;

static void on_input(void *arg, const uint8_t *data, size_t n)
{
    n = MIN(n, sizeof heard.text - heard.n);
    memcpy(heard.text + heard.n, data, n);
    heard.n += n;
}

static void on_room(void *arg)
{
    atomic_fetch_add(&heard.room, 1);
}

static void on_resized(void *arg)
{
    atomic_fetch_add(&heard.resized, 1);
}

static const struct console_listener listener = { .input = on_input, .room = on_room, .resized = on_resized };

static struct console_device *driver_of(void)
{
    return f.v.data;
}

/* The console of the port, listened to; NULL: it has none. */
static const struct console_service *console_of(unsigned port)
{
    struct console_port *p = &driver_of()->ports[port];

    return p->console_added ? &p->console : NULL;
}

static void begin(uint64_t features, unsigned entries)
{
    memset(&heard, 0, sizeof heard);
    said_count = 0;
    fake_init(&f, VIRTIO_ID_CONSOLE, features);
    for (unsigned i = 0; i < 2 * PORTS + 2; i++)
        f.entries[i] = entries;
    f.config[0] = 80; /* columns, rows, ports */
    f.config[2] = 25;
    f.config[4] = PORTS;
    quiet_level = log_console_level();
    log_console_level_set(0); /* what is given up says so */
}

static bool added(struct ktest *t)
{
    return KTEST_EQ(virtio_device_add(&f.v, NULL), 0) && KTEST_TRUE(f.v.data != NULL);
}

static void end(struct ktest *t)
{
    device_remove(&f.v.device);
    device_put(&f.v.device);
    log_console_level_set(quiet_level);
    KTEST_TRUE(f.released);
}

/* ---- the device's side ----------------------------------------------------------------------- */

/* Into the next buffer of a queue that receives.  Return: whether there was one. */
static bool device_sends(unsigned queue, const void *data, uint32_t n)
{
    struct fake_chain c;

    if (!fake_take(&f, queue, &c))
        return false;
    memcpy(c.piece[0].data, data, MIN(n, c.piece[0].bytes));
    fake_give(&f, queue, c.head, n);
    return true;
}

/* All that waits on a queue that sends.  Return: bytes. */
static size_t device_takes(unsigned queue, uint8_t *out, size_t size)
{
    struct fake_chain c;
    size_t n = 0;

    while (fake_take(&f, queue, &c)) {
        for (unsigned i = 0; i < c.count; i++) {
            size_t run = MIN(size - n, (size_t)c.piece[i].bytes);

            memcpy(out + n, c.piece[i].data, run);
            n += run;
        }
        fake_give(&f, queue, c.head, 0);
        fake_interrupt(&f);
    }
    return n;
}

/* Lets the driver say what it has to say. */
static void device_listens(void)
{
    uint8_t *at = (uint8_t *)&said[said_count];

    said_count += (unsigned)(device_takes(CONTROL_OUT, at, sizeof said[0] * (SAID_MAX - said_count)) / sizeof said[0]);
}

static bool was_said(uint32_t id, uint16_t event, uint16_t value)
{
    for (unsigned i = 0; i < said_count; i++)
        if (said[i].id == id && said[i].event == event && said[i].value == value)
            return true;
    return false;
}

static void pause(void)
{
    (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
}

static bool comes_to_be_said(uint32_t id, uint16_t event, uint16_t value)
{
    ns_t limit = clock_monotonic() + PATIENCE;

    for (; !was_said(id, event, value); device_listens(), pause())
        if (clock_monotonic() > limit)
            return false;
    return true;
}

static void device_says(uint32_t id, uint16_t event, uint16_t value, const void *data, uint32_t n)
{
    uint8_t message[sizeof(struct virtio_console_control) + 200];
    struct virtio_console_control head = { id, event, value };
    ns_t limit = clock_monotonic() + PATIENCE;

    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, data, n);
    while (!device_sends(CONTROL_IN, message, (uint32_t)sizeof head + n) && clock_monotonic() < limit) {
        fake_interrupt(&f);
        device_listens();
        pause();
    }
    fake_interrupt(&f);
}

/* ---- one port -------------------------------------------------------------------------------- */

KTEST(virtio_console, one_port)
{
    const struct console_service *c;
    unsigned columns = 0, rows = 0;
    uint8_t text[64] = "";

    begin(BIT(VIRTIO_CONSOLE_F_SIZE), 16);
    if (added(t) && (c = console_of(0)) != NULL) {
        KTEST_EQ(strncmp(c->tty_name, "hvc", 3), 0);
        c->listen(c, &listener, NULL);
        c->size(c, &columns, &rows);
        KTEST_EQ(columns, 80);
        KTEST_EQ(rows, 25);
        KTEST_EQ(c->write(c, "hello", 5), 5);
        KTEST_EQ(c->write(c, ", world", 7), 7);
        KTEST_EQ(device_takes(TX, text, sizeof text), 12);
        KTEST_STR_EQ((const char *)text, "hello, world");
        KTEST_EQ(c->pending(c), 0);
        for (unsigned i = 0; i < 40; i++) {
            KTEST_TRUE(device_sends(RX, "abc", 3));
            fake_interrupt(&f);
        }
        KTEST_EQ(heard.n, 120);
        KTEST_EQ(memcmp(heard.text + 117, "abc", 3), 0);
        f.config[0] = 132;
        virtio_interrupt(&f.v, true);
        KTEST_EQ(atomic_load(&heard.resized), 1);
        c->size(c, &columns, &rows);
        KTEST_EQ(columns, 132);
    }
    end(t);
}

/* What nobody reads stays with the device once all buffers are full, and comes when somebody reads again. */
KTEST(virtio_console, throttled)
{
    const struct console_service *c;
    unsigned sent = 0;

    begin(0, 16);
    if (added(t) && (c = console_of(0)) != NULL) {
        c->listen(c, &listener, NULL);
        c->throttle(c, true);
        for (; sent < 100 && device_sends(RX, "x", 1); sent++)
            fake_interrupt(&f);
        KTEST_EQ(sent, CONSOLE_RX_BUFFERS);
        KTEST_EQ(heard.n, 0);
        c->throttle(c, false);
        KTEST_EQ(heard.n, sent);
        KTEST_TRUE(device_sends(RX, "y", 1));
        fake_interrupt(&f);
        KTEST_EQ(heard.n, sent + 1);
    }
    end(t);
}

/* A device that takes nothing: writers are told so, the log waits once and drops. */
KTEST(virtio_console, takes_nothing)
{
    static uint8_t text[2 * CONSOLE_TX_BYTES];
    const struct console_service *c;
    size_t n = 0, taken;

    begin(0, 16);
    if (added(t) && (c = console_of(0)) != NULL) {
        ns_t start;

        c->listen(c, &listener, NULL);
        while ((taken = c->write(c, (const char *)text, 1000)) > 0)
            n += taken;
        KTEST_EQ(n, CONSOLE_TX_BYTES);
        KTEST_EQ(c->room(c), 0);
        KTEST_EQ(c->pending(c), CONSOLE_TX_BYTES);
        start = clock_monotonic();
        for (unsigned i = 0; i < 1000; i++)
            c->write_log(c, "lost", 4);
        KTEST_TRUE(clock_monotonic() - start < 10 * NS_PER_SEC); /* not a wait for each */
        KTEST_EQ(driver_of()->ports[0].dropped, 4000);
        KTEST_EQ(device_takes(TX, text, sizeof text), CONSOLE_TX_BYTES);
        KTEST_TRUE(atomic_load(&heard.room) > 0);
        KTEST_EQ(c->room(c), CONSOLE_TX_BYTES);
        c->write_log(c, "kept", 4);
        KTEST_EQ(device_takes(TX, text, sizeof text), 4);
    }
    end(t);
}

/* Runs that wrap around come out as they went in. */
KTEST(virtio_console, order)
{
    static uint8_t out[CONSOLE_TX_BYTES];
    const struct console_service *c;
    uint8_t next = 0, seen = 0;

    begin(0, 1); /* the shortest queue that there can be */
    if (added(t) && (c = console_of(0)) != NULL) {
        for (unsigned round = 0; round < 200; round++) {
            char piece[97];
            size_t n;

            for (unsigned i = 0; i < sizeof piece; i++)
                piece[i] = (char)next++;
            KTEST_EQ(c->write(c, piece, sizeof piece), sizeof piece);
            if (round % 3)
                continue;
            n = device_takes(TX, out, sizeof out);
            for (size_t i = 0; i < n; i++)
                if (!KTEST_EQ(out[i], seen++))
                    break;
        }
    }
    end(t);
}

/* ---- liars ----------------------------------------------------------------------------------- */

/* It is given up, and the terminal goes: who waits for it is released. */
static void check_given_up(struct ktest *t)
{
    struct console_port *p = &driver_of()->ports[0];
    ns_t limit = clock_monotonic() + PATIENCE;

    KTEST_TRUE(virtio_broken(&f.v));
    while (atomic_load(&p->console_added) && clock_monotonic() < limit)
        pause();
    KTEST_TRUE(!p->console_added);
}

KTEST(virtio_console, index_jumps)
{
    const struct console_service *c;

    begin(0, 16);
    if (added(t) && (c = console_of(0)) != NULL) {
        KTEST_EQ(c->write(c, "x", 1), 1);
        f.queue[TX]->used->idx = 77;
        fake_interrupt(&f);
        check_given_up(t);
    }
    end(t);
}

KTEST(virtio_console, writes_beyond_a_buffer)
{
    static const uint8_t much[CONSOLE_RX_BYTES + 1];
    const struct console_service *c;

    begin(0, 16);
    if (added(t) && (c = console_of(0)) != NULL) {
        c->listen(c, &listener, NULL);
        KTEST_TRUE(device_sends(RX, much, sizeof much));
        fake_interrupt(&f);
        KTEST_EQ(heard.n, 0);
        check_given_up(t);
    }
    end(t);
}

/* It says that it has more ports than it has queues for. */
KTEST(virtio_console, fewer_queues)
{
    begin(BIT(VIRTIO_CONSOLE_F_MULTIPORT), 16);
    f.config[4] = PORTS + 3;
    KTEST_EQ(virtio_device_add(&f.v, NULL), 0);
    KTEST_TRUE(f.v.data == NULL);
    end(t);
}

/* ---- several ports --------------------------------------------------------------------------- */

static bool added_multiport(struct ktest *t)
{
    return added(t) && KTEST_TRUE(comes_to_be_said(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1));
}

KTEST(virtio_console, ports)
{
    static uint8_t text[16];
    const struct console_service *c;
    unsigned columns, rows;

    begin(BIT(VIRTIO_CONSOLE_F_MULTIPORT), 16);
    if (added_multiport(t)) {
        struct console_port *p = driver_of()->ports;

        device_says(0, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
        device_says(2, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
        KTEST_TRUE(comes_to_be_said(0, VIRTIO_CONSOLE_PORT_READY, 1));
        KTEST_TRUE(comes_to_be_said(2, VIRTIO_CONSOLE_PORT_READY, 1));
        device_says(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "", 0);
        device_says(2, VIRTIO_CONSOLE_PORT_NAME, 1, "org\ntest", 8);
        KTEST_TRUE(comes_to_be_said(0, VIRTIO_CONSOLE_PORT_OPEN, 1));
        device_says(0, VIRTIO_CONSOLE_RESIZE, 0, "\x1e\0\x64\0", 4);
        device_says(2, VIRTIO_CONSOLE_PORT_REMOVE, 1, "", 0);
        device_says(2, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
        said_count = 0;
        KTEST_TRUE(comes_to_be_said(2, VIRTIO_CONSOLE_PORT_READY, 1));
        c = console_of(0);
        if (KTEST_TRUE(c != NULL)) {
            c->size(c, &columns, &rows);
            KTEST_EQ(columns, 100);
            KTEST_EQ(rows, 30);
            KTEST_EQ(c->write(c, "port", 4), 4);
            KTEST_EQ(device_takes(TX, text, sizeof text), 4);
        }
        KTEST_TRUE(p[2].stream && !p[2].console_added && p[2].label[0] == '\0');
        KTEST_TRUE(!p[1].stream && !p[3].stream);
    }
    end(t);
}

KTEST(virtio_console, names)
{
    begin(BIT(VIRTIO_CONSOLE_F_MULTIPORT), 16);
    if (added_multiport(t)) {
        char name[200];

        memset(name, 'n', sizeof name);
        device_says(1, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
        device_says(1, VIRTIO_CONSOLE_PORT_NAME, 1, "a\nb\x7f", 4);
        device_says(3, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
        device_says(3, VIRTIO_CONSOLE_PORT_NAME, 1, name, 100);
        device_says(9, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
        KTEST_TRUE(comes_to_be_said(9, VIRTIO_CONSOLE_PORT_READY, 0));
        KTEST_STR_EQ(driver_of()->ports[1].stream->port.label, "a?b?");
        KTEST_EQ(strlen(driver_of()->ports[3].stream->port.label), PORT_LABEL_BYTES - 1);
    }
    end(t);
}

/* Whatever it says, nothing breaks, and it can be removed in the middle of it. */
KTEST(virtio_console, nonsense)
{
    uint32_t state = 1;

    begin(BIT(VIRTIO_CONSOLE_F_MULTIPORT), 4);
    if (added_multiport(t)) {
        for (unsigned i = 0; i < 1500; i++) {
            uint8_t message[120];
            uint32_t n;

            for (unsigned k = 0; k < sizeof message; k++) {
                state = state * 1664525 + 1013904223;
                message[k] = (uint8_t)(state >> 24);
            }
            n = message[119] % 40;
            if (message[118] % 8) { /* mostly with some sense */
                memset(message, 0, 8);
                message[0] = message[117] % (PORTS + 1);
                message[4] = message[116] % 9;
                message[6] = message[115] % 2;
            }
            (void)device_sends(CONTROL_IN, message, n);
            (void)device_sends(RX, message, message[114] % 100);
            fake_interrupt(&f);
            said_count = 0;
            device_listens();
            if (i % 16 == 0)
                pause();
        }
        KTEST_TRUE(!virtio_broken(&f.v));
        for (unsigned i = 0; i < 2 * PORTS + 2; i++)
            KTEST_TRUE(virtio_queue_check(f.v.queues[i]));
    }
    end(t);
}

static void answer_at_once(struct fake_device *d, unsigned queue)
{
    const struct virtio_console_control add = { 0, VIRTIO_CONSOLE_PORT_ADD, 1 };

    if (queue == CONTROL_IN)
        (void)device_sends(CONTROL_IN, &add, sizeof add);
}

/* A device that talks without end does not keep the driver from letting go of it. */
KTEST(virtio_console, talks_without_end)
{
    begin(BIT(VIRTIO_CONSOLE_F_MULTIPORT), 16);
    f.notified_fn = answer_at_once;
    if (added(t)) {
        for (unsigned i = 0; i < 20; i++) {
            fake_interrupt(&f);
            pause();
        }
        KTEST_TRUE(!virtio_broken(&f.v));
    }
    end(t);
}
