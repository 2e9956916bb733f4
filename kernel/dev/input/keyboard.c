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
static uint32_t attention; /* atomic: Ctrl-Alt-Del was pressed */

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
        atomic_store(&attention, 1);
        waitq_wake_one(&attention_queue);
    }
    return leds;
}

static void attention_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event_state(&attention_queue, atomic_xchg(&attention, 0), THREAD_SLEEPING_INTR, NS_NEVER,
                         false);
        power_ctrl_alt_del();
    }
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

static struct subsystem keyboard_subsystem = {
    .name = "keyboard", .privilege = PRIV_DRIVER, .late_init = keyboard_start
};
REGISTER_SUBSYSTEM(keyboard_subsystem);
