// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz what keyboards say: scan codes of the PC's controller, event codes of a virtio one, in every
 * layout.  The first byte chooses the layout and the kind; then come the codes.
 * Run: scripts/fuzz.sh keys SECONDS.
 */
#include <dev/input/keymap.h>

#include <lib/string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void key_go(struct key_state *s, unsigned code, bool down)
{
    struct {
        uint8_t text[KEY_BYTES_MAX], behind;
    } out = { .behind = 0x5a };
    unsigned n = key_type(s, code, down, out.text);

    expect(n <= KEY_BYTES_MAX && out.behind == 0x5a && (down || n == 0));
    expect(key_leds(s) <= (KEY_LED_NUM | KEY_LED_CAPS));
}

static unsigned layout_count(void)
{
    unsigned n = 0;

    while (key_layout_name(n) != NULL)
        n++;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_state s = { 0 };
    uint8_t prefix = 0;
    unsigned code;
    bool down;

    if (size == 0)
        return 0;
    s.layout = key_layout_find(key_layout_name((data[0] & 15) % layout_count()));
    expect(s.layout != NULL);
    s.cursor_keys = data[0] & 0x10;
    s.keypad = data[0] & 0x20;
    s.new_line = data[0] & 0x40;
    for (size_t i = 1; i < size; i++) {
        if (data[0] & 0x80) { /* a code of 16 bits, and whether it is down */
            if (size - i < 3)
                break;
            key_go(&s, (unsigned)data[i] << 8 | data[i + 1], data[i + 2] & 1);
            i += 2;
        } else if ((code = scancode_key(data[i], &prefix, &down)) != 0) {
            key_go(&s, code, down);
        }
    }
    return 0;
}
