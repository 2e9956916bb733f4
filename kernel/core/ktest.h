// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: unit tests that live beside the code, in the host binary and at boot (ktest=PATTERN).
 * Output is KTAP.  A test names itself SUITE.NAME; it must leave everything as it found it, frames
 * and heap included (the runner checks both).
 *
 *     KTEST(frame, alloc_free) { KTEST_EQ(frame_free_count(), before); }
 */
#pragma once

#include <lib/registry.h>
#include <lib/types.h>

struct ktest {
    const char *suite, *name;
    unsigned failures;
};

struct ktest_case {
    const char *suite, *name;
    void (*run)(struct ktest *t);
};
REGISTRY_DECLARE(ktest, const struct ktest_case);

#define KTEST(suite_, name_)                                                                       \
    static void ktest_##suite_##_##name_(struct ktest *t);                                         \
    static const struct ktest_case ktest_case_##suite_##_##name_ = {                               \
        .suite = #suite_, .name = #name_, .run = ktest_##suite_##_##name_                          \
    };                                                                                             \
    REGISTRY_ADD(ktest, ktest_case_##suite_##_##name_);                                            \
    static void ktest_##suite_##_##name_(struct ktest *t __maybe_unused)

__printf(4, 5) void ktest_fail(struct ktest *t, const char *file, int line, const char *format, ...);

/* Notes a failure and goes on. */
#define KTEST_TRUE(cond)                                                                           \
    ((cond) ? true : (ktest_fail(t, __FILE__, __LINE__, "%s", #cond), false))
#define KTEST_EQ(a, b)                                                                             \
    ({                                                                                             \
        uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);                                           \
        if (a_ != b_)                                                                              \
            ktest_fail(t, __FILE__, __LINE__, "%s is %#llx, expected %s = %#llx", #a,              \
                       (unsigned long long)a_, #b, (unsigned long long)b_);                        \
        a_ == b_;                                                                                  \
    })
#define KTEST_STR_EQ(a, b) ktest_str_eq(t, __FILE__, __LINE__, a, b)
bool ktest_str_eq(struct ktest *t, const char *file, int line, const char *a, const char *b);
/* Notes a failure and leaves the test. */
#define KTEST_REQUIRE(cond)                                                                        \
    do {                                                                                           \
        if (!KTEST_TRUE(cond))                                                                     \
            return;                                                                                \
    } while (0)

/*
 * What must be the same before and after a test: frames and bytes in use.  `read` first gives back
 * what is merely cached.  A test that seems to leak is run once more, as its first run may have
 * filled caches for good (kernel page tables); it fails when the second run leaks, too.
 */
struct ktest_probe {
    const char *name;
    uint64_t (*read)(void);
    void (*report)(void); /* NULL, or says more about a leak to the log */
    struct ktest_probe *next;
};
void ktest_probe_add(struct ktest_probe *probe);

/* Has a record from log_next_seq() `since` on `head` in it, and `text` behind that? */
bool ktest_logged(uint64_t since, const char *head, const char *text);

/* Runs the tests whose SUITE.NAME matches `pattern` (* and ?), prints KTAP through `put`, which
 * gets one line at a time, with its newline.
 * Return: number that failed; *ran is how many ran. */
unsigned ktest_run(const char *pattern, void (*put)(const char *line), unsigned *ran);
