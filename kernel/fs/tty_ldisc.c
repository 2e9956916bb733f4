// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the line discipline: what becomes of bytes between a terminal and its programs.
 *
 * Model: one buffer of TTY_BUFFER bytes with three positions that run freely:
 *
 *     tail            canon_head          head
 *      |  whole lines  |  line being edited |
 *
 * In canonical mode readers get bytes up to canon_head, a line at a time (its last byte is marked
 * in line_end; an end-of-file character is stored as a marked EOF_BYTE and not given out).
 * In raw mode canon_head is not looked at.  Source: termios(3), POSIX.1-2017 chapter 11.
 * Locking: t->mutex.
 * Invariants: (1) head - tail <= TTY_BUFFER; (2) tail <= canon_head <= head in canonical mode.
 */
#define LOG_TAG "tty"
#include <fs/tty_impl.h>

#include <lib/string.h>
#include <sched/clock.h>

#define EOF_BYTE 0
#define AT(pos) ((pos) % TTY_BUFFER)
#define ERASE_WORD 2

static bool input_flag(const struct tty *t, tcflag_t f)
{
    return t->termios.c_iflag & f;
}

static bool local_flag(const struct tty *t, tcflag_t f)
{
    return t->termios.c_lflag & f;
}

static bool is_control(const struct tty *t, uint8_t c, unsigned which)
{
    return c == t->termios.c_cc[which] && c != 0;
}

void ldisc_reset(struct tty *t)
{
    t->head = t->canon_head = t->tail = 0;
    t->literal_next = t->erasing = false;
    memset(t->line_end, 0, sizeof t->line_end);
}

static unsigned buffered(const struct tty *t)
{
    return t->head - t->tail;
}

unsigned ldisc_available(struct tty *t)
{
    return local_flag(t, ICANON) ? t->canon_head - t->tail : buffered(t);
}

bool ldisc_readable(struct tty *t)
{
    unsigned least = local_flag(t, ICANON) || t->termios.c_cc[VTIME] ? 1 : t->termios.c_cc[VMIN];

    return ldisc_available(t) >= MAX(least, 1u);
}

void ldisc_flush_input(struct tty *t)
{
    ldisc_reset(t);
    tty_input_kick(t);
    pty_packet_event(t, TIOCPKT_FLUSHREAD);
}

/* ---- output ---------------------------------------------------------------------------------- */

/* Follows the cursor, so that tabs can be expanded and erased. */
static void column_advance(struct tty *t, uint8_t c)
{
    switch (c) {
    case '\n':
        if (t->termios.c_oflag & (ONLCR | ONLRET))
            t->column = 0;
        break;
    case '\r':
        t->column = 0;
        break;
    case '\t':
        t->column = (t->column | 7) + 1;
        break;
    case '\b':
        t->column -= t->column > 0;
        break;
    default:
        if (c >= ' ' && c != 0x7f && !(input_flag(t, IUTF8) && (c & 0xc0) == 0x80))
            t->column++;
    }
}

/* Output processing of one byte into out; returns how many bytes it became (at most 8). */
static size_t output_byte(struct tty *t, uint8_t c, char *out)
{
    tcflag_t o = t->termios.c_oflag;
    size_t n = 0;

    if (!(o & OPOST)) {
        out[0] = (char)c;
        return 1;
    }
    if (c == '\r') {
        if ((o & ONOCR) && t->column == 0)
            return 0;
        if (o & OCRNL)
            c = '\n';
    }
    if (c == '\n' && (o & ONLCR)) {
        out[n++] = '\r';
    } else if (c == '\t' && (o & TABDLY) == XTABS) {
        unsigned spaces = 8 - t->column % 8;
        memset(out, ' ', spaces);
        t->column += spaces;
        return spaces;
    } else if ((o & OLCUC) && c >= 'a' && c <= 'z') {
        c -= 'a' - 'A';
    }
    column_advance(t, c);
    out[n++] = (char)c;
    return n;
}

static void echo_raw(struct tty *t, const char *s, size_t n)
{
    t->ops->write(t, s, n);
}

static void echo_byte(struct tty *t, uint8_t c)
{
    char out[8];

    echo_raw(t, out, output_byte(t, c, out));
}

