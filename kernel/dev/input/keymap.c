// SPDX-License-Identifier: CC0-1.0
#include <dev/input/keymap.h>

#include <lib/string.h>

#include <linux/input-event-codes.h>

/* The 48 keys of a level, in the order of their codes: 2-13, 16-27, 30-41, 43-53, 86. */
#define LAYOUT_KEYS 48

static const struct key_layout layouts[] = {
    { "us",
      u"1234567890-=" u"qwertyuiop[]" u"asdfghjkl;'`" u"\\zxcvbnm,./" u"<",
      u"!@#$%^&*()_+" u"QWERTYUIOP{}" u"ASDFGHJKL:\"~" u"|ZXCVBNM<>?" u">", NULL },
    { "de",
      u"1234567890ß´" u"qwertzuiopü+" u"asdfghjklöä^" u"#yxcvbnm,.-" u"<",
      u"!\"§$%&/()=?`" u"QWERTZUIOPÜ*" u"ASDFGHJKLÖÄ°" u"'YXCVBNM;:_" u">",
      u" ²³   {[]}\\ " u"@ €        ~" u"            " u"       µ   " u"|" },
    { "gb",
      u"1234567890-=" u"qwertyuiop[]" u"asdfghjkl;'`" u"#zxcvbnm,./" u"\\",
      u"!\"£$%^&*()_+" u"QWERTYUIOP{}" u"ASDFGHJKL:@¬" u"~ZXCVBNM<>?" u"|",
      u"   €        " u"            " u"           ¦" u"           " u" " },
    { "fr",
      u"&é\"'(-è_çà)=" u"azertyuiop^$" u"qsdfghjklmù²" u"*wxcvbn,;:!" u"<",
      u"1234567890°+" u"AZERTYUIOP¨£" u"QSDFGHJKLM%~" u"µWXCVBN?./§" u">",
      u" ~#{[|`\\^@]}" u"  €        ¤" u"            " u"           " u" " },
};

const struct key_layout *key_layout_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
        if (strcmp(layouts[i].name, name) == 0)
            return &layouts[i];
    return NULL;
}

const char *key_layout_name(unsigned n)
{
    return n < ARRAY_SIZE(layouts) ? layouts[n].name : NULL;
}

/* A key's place in a level, LAYOUT_KEYS: it has none. */
static unsigned place_of(unsigned code)
{
    if (code >= KEY_1 && code <= KEY_EQUAL)
        return code - KEY_1;
    if (code >= KEY_Q && code <= KEY_RIGHTBRACE)
        return 12 + code - KEY_Q;
    if (code >= KEY_A && code <= KEY_GRAVE)
        return 24 + code - KEY_A;
    if (code >= KEY_BACKSLASH && code <= KEY_SLASH)
        return 36 + code - KEY_BACKSLASH;
    return code == KEY_102ND ? 47 : LAYOUT_KEYS;
}

/* ---- modifiers ------------------------------------------------------------------------------- */

enum {
    LEFT_SHIFT = 1u << 0,
    RIGHT_SHIFT = 1u << 1,
    LEFT_CTRL = 1u << 2,
    RIGHT_CTRL = 1u << 3,
    LEFT_ALT = 1u << 4,
    RIGHT_ALT = 1u << 5,
};

static uint32_t modifier_of(unsigned code)
{
    switch (code) {
    case KEY_LEFTSHIFT:
        return LEFT_SHIFT;
    case KEY_RIGHTSHIFT:
        return RIGHT_SHIFT;
    case KEY_LEFTCTRL:
        return LEFT_CTRL;
    case KEY_RIGHTCTRL:
        return RIGHT_CTRL;
    case KEY_LEFTALT:
        return LEFT_ALT;
    case KEY_RIGHTALT:
        return RIGHT_ALT;
    default:
        return 0;
    }
}

static bool shift(const struct key_state *s)
{
    return s->held & (LEFT_SHIFT | RIGHT_SHIFT);
}

static bool ctrl(const struct key_state *s)
{
    return s->held & (LEFT_CTRL | RIGHT_CTRL);
}

static bool altgr(const struct key_state *s)
{
    return s->held & RIGHT_ALT && s->layout->altgr;
}

static bool alt(const struct key_state *s)
{
    return s->held & LEFT_ALT || (s->held & RIGHT_ALT && !s->layout->altgr);
}

unsigned key_leds(const struct key_state *s)
{
    return (s->num ? KEY_LED_NUM : 0) | (s->caps ? KEY_LED_CAPS : 0);
}

/* ---- characters ------------------------------------------------------------------------------ */

static unsigned put_string(uint8_t *out, const char *text)
{
    unsigned n = (unsigned)strlen(text);

    memcpy(out, text, n);
    return n;
}

