// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: keys become what tty1 reads; Ctrl-Alt-Del becomes a restart.
 * Model: a thread waits for Ctrl-Alt-Del, because what follows it sleeps.
 * Locking: keyboard_lock (LOCK_DEVICE), never held together with the screen's.
 */
#define LOG_TAG "keyboard"
#include <dev/input/keyboard.h>

#include <core/choice.h>
#include <core/params.h>
#include <core/spinlock.h>
#include <dev/video/screen.h>
#include <sched/thread.h>
#include <sched/waitq.h>
#include <svc/power.h>
#include <svc/subsystem.h>

static struct spinlock keyboard_lock = SPINLOCK_INIT(LOCK_DEVICE);
static struct key_state keys; /* keyboard_lock */
static struct waitq attention_queue = WAITQ_INIT(attention_queue);
static uint32_t attention; /* atomic: Ctrl-Alt-Del was pressed, or ENDING */
static uint32_t ended; /* atomic: the thread has seen ENDING */

#define PRESSED 1u
#define ENDING 2u

unsigned keyboard_key(unsigned code, bool down)
{
    struct screen_modes modes = screen_modes();
    uint8_t text[KEY_BYTES_MAX];
    unsigned long flags = spin_lock_irqsave(&keyboard_lock);
    unsigned n, leds;
    bool called;

    keys.cursor_keys = modes.cursor_keys;
    keys.keypad = modes.keypad;
    keys.new_line = modes.new_line;
    n = key_type(&keys, code, down, text);
    leds = key_leds(&keys);
    called = keys.attention;
    keys.attention = false;
    spin_unlock_irqrestore(&keyboard_lock, flags);
    if (n)
        screen_input(text, n);
    if (called) {
        atomic_fetch_or(&attention, PRESSED);
        waitq_wake_all(&attention_queue);
    }
    return leds;
}

static void attention_thread(void *arg)
{
    uint32_t what = 0;

    (void)arg;
    while (!(what & ENDING)) {
        wait_event_state(&attention_queue, (what = atomic_xchg(&attention, 0)) != 0, THREAD_SLEEPING_INTR, NS_NEVER,
                         false);
        if (what & PRESSED)
            power_ctrl_alt_del();
    }
    atomic_store(&ended, 1);
    waitq_wake_all(&attention_queue);
}

static err_t set_keymap(const char *value)
{
    return value && key_layout_find(value) ? 0 : -EINVAL;
}
PARAM(keymap, "layout of the keyboards: us, de, gb, fr", set_keymap);

static err_t keyboard_start(struct subsystem *self)
{
    const char *name = params_find("keymap");

    (void)self;
    keys.layout = name ? key_layout_find(name) : NULL;
    if (!keys.layout)
        keys.layout = key_layout_find("us");
    return kthread_start("kbd", LEVEL_NORMAL, attention_thread, NULL) ? 0 : -ENOMEM;
}

static err_t keyboard_stop(struct subsystem *self)
{
    (void)self;
    atomic_fetch_or(&attention, ENDING);
    waitq_wake_all(&attention_queue);
    wait_event(&attention_queue, atomic_xchg(&ended, 0));
    return 0; /* what keys are down is kept: a keyboard may still send */
}

static struct subsystem keyboard_subsystem = {
    .name = "keyboard", .privilege = PRIV_DRIVER, .late_init = keyboard_start, .stop = keyboard_stop
};
REGISTER_SUBSYSTEM(keyboard_subsystem);