/* As echo_byte, with control characters shown as ^X when ECHOCTL says so. */
static void echo_shown(struct tty *t, uint8_t c)
{
    if (local_flag(t, ECHOCTL) && (c < ' ' || c == 0x7f) && c != '\t' && c != '\n') {
        echo_byte(t, '^');
        echo_byte(t, c ^ 0x40);
        return;
    }
    echo_byte(t, c);
}

static size_t output_room(struct tty *t)
{
    return t->ops->write_room ? t->ops->write_room(t) : TTY_BUFFER;
}

/* Sends as much of `data` as there is room for now; returns how many of its bytes went. */
static size_t output_block(struct tty *t, const uint8_t *data, size_t n)
{
    char out[256];
    size_t used = 0, room = output_room(t);

    for (size_t filled = 0;; filled = 0) {
        while (used < n && filled + 8 <= sizeof out && filled + 8 <= room)
            filled += output_byte(t, data[used++], out + filled);
        if (filled == 0)
            return used;
        filled = t->ops->write(t, out, filled);
        room -= MIN(room, filled);
    }
}

static bool output_possible(struct tty *t, struct file *f)
{
    return tty_file_dead(f) || t->hung || (!t->stopped && output_room(t) >= 8);
}

ssize_t ldisc_write(struct tty *t, struct file *f, struct uio *u)
{
    uint8_t block[256];
    ssize_t done = 0;
    err_t err = 0;

    while (u->left > 0 && !err) {
        size_t n = uio_copy_from(u, block, MIN(u->left, sizeof block)), used = 0;
        if (n == 0) {
            err = -EFAULT;
            break;
        }
        while (used < n) {
            mutex_lock(&t->mutex);
            bool dead = t->hung || tty_file_dead(f);
            if (!dead && !t->stopped)
                used += output_block(t, block + used, n - used);
            mutex_unlock(&t->mutex);
            if (dead)
                err = -EIO;
            else if (used < n && (f->flags & O_NONBLOCK))
                err = -EAGAIN;
            else if (used < n)
                err = wait_event_intr(&t->writers, output_possible(t, f));
            if (err)
                break;
        }
        done += (ssize_t)used;
    }
    return done > 0 ? done : err;
}

void ldisc_set_stopped(struct tty *t, bool stopped)
{
    if (t->stopped == stopped)
        return;
    t->stopped = stopped;
    pty_packet_event(t, stopped ? TIOCPKT_STOP : TIOCPKT_START);
    if (!stopped)
        waitq_wake_all(&t->writers);
}

/* ---- editing --------------------------------------------------------------------------------- */

static void erase_finish(struct tty *t)
{
    if (t->erasing) {
        echo_byte(t, '/');
        t->erasing = false;
    }
}

static bool is_continuation(const struct tty *t, uint8_t c)
{
    return input_flag(t, IUTF8) && (c & 0xc0) == 0x80;
}

/* Columns from the line's start to `end`, for erasing a tab. */
static unsigned columns_before(const struct tty *t, uint32_t end)
{
    unsigned column = t->canon_column;

    for (uint32_t p = t->canon_head; p != end; p++) {
        uint8_t c = t->buffer[AT(p)];
        if (c == '\t')
            column = (column | 7) + 1;
        else if (c < ' ' || c == 0x7f)
            column += local_flag(t, ECHOCTL) ? 2 : 0;
        else if (!is_continuation(t, c))
            column++;
    }
    return column;
}

static void echo_back(struct tty *t, unsigned columns)
{
    while (columns-- > 0) {
        echo_raw(t, "\b \b", 3);
        t->column -= t->column > 0;
    }
}

/* Shows on the screen that the character `c`, which stood at head, is gone. */
static void echo_erased(struct tty *t, uint8_t c)
{
    if (!local_flag(t, ECHOE)) {
        echo_byte(t, t->termios.c_cc[VERASE]);
    } else if (c == '\t') {
        unsigned back = t->column - MIN(t->column, columns_before(t, t->head));
        t->column -= back;
        while (back-- > 0)
            echo_raw(t, "\b", 1);
    } else if (c < ' ' || c == 0x7f) {
        echo_back(t, local_flag(t, ECHOCTL) ? 2 : 0);
    } else {
        echo_back(t, 1);
    }
}

