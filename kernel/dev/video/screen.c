// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the machine's screen: see screen.h.
 *
 * Locking: screen_lock (LOCK_CONSOLE) guards the emulator and what is drawn; it is given back between
 * rows, so that interrupts wait for one row at most.  In a panic nobody locks.  input_lock (LOCK_DEVICE)
 * makes one stream of what keyboards and the emulator's reports send; they are never held together.
 */
#define LOG_TAG "screen"
#include <dev/video/screen.h>

#include <core/panic.h>
#include <core/spinlock.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/frame.h>

#define WRITE_CHUNK 1024 /* bytes that are taken in with interrupts off */

static struct spinlock screen_lock = SPINLOCK_INIT(LOCK_CONSOLE);
static struct spinlock input_lock = SPINLOCK_INIT(LOCK_DEVICE);
static struct vt vt; /* screen_lock */
static const struct screen_ops *ops; /* NULL: no screen; constant from screen_start() to screen_stop() */
static paddr_t vt_frames = PADDR_NONE; /* vt's memory; likewise */
static const struct console_listener *listener; /* input_lock */
static void *listener_arg; /* input_lock */

static unsigned long lock(bool *locked)
{
    *locked = !atomic_load_relaxed(&panicking); /* the lock's holder may be the one that panics */
    return *locked ? spin_lock_irqsave(&screen_lock) : hal_irq_save();
}

static void unlock(bool locked, unsigned long flags)
{
    if (locked)
        spin_unlock_irqrestore(&screen_lock, flags);
    else
        hal_irq_restore(flags);
}

static void take_in(const char *s, size_t n, bool mute)
{
    bool locked;
    unsigned long flags = lock(&locked);

    vt.mute = mute;
    vt_write(&vt, s, n);
    vt_flush_begin(&vt);
    unlock(locked, flags);
}

static void draw_row(unsigned row)
{
    bool locked;
    unsigned long flags = lock(&locked);

    if (vt.dirty[row].from < vt.dirty[row].to)
        vt_flush_row(&vt, row, ops->draw, NULL);
    unlock(locked, flags);
}

static void draw_cursor(void)
{
    bool locked;
    unsigned long flags = lock(&locked);

    ops->cursor(vt.pen.row, vt.pen.column, vt.cursor_visible);
    unlock(locked, flags);
}

static void screen_put(const char *s, size_t n, bool mute)
{
    do {
        size_t run = MIN(n, (size_t)WRITE_CHUNK);

        take_in(s, run, mute);
        s += run;
        n -= run;
    } while (n > 0);
    for (unsigned row = 0; row < vt.rows; row++)
        draw_row(row);
    if (ops->cursor)
        draw_cursor();
}

static void send_reply(void)
{
    char text[VT_REPLY_MAX];
    bool locked;
    unsigned long flags = lock(&locked);
    unsigned n = vt_reply_take(&vt, text);

    unlock(locked, flags);
    if (n)
        screen_input((const uint8_t *)text, n);
}

static size_t screen_write(const struct console_service *c __maybe_unused, const char *s, size_t n)
{
    screen_put(s, n, false);
    if (atomic_load_relaxed(&vt.reply_length))
        send_reply();
    return n;
}

static void screen_write_log(const struct console_service *c __maybe_unused, const char *s, size_t n)
{
    screen_put(s, n, true);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void screen_listen(const struct console_service *c __maybe_unused, const struct console_listener *l,
                          void *arg)
{
    unsigned long flags = spin_lock_irqsave(&input_lock);

    listener = l;
    listener_arg = arg;
    spin_unlock_irqrestore(&input_lock, flags);
}

void screen_input(const uint8_t *data, size_t n)
{
    unsigned long flags = spin_lock_irqsave(&input_lock);

    if (listener)
        listener->input(listener_arg, data, n);
    spin_unlock_irqrestore(&input_lock, flags);
}

struct screen_modes screen_modes(void)
{
    return (struct screen_modes){ .cursor_keys = atomic_load_relaxed(&vt.cursor_keys),
                                  .keypad = atomic_load_relaxed(&vt.keypad),
                                  .new_line = atomic_load_relaxed(&vt.new_line) };
}

/* ---- life ------------------------------------------------------------------------------------ */

static void screen_size(const struct console_service *c __maybe_unused, unsigned *columns, unsigned *rows)
{
    *columns = vt.columns;
    *rows = vt.rows;
}

static const struct console_service console = {
    .tty_name = "tty1",
    .alias = "tty0",
    .major = 4,
    .minor = 1,
    .alias_minor = 0,
    .write = screen_write,
    .write_log = screen_write_log,
    .listen = screen_listen,
    .size = screen_size,
};

bool screen_is_there(void)
{
    return ops != NULL;
}

err_t screen_start(const struct screen_ops *how, unsigned rows, unsigned columns, unsigned rating)
{
    size_t frames;
    paddr_t memory;
    err_t err;

    if (ops)
        return -EBUSY;
    rows = MIN(rows, VT_ROWS_MAX);
    columns = MIN(columns, VT_COLUMNS_MAX);
    frames = ALIGN_UP(vt_memory(rows, columns), PAGE_SIZE) / PAGE_SIZE;
    memory = frame_alloc_contiguous(frames, PAGE_SIZE, FRAME_ZERO);
    if (memory == PADDR_NONE)
        return -ENOMEM;
    vt_init(&vt, rows, columns, phys_to_virt(memory));
    vt_frames = memory;
    ops = how;
    screen_put("", 0, true); /* all is dirty, so this draws all */
    err = console_add(&console, rating);
    if (err == 0)
        return 0;
    ops = NULL;
    frame_free_contiguous(memory, frames);
    return err;
}

void screen_stop(void)
{
    size_t frames = ALIGN_UP(vt_memory(vt.rows, vt.columns), PAGE_SIZE) / PAGE_SIZE;

    console_remove(&console); /* nobody writes any more */
    ops = NULL;
    frame_free_contiguous(vt_frames, frames);
    vt_frames = PADDR_NONE;
}
