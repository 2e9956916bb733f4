// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of the line discipline with a driver that keeps what it is told to show.
 */
#include <fs/tty_impl.h>

#include <core/ktest.h>
#include <lib/string.h>

static char shown[1024];
static size_t shown_n;

static size_t fake_write(struct tty *t, const char *s, size_t n)
{
    n = MIN(n, sizeof shown - 1 - shown_n);
    memcpy(shown + shown_n, s, n);
    shown_n += n;
    shown[shown_n] = '\0';
    return n;
}

static const struct tty_driver_ops fake_ops = { .write = fake_write };

static struct tty *fake_tty(void)
{
    shown_n = 0;
    shown[0] = '\0';
    return tty_create("test", 0, &fake_ops, NULL);
}

static void type(struct tty *t, const char *keys)
{
    (void)ldisc_receive(t, (const uint8_t *)keys, strlen(keys));
}

/* Reads what is there without waiting; returns the length or an errno. */
static ssize_t take(struct tty *t, char *buf, size_t size)
{
    struct file f = { .flags = O_RDONLY | O_NONBLOCK, .data = t, .pos = t->generation };
    struct uio u;

    memset(buf, 0, size);
    uio_init_kernel(&u, buf, size - 1);
    return ldisc_read(t, &f, &u);
}

static void set_local(struct tty *t, tcflag_t clear, tcflag_t set)
{
    struct termios2 v = t->termios;

    v.c_lflag = (v.c_lflag & ~clear) | set;
    mutex_lock(&t->mutex);
    ldisc_set_termios(t, &v);
    mutex_unlock(&t->mutex);
}

KTEST(tty, canonical_line)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    type(tty, "ab");
    KTEST_EQ(take(tty, buf, sizeof buf), (uint64_t)-EAGAIN);
    type(tty, "c\rnext\n");
    KTEST_EQ(take(tty, buf, sizeof buf), 4);
    KTEST_STR_EQ(buf, "abc\n");
    KTEST_EQ(take(tty, buf, sizeof buf), 5);
    KTEST_STR_EQ(buf, "next\n");
    KTEST_STR_EQ(shown, "abc\r\nnext\r\n");
    tty_put(tty);
}

KTEST(tty, short_reads_keep_the_rest)
{
    struct tty *tty = fake_tty();
    char buf[4];

    KTEST_REQUIRE(tty);
    type(tty, "hello\n");
    KTEST_EQ(take(tty, buf, sizeof buf), 3);
    KTEST_STR_EQ(buf, "hel");
    KTEST_EQ(take(tty, buf, sizeof buf), 3);
    KTEST_STR_EQ(buf, "lo\n");
    tty_put(tty);
}

KTEST(tty, erase_word_and_line)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    type(tty, "echo fop\177o two words\027\027\177 bar\n");
    KTEST_EQ(take(tty, buf, sizeof buf), strlen("echo foo bar\n"));
    KTEST_STR_EQ(buf, "echo foo bar\n");
    type(tty, "rubbish\025ok\n");
    KTEST_EQ(take(tty, buf, sizeof buf), 3);
    KTEST_STR_EQ(buf, "ok\n");
    tty_put(tty);
}

KTEST(tty, erase_shows_backspaces)
{
    struct tty *tty = fake_tty();

    KTEST_REQUIRE(tty);
    type(tty, "a\177\177");
    KTEST_STR_EQ(shown, "a\b \b");
    shown_n = 0;
    type(tty, "\001\177");
    KTEST_STR_EQ(shown, "^A\b \b\b \b");
    tty_put(tty);
}

KTEST(tty, erase_takes_whole_utf8_characters)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    tty->termios.c_iflag |= IUTF8;
    type(tty, "\xc3\xa4\xe2\x82\xac\177\n");
    KTEST_EQ(take(tty, buf, sizeof buf), 3);
    KTEST_STR_EQ(buf, "\xc3\xa4\n");
    tty_put(tty);
}

