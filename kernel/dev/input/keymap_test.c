// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of layouts, modifiers, the console's sequences and scan codes. */
#include <dev/input/keymap.h>

#include <core/ktest.h>
#include <lib/string.h>

#include <linux/input-event-codes.h>

static struct key_state keys;

static void begin(const char *layout)
{
    keys = (struct key_state){ .layout = key_layout_find(layout) };
}

/* What a key types, pressed and let go. */
static const char *press(unsigned code)
{
    static char text[KEY_BYTES_MAX + 1];
    uint8_t none[KEY_BYTES_MAX];

    text[key_type(&keys, code, true, (uint8_t *)text)] = '\0';
    (void)key_type(&keys, code, false, none);
    return text;
}

static const char *with(unsigned modifier, unsigned code)
{
    uint8_t none[KEY_BYTES_MAX];
    const char *text;

    (void)key_type(&keys, modifier, true, none);
    text = press(code);
    (void)key_type(&keys, modifier, false, none);
    return text;
}

KTEST(keymap, us)
{
    begin("us");
    KTEST_STR_EQ(press(KEY_A), "a");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_A), "A");
    KTEST_STR_EQ(with(KEY_RIGHTSHIFT, KEY_2), "@");
    KTEST_STR_EQ(press(KEY_BACKSLASH), "\\");
    KTEST_STR_EQ(with(KEY_LEFTCTRL, KEY_C), "\x03");
    KTEST_STR_EQ(with(KEY_RIGHTCTRL, KEY_4), "\x1c");
    KTEST_STR_EQ(with(KEY_LEFTALT, KEY_X), "\033x");
    KTEST_STR_EQ(with(KEY_RIGHTALT, KEY_X), "\033x");
    KTEST_STR_EQ(press(KEY_ENTER), "\r");
    KTEST_STR_EQ(press(KEY_BACKSPACE), "\x7f");
    KTEST_STR_EQ(with(KEY_LEFTCTRL, KEY_BACKSPACE), "\b");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_TAB), "\033[Z");
    KTEST_STR_EQ(press(KEY_SPACE), " ");
    KTEST_TRUE(key_layout_find("xx") == NULL);
}

KTEST(keymap, de)
{
    begin("de");
    KTEST_STR_EQ(press(KEY_Y), "z");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_Z), "Y");
    KTEST_STR_EQ(press(KEY_LEFTBRACE), "ü");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_SEMICOLON), "Ö");
    KTEST_STR_EQ(press(KEY_MINUS), "ß");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_MINUS), "?");
    KTEST_STR_EQ(with(KEY_RIGHTALT, KEY_Q), "@");
    KTEST_STR_EQ(with(KEY_RIGHTALT, KEY_E), "€");
    KTEST_STR_EQ(with(KEY_RIGHTALT, KEY_102ND), "|");
    KTEST_STR_EQ(with(KEY_RIGHTALT, KEY_A), "");
    KTEST_STR_EQ(with(KEY_RIGHTALT, KEY_MINUS), "\\");
    KTEST_STR_EQ(with(KEY_LEFTALT, KEY_Q), "\033q");
    KTEST_STR_EQ(with(KEY_LEFTCTRL, KEY_Y), "\x1a");
}

KTEST(keymap, every_layout_is_whole)
{
    const char *name;

    for (unsigned n = 0; (name = key_layout_name(n)) != NULL; n++) {
        const struct key_layout *l = key_layout_find(name);

        for (unsigned i = 0; i <= 48; i++) {
            KTEST_EQ(l->plain[i] != 0, i < 48);
            KTEST_EQ(l->shift[i] != 0, i < 48);
            if (l->altgr)
                KTEST_EQ(l->altgr[i] != 0, i < 48);
        }
    }
}

KTEST(keymap, locks)
{
    begin("de");
    KTEST_EQ(key_leds(&keys), 0u);
    (void)press(KEY_CAPSLOCK);
    KTEST_EQ(key_leds(&keys), KEY_LED_CAPS);
    KTEST_STR_EQ(press(KEY_A), "A");
    KTEST_STR_EQ(press(KEY_APOSTROPHE), "Ä");
    KTEST_STR_EQ(press(KEY_1), "1");
    KTEST_STR_EQ(press(KEY_MINUS), "ß");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_A), "a");
    (void)press(KEY_CAPSLOCK);
    (void)press(KEY_NUMLOCK);
    KTEST_EQ(key_leds(&keys), KEY_LED_NUM);
    KTEST_STR_EQ(press(KEY_KP7), "7");
    (void)press(KEY_NUMLOCK);
    KTEST_STR_EQ(press(KEY_KP7), "\033[1~");
    KTEST_STR_EQ(press(KEY_KP5), "\033[G");
    KTEST_STR_EQ(press(KEY_KPPLUS), "+");
    keys.keypad = true;
    KTEST_STR_EQ(press(KEY_KP7), "\033Ow");
    KTEST_STR_EQ(press(KEY_KPSLASH), "\033OQ");
}

KTEST(keymap, sequences)
{
    begin("us");
    KTEST_STR_EQ(press(KEY_UP), "\033[A");
    KTEST_STR_EQ(press(KEY_HOME), "\033[1~");
    KTEST_STR_EQ(press(KEY_F1), "\033[[A");
    KTEST_STR_EQ(press(KEY_F10), "\033[21~");
    KTEST_STR_EQ(press(KEY_F12), "\033[24~");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_F1), "\033[25~");
    KTEST_STR_EQ(with(KEY_LEFTSHIFT, KEY_F12), "");
    keys.cursor_keys = true;
    KTEST_STR_EQ(press(KEY_LEFT), "\033OD");
    keys.new_line = true;
    KTEST_STR_EQ(press(KEY_ENTER), "\r\n");
    for (unsigned code = 0; code < 70000; code++)
        KTEST_TRUE(strlen(press(code)) <= KEY_BYTES_MAX);
}

KTEST(keymap, ctrl_alt_del)
{
    uint8_t none[KEY_BYTES_MAX];

    begin("us");
    (void)press(KEY_DELETE);
    (void)key_type(&keys, KEY_LEFTCTRL, true, none);
    (void)press(KEY_DELETE);
    KTEST_TRUE(!keys.attention);
    (void)key_type(&keys, KEY_LEFTALT, true, none);
    KTEST_STR_EQ(press(KEY_DELETE), "");
    KTEST_TRUE(keys.attention);
}

/* Decodes bytes; the codes as they come, those let go negative, in `out`. */
static unsigned decode(const uint8_t *bytes, size_t n, int *out)
{
    uint8_t prefix = 0;
    unsigned count = 0;
    bool down;

    for (size_t i = 0; i < n; i++) {
        int key = (int)scancode_key(bytes[i], &prefix, &down);

        if (key)
            out[count++] = down ? key : -key;
    }
    return count;
}

KTEST(keymap, scan_codes)
{
    static const uint8_t bytes[] = { 0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5,
                                     0x3a, 0xe0, 0x2a, 0xe0, 0x53, 0x7f, 0x00, 0x58 };
    int out[sizeof bytes];

    KTEST_REQUIRE(decode(bytes, sizeof bytes, out) == 7);
    KTEST_EQ(out[0], KEY_A);
    KTEST_EQ(out[1], -KEY_A);
    KTEST_EQ(out[2], KEY_UP);
    KTEST_EQ(out[3], -KEY_UP);
    KTEST_EQ(out[4], KEY_CAPSLOCK);
    KTEST_EQ(out[5], KEY_DELETE);
    KTEST_EQ(out[6], KEY_F12);
}