static void erase_one(struct tty *t)
{
    uint8_t c;

    do
        c = t->buffer[AT(--t->head)];
    while (is_continuation(t, c) && t->head != t->canon_head);
    if (!local_flag(t, ECHO))
        return;
    if (local_flag(t, ECHOPRT)) {
        if (!t->erasing)
            echo_byte(t, '\\');
        t->erasing = true;
        echo_shown(t, c);
        return;
    }
    echo_erased(t, c);
}

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c >= 0x80;
}

static void erase_word(struct tty *t)
{
    bool seen = false;

    while (t->head != t->canon_head) {
        bool word = is_word(t->buffer[AT(t->head - 1)]);
        if (seen && !word)
            return;
        seen |= word;
        erase_one(t);
    }
}

static void erase_line(struct tty *t)
{
    if (local_flag(t, ECHO) && !(local_flag(t, ECHOK) && local_flag(t, ECHOKE) && local_flag(t, ECHOE))) {
        t->head = t->canon_head;
        erase_finish(t);
        echo_shown(t, t->termios.c_cc[VKILL]);
        if (local_flag(t, ECHOK))
            echo_byte(t, '\n');
        return;
    }
    while (t->head != t->canon_head)
        erase_one(t);
}

static void reprint(struct tty *t, uint8_t c)
{
    erase_finish(t);
    echo_shown(t, c);
    echo_byte(t, '\n');
    for (uint32_t p = t->canon_head; p != t->head; p++)
        echo_shown(t, t->buffer[AT(p)]);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void store(struct tty *t, uint8_t c)
{
    t->line_end[AT(t->head) / 64] &= ~(1ull << (AT(t->head) % 64));
    t->buffer[AT(t->head++)] = c;
}

static void end_line(struct tty *t, uint8_t c)
{
    uint32_t at = AT(t->head);

    store(t, c);
    t->line_end[at / 64] |= 1ull << (at % 64);
    t->canon_head = t->head;
    waitq_wake_all(&t->readers);
}

static bool ends_line(const struct tty *t, uint8_t c)
{
    return c == '\n' || is_control(t, c, VEOL) || (is_control(t, c, VEOL2) && local_flag(t, IEXTEN));
}

static void echo_input(struct tty *t, uint8_t c)
{
    if (!local_flag(t, ECHO))
        return;
    erase_finish(t);
    if (t->head == t->canon_head)
        t->canon_column = t->column;
    echo_shown(t, c);
}

/* Editing keys of canonical mode.  Returns whether c was one. */
static bool edit_key(struct tty *t, uint8_t c)
{
    bool extended = local_flag(t, IEXTEN);

    if (is_control(t, c, VERASE)) {
        if (t->head != t->canon_head)
            erase_one(t);
    } else if (is_control(t, c, VKILL)) {
        erase_line(t);
    } else if (extended && is_control(t, c, VWERASE)) {
        erase_word(t);
    } else if (extended && is_control(t, c, VREPRINT) && local_flag(t, ECHO)) {
        reprint(t, c);
    } else if (extended && is_control(t, c, VLNEXT)) {
        t->literal_next = true;
        if (local_flag(t, ECHO) && local_flag(t, ECHOCTL))
            echo_raw(t, "^\b", 2);
    } else {
        return false;
    }
    return true;
}

static void canonical_byte(struct tty *t, uint8_t c)
{
    if (edit_key(t, c))
        return;
    if (is_control(t, c, VEOF)) {
        end_line(t, EOF_BYTE);
        return;
    }
    if (ends_line(t, c)) {
        erase_finish(t);
        if (local_flag(t, ECHO) || (c == '\n' && local_flag(t, ECHONL)))
            c == '\n' ? echo_byte(t, c) : echo_shown(t, c);
        end_line(t, c);
        return;
    }
    /* One place stays free for the end of the line. */
    if (buffered(t) >= TTY_BUFFER - 1) {
        if (input_flag(t, IMAXBEL))
            echo_raw(t, "\a", 1);
        return;
    }
    echo_input(t, c);
    store(t, c);
}

static int signal_of(const struct tty *t, uint8_t c)
{
    if (is_control(t, c, VINTR))
        return SIGINT;
    if (is_control(t, c, VQUIT))
        return SIGQUIT;
    return is_control(t, c, VSUSP) ? SIGTSTP : 0;
}

static void signal_key(struct tty *t, uint8_t c, int sig)
{
    if (!local_flag(t, NOFLSH)) {
        ldisc_flush_input(t);
        pty_packet_event(t, TIOCPKT_FLUSHWRITE);
    }
    if (input_flag(t, IXON))
        ldisc_set_stopped(t, false);
    if (local_flag(t, ECHO))
        echo_shown(t, c);
    if (t->group > 0 && tty_proc_ops)
        tty_proc_ops->signal_group(t->group, sig);
}

/* Start and stop keys. Returns whether c was one. */
static bool flow_key(struct tty *t, uint8_t c)
{
    if (is_control(t, c, VSTART)) {
        ldisc_set_stopped(t, false);
        return true;
    }
    if (is_control(t, c, VSTOP)) {
        ldisc_set_stopped(t, true);
        return true;
    }
    return false;
}

static bool map_newline(const struct tty *t, uint8_t *c)
{
    if (*c == '\r') {
        if (input_flag(t, IGNCR))
            return false;
        if (input_flag(t, ICRNL))
            *c = '\n';
    } else if (*c == '\n' && input_flag(t, INLCR)) {
        *c = '\r';
    }
    return true;
}

static void receive_byte(struct tty *t, uint8_t c)
{
    if (input_flag(t, ISTRIP))
        c &= 0x7f;
    if (input_flag(t, IUCLC) && local_flag(t, IEXTEN) && c >= 'A' && c <= 'Z')
        c += 'a' - 'A';
    if (t->literal_next) {
        t->literal_next = false;
        if (buffered(t) < TTY_BUFFER - 1) {
            echo_input(t, c);
            store(t, c);
        }
        return;
    }
    if (t->stopped && input_flag(t, IXON) && input_flag(t, IXANY) && !is_control(t, c, VSTOP))
        ldisc_set_stopped(t, false);
    if (input_flag(t, IXON) && flow_key(t, c))
        return;
    int sig = local_flag(t, ISIG) ? signal_of(t, c) : 0;
    if (sig) {
        signal_key(t, c, sig);
        return;
    }
    if (!map_newline(t, &c))
        return;
    if (local_flag(t, ICANON)) {
        canonical_byte(t, c);
        return;
    }
    echo_input(t, c);
    store(t, c);
}

size_t ldisc_receive(struct tty *t, const uint8_t *data, size_t n)
{
    size_t used = 0;

    mutex_lock(&t->mutex);
    for (; used < n && !t->hung; used++) {
        /* Raw mode holds the driver back; canonical mode must stay able to see keys. */
        if (!local_flag(t, ICANON) && buffered(t) >= TTY_BUFFER)
            break;
        receive_byte(t, data[used]);
    }
    if (t->hung)
        used = n;
    if (ldisc_readable(t))
        waitq_wake_all(&t->readers);
    mutex_unlock(&t->mutex);
    return used;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Gives out bytes of the first line.  Returns whether the line's end was reached. */
static bool read_line(struct tty *t, uint8_t *out, size_t size, size_t *n)
{
    while (t->tail != t->canon_head) {
        uint32_t at = AT(t->tail);
        bool end = t->line_end[at / 64] >> (at % 64) & 1;
        bool eof = end && t->buffer[at] == EOF_BYTE;
        if (!eof && *n == size)
            return false;
        if (!eof)
            out[(*n)++] = t->buffer[at];
        t->tail++;
        if (end)
            return true;
    }
    return false;
}

static size_t read_raw(struct tty *t, uint8_t *out, size_t size)
{
    size_t n = MIN(size, (size_t)buffered(t));

    for (size_t i = 0; i < n; i++)
        out[i] = t->buffer[AT(t->tail++)];
    t->canon_head = t->tail;
    return n;
}

/* One piece of what is there now. Sets *last when the read is complete with it. */
static ssize_t read_some(struct tty *t, struct uio *u, bool *last)
{
    uint8_t block[256];
    size_t n = 0, size = MIN(u->left, sizeof block);

    if (local_flag(t, ICANON))
        *last = read_line(t, block, size, &n) || t->tail == t->canon_head;
    else
        n = read_raw(t, block, size), *last = buffered(t) == 0;
    tty_input_kick(t);
    if (n > 0 && uio_copy_to(u, block, n) != n)
        return -EFAULT;
    return (ssize_t)n;
}

static bool read_possible(struct tty *t, struct file *f, unsigned least)
{
    return t->hung || tty_file_dead(f) || ldisc_available(t) >= least ||
           (local_flag(t, ICANON) && ldisc_available(t) > 0);
}

/* How many bytes a raw read waits for at first, and how long: VMIN and VTIME. */
static err_t read_wait(struct tty *t, struct file *f, size_t wanted)
{
    unsigned least = 1, tenths = 0;
    ns_t deadline = NS_NEVER;

    if (!local_flag(t, ICANON)) {
        least = t->termios.c_cc[VMIN];
        tenths = t->termios.c_cc[VTIME];
        least = (unsigned)MIN((size_t)least, wanted);
        if (least == 0 && tenths == 0)
            return -EAGAIN;
    }
    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    /* With both, the clock starts at the first byte and again at each further one. */
    if (least > 0 && tenths > 0) {
        err_t err = wait_event_intr(&t->readers, read_possible(t, f, 1));
        while (!err && !read_possible(t, f, least)) {
            unsigned seen = ldisc_available(t);
            err = wait_event_intr_deadline(&t->readers, read_possible(t, f, seen + 1),
                                           clock_monotonic() + tenths * 100 * NS_PER_MSEC);
        }
        return err == -ETIMEDOUT ? 0 : err;
    }
    if (tenths > 0)
        deadline = clock_monotonic() + tenths * 100 * NS_PER_MSEC;
    return wait_event_intr_deadline(&t->readers, read_possible(t, f, MAX(least, 1u)), deadline);
}

ssize_t ldisc_read(struct tty *t, struct file *f, struct uio *u)
{
    ssize_t done = 0, n = 0;
    bool last = false, dead = false;

    if (u->left == 0)
        return 0;
    for (;;) {
        mutex_lock(&t->mutex);
        dead = t->hung || tty_file_dead(f);
        unsigned least = local_flag(t, ICANON) ? 1 : MIN((size_t)t->termios.c_cc[VMIN], u->left);
        bool ready = ldisc_available(t) >= MAX(least, 1u);
        if (!dead && (ready || ((f->flags & O_NONBLOCK) && ldisc_available(t) > 0)))
            break;
        mutex_unlock(&t->mutex);
        if (dead)
            return 0;
        err_t err = read_wait(t, f, u->left);
        bool raw = !local_flag(t, ICANON);
        if (raw && (err == -ETIMEDOUT || (err == -EAGAIN && !t->termios.c_cc[VMIN])) &&
            ldisc_available(t) == 0)
            return 0;
        if (err && err != -ETIMEDOUT)
            return err;
        if (raw && ldisc_available(t) > 0) {
            mutex_lock(&t->mutex);
            break;
        }
    }
    while (!last && u->left > 0 && n >= 0) {
        n = read_some(t, u, &last);
        done += n > 0 ? n : 0;
    }
    mutex_unlock(&t->mutex);
    return done > 0 || n >= 0 ? done : n;
}

/* ---- settings -------------------------------------------------------------------------------- */

void ldisc_set_termios(struct tty *t, const struct termios2 *new)
{
    bool was_canonical = local_flag(t, ICANON);
    tcflag_t old_iflag = t->termios.c_iflag;

    t->termios = *new;
    if (!was_canonical && local_flag(t, ICANON) && buffered(t) > 0) {
        /* What was typed so far is readable as one line. */
        uint32_t at = AT(t->head - 1);
        t->line_end[at / 64] |= 1ull << (at % 64);
        t->canon_head = t->head;
    } else if (!local_flag(t, ICANON) || was_canonical != local_flag(t, ICANON)) {
        t->canon_head = t->tail;
    }
    if ((old_iflag & IXON) && !input_flag(t, IXON))
        ldisc_set_stopped(t, false);
    pty_packet_event(t, input_flag(t, IXON) && t->termios.c_cc[VSTART] == 021 &&
                                t->termios.c_cc[VSTOP] == 023
                            ? TIOCPKT_DOSTOP
                            : TIOCPKT_NOSTOP);
    waitq_wake_all(&t->readers);
}