KTEST(tty, locked_settings_stay)
{
    struct tty *tty = fake_tty();
    struct termios2 was, v;

    KTEST_REQUIRE(tty != NULL);
    was = v = tty->termios;
    tty->locked.c_lflag = ECHO;
    tty->locked.c_cc[VINTR] = 1;
    tty->locked.c_cflag = CBAUD;
    v.c_lflag ^= ECHO | ICANON;
    v.c_cc[VINTR] = 'x';
    v.c_cc[VQUIT] = 'y';
    v.c_cflag = (v.c_cflag & ~(tcflag_t)CBAUD) | B9600;
    v.c_ospeed = 9600;
    mutex_lock(&tty->mutex);
    tty_keep_locked(tty, &v);
    mutex_unlock(&tty->mutex);
    KTEST_EQ(v.c_lflag, was.c_lflag ^ ICANON);
    KTEST_EQ(v.c_cc[VINTR], was.c_cc[VINTR]);
    KTEST_EQ(v.c_cc[VQUIT], 'y');
    KTEST_EQ(v.c_cflag, was.c_cflag);
    KTEST_EQ(v.c_ospeed, was.c_ospeed);
    tty_put(tty);
}

KTEST(tty, end_of_file)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    type(tty, "\004");
    KTEST_EQ(take(tty, buf, sizeof buf), 0);
    type(tty, "part\004");
    KTEST_EQ(take(tty, buf, sizeof buf), 4);
    KTEST_STR_EQ(buf, "part");
    KTEST_EQ(take(tty, buf, sizeof buf), (uint64_t)-EAGAIN);
    tty_put(tty);
}

KTEST(tty, literal_next)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    type(tty, "\026\003x\n");
    KTEST_EQ(take(tty, buf, sizeof buf), 3);
    KTEST_STR_EQ(buf, "\003x\n");
    tty_put(tty);
}

KTEST(tty, raw_mode)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    set_local(tty, ICANON | ECHO | ISIG, 0);
    type(tty, "\003a");
    KTEST_EQ(take(tty, buf, sizeof buf), 2);
    KTEST_STR_EQ(buf, "\003a");
    KTEST_STR_EQ(shown, "");
    KTEST_EQ(take(tty, buf, sizeof buf), (uint64_t)-EAGAIN);
    tty->termios.c_cc[VMIN] = 0;
    KTEST_EQ(take(tty, buf, sizeof buf), 0);
    tty_put(tty);
}

KTEST(tty, leaving_canonical_mode_gives_the_unfinished_line)
{
    struct tty *tty = fake_tty();
    char buf[64];

    KTEST_REQUIRE(tty);
    type(tty, "half");
    set_local(tty, ICANON, 0);
    KTEST_EQ(take(tty, buf, sizeof buf), 4);
    KTEST_STR_EQ(buf, "half");
    type(tty, "more");
    set_local(tty, 0, ICANON);
    KTEST_EQ(take(tty, buf, sizeof buf), 4);
    KTEST_STR_EQ(buf, "more");
    tty_put(tty);
}

KTEST(tty, a_full_line_drops_but_can_be_ended)
{
    struct tty *tty = fake_tty();
    static char buf[TTY_BUFFER + 8];

    KTEST_REQUIRE(tty);
    for (unsigned i = 0; i < TTY_BUFFER + 100; i++)
        type(tty, "x");
    type(tty, "\n");
    KTEST_EQ(take(tty, buf, sizeof buf), TTY_BUFFER);
    KTEST_EQ(buf[TTY_BUFFER - 1], '\n');
    tty_put(tty);
}

KTEST(tty, raw_mode_holds_the_driver_back)
{
    struct tty *tty = fake_tty();
    uint8_t block[512] = { 0 };
    size_t taken = 0;

    KTEST_REQUIRE(tty);
    set_local(tty, ICANON | ECHO, 0);
    for (unsigned i = 0; i < 20; i++)
        taken += ldisc_receive(tty, block, sizeof block);
    KTEST_EQ(taken, TTY_BUFFER);
    tty_put(tty);
}

KTEST(tty, stop_and_start)
{
    struct tty *tty = fake_tty();

    KTEST_REQUIRE(tty);
    type(tty, "\023");
    KTEST_TRUE(tty->stopped);
    type(tty, "\021");
    KTEST_TRUE(!tty->stopped);
    KTEST_STR_EQ(shown, "");
    tty_put(tty);
}
