// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: runs the registered tests and reports in KTAP (Linux, Documentation/dev-tools/ktap.rst).
 * Locking: one runner at a time, by its caller.
 */
#include <core/ktest.h>
#include <core/log.h>
#include <lib/fmt.h>
#include <lib/string.h>

#define NAME_MAX_BYTES 96
#define PROBES_MAX 8

static struct ktest_probe *probes; /* added at boot */
static void (*ktest_put)(const char *line); /* of the running ktest_run */

void ktest_probe_add(struct ktest_probe *probe)
{
    probe->next = probes;
    probes = probe;
}

static __printf(1, 2) void print(const char *format, ...)
{
    char line[256];
    size_t n;
    va_list ap;

    va_start(ap, format);
    n = (size_t)MIN(fmt_vsnprintf(line, sizeof(line) - 1, format, ap), (int)sizeof(line) - 2);
    va_end(ap);
    line[n] = '\n';
    line[n + 1] = '\0';
    ktest_put(line);
}

void ktest_fail(struct ktest *t, const char *file, int line, const char *format, ...)
{
    char why[192];
    va_list ap;

    t->failures++;
    if (t->failures > 20)
        return; /* a loop that fails says so often enough */
    va_start(ap, format);
    fmt_vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    print("# %s.%s: %s:%d: %s", t->suite, t->name, file, line, why);
}

bool ktest_logged(uint64_t since, const char *head, const char *text)
{
    char line[512];
    size_t n;

    while ((n = log_read(&since, line, sizeof line - 1, false)) != 0) {
        const char *found;

        line[n] = '\0';
        found = strstr(line, head);
        if (found && strstr(found, text))
            return true;
    }
    return false;
}

bool ktest_str_eq(struct ktest *t, const char *file, int line, const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return true;
    ktest_fail(t, file, line, "\"%s\" should be \"%s\"", a, b);
    return false;
}

static void probes_read(uint64_t value[PROBES_MAX])
{
    unsigned i = 0;

    for (struct ktest_probe *p = probes; p != NULL && i < PROBES_MAX; p = p->next)
        value[i++] = p->read();
}

static bool probes_same(const uint64_t a[PROBES_MAX], const uint64_t b[PROBES_MAX])
{
    return memcmp(a, b, PROBES_MAX * sizeof(a[0])) == 0;
}

static void probes_report(struct ktest *t, const uint64_t before[PROBES_MAX],
                          const uint64_t after[PROBES_MAX])
{
    unsigned i = 0;

    for (struct ktest_probe *p = probes; p != NULL && i < PROBES_MAX; p = p->next, i++)
        if (before[i] != after[i]) {
            ktest_fail(t, __FILE__, __LINE__, "leak: %s was %llu, is %llu", p->name,
                       (unsigned long long)before[i], (unsigned long long)after[i]);
            if (p->report != NULL)
                p->report();
        }
}

static bool case_run(const struct ktest_case *c)
{
    struct ktest t = { .suite = c->suite, .name = c->name };
    uint64_t before[PROBES_MAX] = { 0 }, after[PROBES_MAX] = { 0 };

    for (unsigned attempt = 0; attempt < 2 && t.failures == 0; attempt++) {
        probes_read(before);
        c->run(&t);
        probes_read(after);
        if (probes_same(before, after))
            return t.failures == 0;
    }
    probes_report(&t, before, after);
    return false;
}

static bool case_matches(const struct ktest_case *c, const char *pattern)
{
    char name[NAME_MAX_BYTES];

    fmt_snprintf(name, sizeof(name), "%s.%s", c->suite, c->name);
    return str_match(pattern, name) || strcmp(pattern, c->suite) == 0;
}

unsigned ktest_run(const char *pattern, void (*put)(const char *line), unsigned *ran)
{
    unsigned total = 0, n = 0, failed = 0;

    ktest_put = put;
    registry_for_each(ktest, c)
        total += case_matches(*c, pattern);
    print("KTAP version 1");
    print("1..%u", total);
    registry_for_each(ktest, c) {
        bool ok;

        if (!case_matches(*c, pattern))
            continue;
        ok = case_run(*c);
        failed += !ok;
        print("%s %u %s.%s", ok ? "ok" : "not ok", ++n, (*c)->suite, (*c)->name);
    }
    print("# Totals: pass:%u fail:%u skip:0 total:%u", n - failed, failed, n);
    *ran = n;
    return failed;
}