static unsigned put_utf8(uint8_t *out, uint16_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (uint8_t)(0xe0 | c >> 12);
    out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c & 0x3f));
    return 3;
}

static bool is_lower(uint16_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7);
}

static uint16_t char_of(const struct key_state *s, unsigned place)
{
    const struct key_layout *l = s->layout;
    bool upper = shift(s);

    if (altgr(s))
        return l->altgr[place] == ' ' ? 0 : l->altgr[place];
    if (s->caps && is_lower(l->plain[place]) && l->shift[place] == l->plain[place] - 0x20)
        upper = !upper;
    return upper ? l->shift[place] : l->plain[place];
}

/* Ctrl and a character, as on Linux: 2 to 8 stand for what they have with Shift on a US keyboard. */
static uint16_t control_of(uint16_t c)
{
    static const uint8_t digits[] = { 0x00, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x7f };

    if (c >= '2' && c <= '8')
        return digits[c - '2'];
    if ((c >= '@' && c <= '_') || (c >= 'a' && c <= 'z'))
        return c & 0x1f;
    if (c == ' ')
        return 0;
    if (c == '?')
        return 0x7f;
    return c == '/' || c == '-' ? 0x1f : c;
}

static unsigned type_char(const struct key_state *s, uint16_t c, uint8_t *out)
{
    unsigned n = 0;

    if (ctrl(s))
        c = control_of(c);
    if (alt(s))
        out[n++] = 0x1b;
    return n + put_utf8(out + n, c);
}

/* ---- keys that are no characters ------------------------------------------------------------- */

static unsigned type_arrow(const struct key_state *s, char which, uint8_t *out)
{
    char text[] = { 0x1b, s->cursor_keys ? 'O' : '[', which, '\0' };

    return put_string(out, text);
}

/* Shift with F1 is F13, and so on. */
static unsigned type_function(const struct key_state *s, unsigned n, uint8_t *out)
{
    static const char *const text[] = {
        "\033[[A",  "\033[[B",  "\033[[C",  "\033[[D",  "\033[[E",  "\033[17~", "\033[18~", "\033[19~",
        "\033[20~", "\033[21~", "\033[23~", "\033[24~", "\033[25~", "\033[26~", "\033[28~", "\033[29~",
        "\033[31~", "\033[32~", "\033[33~", "\033[34~",
    };

    n += shift(s) ? 12 : 0;
    return n < ARRAY_SIZE(text) ? put_string(out, text[n]) : 0;
}

static unsigned type_edit(const struct key_state *s, unsigned code, uint8_t *out)
{
    switch (code) {
    case KEY_UP:
        return type_arrow(s, 'A', out);
    case KEY_DOWN:
        return type_arrow(s, 'B', out);
    case KEY_RIGHT:
        return type_arrow(s, 'C', out);
    case KEY_LEFT:
        return type_arrow(s, 'D', out);
    case KEY_HOME:
        return put_string(out, "\033[1~");
    case KEY_INSERT:
        return put_string(out, "\033[2~");
    case KEY_DELETE:
        return put_string(out, "\033[3~");
    case KEY_END:
        return put_string(out, "\033[4~");
    case KEY_PAGEUP:
        return put_string(out, "\033[5~");
    case KEY_PAGEDOWN:
        return put_string(out, "\033[6~");
    default:
        return 0;
    }
}

/* The keypad, from KEY_KP7 to KEY_KPDOT: digit, application's letter, the key without Num Lock. */
static const struct {
    char digit, letter;
    uint8_t edit;
} keypad[] = {
    { '7', 'w', KEY_HOME }, { '8', 'x', KEY_UP },       { '9', 'y', KEY_PAGEUP },   { '-', 'S', 0 },
    { '4', 't', KEY_LEFT }, { '5', 'u', 0 },            { '6', 'v', KEY_RIGHT },    { '+', 'l', 0 },
    { '1', 'q', KEY_END },  { '2', 'r', KEY_DOWN },     { '3', 's', KEY_PAGEDOWN }, { '0', 'p', KEY_INSERT },
    { '.', 'n', KEY_DELETE },
};

static unsigned type_keypad(const struct key_state *s, unsigned code, uint8_t *out)
{
    unsigned at = code - KEY_KP7;
    char text[] = { 0x1b, 'O', keypad[at].letter, '\0' };

    if (s->keypad && !shift(s))
        return put_string(out, text);
    if (s->num || keypad[at].digit == '-' || keypad[at].digit == '+')
        return type_char(s, (uint16_t)keypad[at].digit, out);
    if (code == KEY_KP5)
        return put_string(out, "\033[G");
    return type_edit(s, keypad[at].edit, out);
}

