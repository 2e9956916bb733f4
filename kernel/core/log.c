// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the kernel log: a ring of records and the sinks that print them.
 *
 * Model: records lie in the ring in order of their sequence numbers, each 8-aligned and contiguous;
 * where the rest of the ring is too short, a filler (level LEVEL_FILLER) stands.  `tail` is the
 * oldest record, `head` where the next one goes; both count bytes for ever and are masked at access.
 * Locking: log_lock guards ring, sequence and sink list.  Sinks are called without it (consoles'
 * locks rank above it) but with preemption off; sink_users tells log_sink_remove when nobody is
 * inside.
 * Invariants: (1) head - tail <= LOG_RING_BYTES; (2) first_seq is the record at tail, next_seq what
 * will stand at head.
 */
#define LOG_TAG "log"
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/spinlock.h>
#include <lib/fmt.h>
#include <lib/string.h>

#define TEXT_MAX 480
#define TAG_MAX 31
#define LINE_MAX (TEXT_MAX + TAG_MAX + 48)
#define LEVEL_FILLER 0xff
#define SINKS_MAX 8
#define RING_MASK (LOG_RING_BYTES - 1)

struct record {
    uint32_t size; /* of all of it, a multiple of 8 */
    uint8_t level, tag_len;
    uint16_t text_len;
    uint64_t seq;
    ns_t time;
    char text[]; /* tag, then text */
};

static struct spinlock log_lock = SPINLOCK_INIT(LOCK_LOG);
static uint8_t ring[LOG_RING_BYTES] __aligned(8); /* log_lock */
static uint64_t head, tail; /* log_lock */
static uint64_t first_seq = 1, next_seq = 1; /* log_lock */
static uint64_t hint_seq, hint_at; /* log_lock; where the last reader stopped */
static struct list sinks = LIST_INIT(sinks); /* log_lock */
static uint32_t sink_users; /* atomic */
static unsigned console_level = 5; /* atomic */
static ns_t (*log_now)(void); /* set once at boot */

static struct record *record_at(uint64_t at)
{
    return (struct record *)(ring + (at & RING_MASK));
}

/* --- the ring; log_lock held --- */

static void ring_drop_oldest(void)
{
    const struct record *r = record_at(tail);

    if (r->level != LEVEL_FILLER)
        first_seq = r->seq + 1;
    tail += r->size;
}

static struct record *ring_reserve(uint32_t size)
{
    uint32_t rest = (uint32_t)(LOG_RING_BYTES - (head & RING_MASK));
    uint32_t filler = rest < size ? rest : 0;
    struct record *r;

    while (head - tail + filler + size > LOG_RING_BYTES)
        ring_drop_oldest();
    if (filler != 0) {
        r = record_at(head);
        r->size = filler; /* rest >= 8, so these two fields fit */
        r->level = LEVEL_FILLER;
        head += filler;
    }
    r = record_at(head);
    r->size = size;
    head += size;
    return r;
}

static void ring_append(enum log_level level, const char *tag, const char *text, size_t len,
                        ns_t time)
{
    size_t tag_len = strnlen(tag, TAG_MAX);
    struct record *r = ring_reserve((uint32_t)ALIGN_UP(sizeof(*r) + tag_len + len, 8));

    r->level = (uint8_t)level;
    r->tag_len = (uint8_t)tag_len;
    r->text_len = (uint16_t)len;
    r->seq = next_seq++;
    r->time = time;
    memcpy(r->text, tag, tag_len);
    memcpy(r->text + tag_len, text, len);
}

/* The first record with a sequence >= seq, its place in *at; NULL when there is none. */
static const struct record *ring_find(uint64_t seq, uint64_t *at)
{
    uint64_t pos = tail;

    if (hint_seq != 0 && hint_seq <= seq && hint_at >= tail)
        pos = hint_at;
    while (pos < head) {
        const struct record *r = record_at(pos);

        if (r->level != LEVEL_FILLER && r->seq >= seq) {
            *at = pos;
            return r;
        }
        pos += r->size;
    }
    return NULL;
}

static size_t record_format(const struct record *r, char *buf, size_t size, bool with_level)
{
    char level[8] = "";

    if (with_level)
        fmt_snprintf(level, sizeof(level), "<%u>", r->level);
    return (size_t)fmt_scnprintf(buf, size, "%s[%5llu.%06llu] %.*s: %.*s\n", level,
                                 (unsigned long long)(r->time / NS_PER_SEC),
                                 (unsigned long long)(r->time % NS_PER_SEC / NS_PER_USEC),
                                 (int)r->tag_len, r->text, (int)r->text_len, r->text + r->tag_len);
}

size_t log_read(uint64_t *seq, char *buf, size_t size, bool with_level)
{
    unsigned long flags = spin_lock_irqsave(&log_lock);
    uint64_t at;
    const struct record *r = ring_find(*seq, &at);
    size_t n = 0;

    if (r != NULL) {
        n = record_format(r, buf, size, with_level);
        *seq = r->seq + 1;
        hint_seq = r->seq;
        hint_at = at;
    }
    spin_unlock_irqrestore(&log_lock, flags);
    return n;
}

