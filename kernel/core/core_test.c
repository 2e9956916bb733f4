// SPDX-License-Identifier: CC0-1.0
/* Purpose: log, parameters, random numbers, locks and interrupts. */
#define LOG_TAG "core_test"
#include <core/irq.h>
#include <core/ktest.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/random.h>
#include <core/spinlock.h>
#include <lib/string.h>

static char last_text[256];
static unsigned sink_lines;

static void sink_write(struct log_sink *sink, const char *text, size_t n)
{
    (void)sink;
    str_copy(last_text, text, MIN(n + 1, sizeof(last_text)));
    sink_lines++;
}

KTEST(log, sink_and_reader_agree)
{
    struct log_sink sink = { .name = "test", .write = sink_write, .level = LOG_WARN };
    unsigned level = log_console_level();
    char line[256];
    uint64_t seq;

    log_sink_add(&sink, false);
    log_console_level_set(5);
    sink_lines = 0;
    log_warn("number %d", 7);
    log_info("not for this sink");
    log_sink_remove(&sink);
    log_console_level_set(level);
    KTEST_EQ(sink_lines, 1);
    KTEST_TRUE(strstr(last_text, "] core_test: number 7\n") != NULL);

    for (seq = 0; log_read(&seq, line, sizeof(line), true) > 0;)
        if (strstr(line, "number 7") != NULL)
            break;
    KTEST_TRUE(str_starts_with(line, "<4>[") && strcmp(line + 3, last_text) == 0);
    KTEST_TRUE(log_read(&seq, line, sizeof(line), false) > 0);
    KTEST_TRUE(strstr(line, "not for this sink") != NULL);
}

KTEST(log, old_records_fall_out)
{
    uint64_t first = log_first_seq(), seq = 0, last = 0;
    char line[64];

    for (unsigned i = 0; i < 3000; i++)
        log_debug("filling the ring with line %u of a test", i);
    KTEST_TRUE(log_first_seq() > first);
    KTEST_TRUE(log_read(&seq, line, sizeof(line), false) > 0);
    KTEST_EQ(seq, log_first_seq() + 1);
    while (log_read(&seq, line, sizeof(line), false) > 0) {
        KTEST_TRUE(seq > last);
        last = seq;
    }
    KTEST_TRUE(strlen(line) < sizeof(line));
}

KTEST(params, words_and_quotes)
{
    char text[] = "  quiet a=b  c=\"two words\" \"d e\"=f -- x\"\" ";
    const char *const want[] = { "quiet", "a=b", "c=two words", "d e=f", "--", "x" };
    char *at = text;

    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        char *word = params_word_next(&at);

        KTEST_REQUIRE(word != NULL);
        KTEST_STR_EQ(word, want[i]);
    }
    KTEST_TRUE(params_word_next(&at) == NULL);
}

KTEST(params, unclosed_quote)
{
    char text[] = "a=\"never ends";
    char *at = text;

    KTEST_STR_EQ(params_word_next(&at), "a=never ends");
    KTEST_TRUE(params_word_next(&at) == NULL);
}

/* RFC 8439, 2.3.2. */
KTEST(random, chacha20_vector)
{
    static const uint32_t want[16] = {
        0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
        0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
    };
    uint32_t key[8], out[16];

    for (unsigned i = 0; i < 8; i++)
        key[i] = 0x03020100 + i * 0x04040404;
    chacha20_block(key, (const uint32_t[]){ 1, 0x09000000, 0x4a000000, 0 }, out);
    KTEST_EQ(memcmp(out, want, sizeof(want)), 0);
}

KTEST(random, looks_random)
{
    uint8_t buf[1000] = { 0 };
    unsigned ones = 0;

    random_bytes(buf, sizeof(buf));
    for (size_t i = 0; i < sizeof(buf) * 8; i++)
        ones += buf[i / 8] >> i % 8 & 1;
    KTEST_TRUE(ones > 3600 && ones < 4400);
    KTEST_TRUE(random_u64() != random_u64());
    for (unsigned i = 0; i < 200; i++)
        KTEST_TRUE(random_below(7) < 7);
    KTEST_EQ(random_below(1), 0);
}

KTEST(spinlock, try_and_held)
{
    struct spinlock l = SPINLOCK_INIT(LOCK_DEVICE);
    unsigned long flags = spin_lock_irqsave(&l);

    KTEST_TRUE(spin_held(&l));
    KTEST_TRUE(!spin_try(&l));
    spin_unlock_irqrestore(&l, flags);
    KTEST_TRUE(!spin_held(&l));
    KTEST_REQUIRE(spin_try(&l));
    spin_unlock(&l);
    for (unsigned i = 0; i < 1000; i++) {
        spin_lock(&l);
        spin_unlock(&l);
    }
    KTEST_TRUE(!spin_held(&l));
    KTEST_EQ(l.word, 0);
}

/* The waiter is starved and does not run: newcomers keep off, but not for ever. */
KTEST(spinlock, starved_waiter_goes_first)
{
    struct spinlock l = SPINLOCK_INIT(LOCK_DEVICE);

    spin_lock(&l);
    l.word += SPIN_STARVED;
    spin_unlock(&l);
    KTEST_EQ(l.word, SPIN_STARVED);
    KTEST_TRUE(!spin_held(&l));
    KTEST_TRUE(!spin_try(&l));
    spin_lock(&l);
    KTEST_EQ(l.word, SPIN_STARVED | SPIN_HELD);
    spin_unlock(&l);
    l.word -= SPIN_STARVED;
    KTEST_REQUIRE(spin_try(&l));
    KTEST_EQ(l.word, SPIN_HELD);
    spin_unlock(&l);
}

KTEST(spinlock, ranks_have_names)
{
    KTEST_STR_EQ(lock_rank_name[LOCK_LOG], "LOCK_LOG");
}

#define STORM_LINE 13 /* nobody's on any machine */

static void irq_nothing(unsigned irq, void *arg)
{
    (void)irq, (void)arg;
}

static void irq_not_mine(unsigned irq, void *arg)
{
    ++*(unsigned *)arg;
    irq_unhandled();
}

KTEST(irq, storm_is_masked)
{
    unsigned calls = 0;
    unsigned long flags;
    uint64_t since;

    if (irq_chip() == NULL)
        return;
    KTEST_EQ(irq_register(STORM_LINE, "storm", irq_not_mine, &calls), 0);
    since = log_next_seq();
    flags = hal_irq_save();
    for (unsigned i = 0; i < IRQ_STORM; i++)
        irq_handle(STORM_LINE);
    hal_irq_restore(flags);
    KTEST_EQ(calls, IRQ_STORM);
    KTEST_TRUE(ktest_logged(since, "irq", "line 13 (storm) came"));
    KTEST_TRUE(irq_count_on(STORM_LINE, cpus[0]) <= irq_total());
    irq_unregister(STORM_LINE, irq_not_mine, &calls);
}

KTEST(irq, bad_registrations)
{
    KTEST_EQ(irq_register(IRQ_MAX, "x", irq_nothing, NULL), -EINVAL);
    KTEST_EQ(irq_register(0, "x", NULL, NULL), -EINVAL);
    irq_unregister(IRQ_MAX, irq_nothing, NULL);
    irq_unregister(5, irq_nothing, last_text); /* was never registered */
}

KTEST(symbols, strange_addresses)
{
    KTEST_TRUE(symbol_find(0).name == NULL);
    KTEST_TRUE(symbol_find(UINTPTR_MAX).name == NULL);
}