/* The keys around the keypad that are elsewhere in the codes. */
static unsigned type_operator(const struct key_state *s, char c, char letter, uint8_t *out)
{
    char text[] = { 0x1b, 'O', letter, '\0' };

    return s->keypad && !shift(s) ? put_string(out, text) : type_char(s, (uint16_t)c, out);
}

static unsigned type_enter(const struct key_state *s, uint8_t *out)
{
    unsigned n = alt(s) ? put_string(out, "\033") : 0;

    return n + put_string(out + n, s->new_line ? "\r\n" : "\r");
}

static unsigned type_backspace(const struct key_state *s, uint8_t *out)
{
    unsigned n = alt(s) ? put_string(out, "\033") : 0;

    out[n] = ctrl(s) ? 0x08 : 0x7f;
    return n + 1;
}

static unsigned type_special(struct key_state *s, unsigned code, uint8_t *out)
{
    switch (code) {
    case KEY_ESC:
        return put_string(out, alt(s) ? "\033\033" : "\033");
    case KEY_TAB:
        return put_string(out, shift(s) ? "\033[Z" : alt(s) ? "\033\t" : "\t");
    case KEY_ENTER:
        return type_enter(s, out);
    case KEY_KPENTER:
        return s->keypad ? put_string(out, "\033OM") : type_enter(s, out);
    case KEY_BACKSPACE:
        return type_backspace(s, out);
    case KEY_SPACE:
        return type_char(s, ' ', out);
    case KEY_KPASTERISK:
        return type_operator(s, '*', 'R', out);
    case KEY_KPSLASH:
        return type_operator(s, '/', 'Q', out);
    case KEY_F11:
    case KEY_F12:
        return type_function(s, 10 + code - KEY_F11, out);
    default:
        return type_edit(s, code, out);
    }
}

static bool is_attention(const struct key_state *s, unsigned code)
{
    return (code == KEY_DELETE || code == KEY_KPDOT) && ctrl(s) &&
           s->held & (LEFT_ALT | RIGHT_ALT);
}

unsigned key_type(struct key_state *s, unsigned code, bool down, uint8_t out[KEY_BYTES_MAX])
{
    uint32_t modifier = modifier_of(code);
    unsigned place = place_of(code);
    uint16_t c;

    if (modifier) {
        s->held = down ? s->held | modifier : s->held & ~modifier;
        return 0;
    }
    if (!down)
        return 0;
    if (is_attention(s, code)) {
        s->attention = true;
        return 0;
    }
    if (code == KEY_CAPSLOCK || code == KEY_NUMLOCK) {
        bool *lock = code == KEY_CAPSLOCK ? &s->caps : &s->num;
        *lock = !*lock;
        return 0;
    }
    if (place < LAYOUT_KEYS)
        return (c = char_of(s, place)) != 0 ? type_char(s, c, out) : 0;
    if (code >= KEY_F1 && code <= KEY_F10)
        return type_function(s, code - KEY_F1, out);
    if (code >= KEY_KP7 && code <= KEY_KPDOT)
        return type_keypad(s, code, out);
    return type_special(s, code, out);
}

/* ---- scan codes ------------------------------------------------------------------------------ */

/* Behind 0xe0; the plain ones are Linux's codes as they are. */
static unsigned extended_key(uint8_t code)
{
    static const struct {
        uint8_t scan, key;
    } keys[] = {
        { 0x1c, KEY_KPENTER }, { 0x1d, KEY_RIGHTCTRL }, { 0x35, KEY_KPSLASH }, { 0x37, KEY_SYSRQ },
        { 0x38, KEY_RIGHTALT }, { 0x47, KEY_HOME },     { 0x48, KEY_UP },      { 0x49, KEY_PAGEUP },
        { 0x4b, KEY_LEFT },    { 0x4d, KEY_RIGHT },     { 0x4f, KEY_END },     { 0x50, KEY_DOWN },
        { 0x51, KEY_PAGEDOWN }, { 0x52, KEY_INSERT },   { 0x53, KEY_DELETE },  { 0x5b, KEY_LEFTMETA },
        { 0x5c, KEY_RIGHTMETA }, { 0x5d, KEY_COMPOSE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].scan == code)
            return keys[i].key;
    return 0;
}

/* Pause is e1 1d 45 e1 9d c5: what follows e1 is dropped, two bytes each. */
unsigned scancode_key(uint8_t byte, uint8_t *prefix, bool *down)
{
    uint8_t before = *prefix;

    *down = !(byte & 0x80);
    if (byte == 0xe0 || byte == 0xe1) {
        *prefix = byte;
        return 0;
    }
    *prefix = before == 0xe1 ? 0xe2 : 0; /* 0xe2: the second of them comes */
    if (before >= 0xe1)
        return 0;
    byte &= 0x7f;
    if (before == 0xe0)
        return extended_key(byte);
    return byte <= KEY_F12 ? byte : 0;
}