uint64_t log_first_seq(void)
{
    unsigned long flags = spin_lock_irqsave(&log_lock);
    uint64_t seq = first_seq;

    spin_unlock_irqrestore(&log_lock, flags);
    return seq;
}

uint64_t log_next_seq(void)
{
    return atomic_load_relaxed(&next_seq);
}

/* --- sinks --- */

static bool sink_wants(const struct log_sink *s, unsigned level)
{
    if (atomic_load_relaxed(&panicking) && level <= LOG_ERR)
        return true;
    return level <= s->level && level < atomic_load_relaxed(&console_level);
}

static void sink_print(struct log_sink *s, unsigned level, const char *line, size_t n)
{
    static const char *const colour[] = { "\033[1;31m", "\033[1;31m", "\033[1;31m", "\033[31m",
                                          "\033[33m",   "",           "",           "\033[2m" };
    const char *before = s->colour ? colour[level & 7] : "";

    if (*before != '\0')
        s->write(s, before, strlen(before));
    s->write(s, line, n);
    if (*before != '\0')
        s->write(s, "\033[0m", 4);
}

static void sinks_print(unsigned level, const char *line, size_t n)
{
    struct log_sink *list[SINKS_MAX], *s;
    unsigned count = 0;
    unsigned long flags = spin_lock_irqsave(&log_lock);

    atomic_fetch_add(&sink_users, 1);
    list_for_each(s, &sinks, link)
        if (count < SINKS_MAX && sink_wants(s, level))
            list[count++] = s;
    preempt_disable();
    spin_unlock_irqrestore(&log_lock, flags);
    for (unsigned i = 0; i < count; i++)
        sink_print(list[i], level, line, n);
    atomic_fetch_sub(&sink_users, 1);
    preempt_enable();
}

static void sink_replay(struct log_sink *s)
{
    char line[LINE_MAX];
    uint64_t seq = 0;
    size_t n;

    while ((n = log_read(&seq, line, sizeof(line), true)) > 0) {
        unsigned level = (unsigned)(line[1] - '0');

        if (sink_wants(s, level))
            sink_print(s, level, line + 3, n - 3);
    }
}

void log_sink_add(struct log_sink *sink, bool replay)
{
    unsigned long flags;

    if (replay)
        sink_replay(sink);
    flags = spin_lock_irqsave(&log_lock);
    list_add_tail(&sinks, &sink->link);
    spin_unlock_irqrestore(&log_lock, flags);
}

void log_sink_remove(struct log_sink *sink)
{
    unsigned long flags = spin_lock_irqsave(&log_lock);

    list_del(&sink->link);
    spin_unlock_irqrestore(&log_lock, flags);
    while (atomic_load(&sink_users) != 0)
        hal_relax();
}

/* --- writing --- */

void log_write(enum log_level level, const char *tag, const char *format, ...)
{
    char text[TEXT_MAX], line[LINE_MAX];
    ns_t time = log_now != NULL ? log_now() : 0;
    unsigned long flags;
    uint64_t at;
    size_t len;
    va_list ap;

    va_start(ap, format);
    len = (size_t)MIN(fmt_vsnprintf(text, sizeof(text), format, ap), TEXT_MAX - 1);
    va_end(ap);
    while (len > 0 && text[len - 1] == '\n')
        len--;

    flags = spin_lock_irqsave(&log_lock);
    ring_append(level, tag, text, len, time);
    len = record_format(ring_find(next_seq - 1, &at), line, sizeof(line), false);
    hint_seq = next_seq - 1;
    hint_at = at;
    spin_unlock_irqrestore(&log_lock, flags);
    sinks_print(level, line, len);
}

void log_console_level_set(unsigned level)
{
    atomic_store_relaxed(&console_level, level);
}

unsigned log_console_level(void)
{
    return atomic_load_relaxed(&console_level);
}

void log_set_clock(ns_t (*now)(void))
{
    log_now = now;
}

ns_t log_clock_ns(void)
{
    return log_now != NULL ? log_now() : 0;
}

/* --- parameters --- */

static err_t param_loglevel_set(const char *value)
{
    uint64_t v;
    err_t err = value == NULL ? -EINVAL : str_to_u64(&value, 10, &v);

    if (err != 0)
        return err;
    log_console_level_set((unsigned)CLAMP(v, 1, 15));
    return 0;
}
PARAM_NAMED(loglevel, "loglevel", "print records below this level (1..8)", param_loglevel_set);

static err_t param_quiet_set(const char *value)
{
    (void)value;
    log_console_level_set(4);
    return 0;
}
PARAM_NAMED(quiet, "quiet", "print errors only", param_quiet_set);

static err_t param_debug_set(const char *value)
{
    (void)value;
    log_console_level_set(10);
    return 0;
}
PARAM_NAMED(debug, "debug", "print everything", param_debug_set);
