// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: runs scenarios under many interleavings, one for each seed, and shows those that fail.
 *
 * Model: the loop over the seeds runs outside of the machine, on a stack of its own.  It saves the
 * machine once (snapshot.c); for each seed it brings the machine back and goes on with the thread
 * that asked, which runs the scenario and ends in host_explore_end(): from any CPU, at any depth, as
 * nothing needs to be tidied up.  Deadlocks, assertions and fatal errors end a run in the same way.
 *
 *     outside:  save | restore, seed n, resume ->                       <- end: note, next seed
 *     machine:       | host_explore_start returns, scenario ... finding or end of it
 *
 * Nothing in *x belongs to the machine.
 */
#include <hal/boot.h>
#include <lib/fmt.h>
#include <lib/string.h>

#include "host.h"

#define OUTSIDE_TOP (DIRECT_BASE - 2 * GiB)
#define EVENTS (1u << 20) /* kept of a traced run: the latest */
#define RUN_POINTS 1000000 /* of one run: some 40 ms; it goes in circles then */
#define RUN_NS (3 * NS_PER_SEC)
#define STACKS_BYTES (64 * MiB) /* of the vmap area, from its start */

enum event_kind { EVENT_CPU, EVENT_IRQ, EVENT_NOTE };

struct event {
    enum event_kind kind;
    unsigned cpu, what;
    ns_t at;
    uintptr_t ip;
    const char *note;
    uint64_t value;
};

static struct exploration {
    const char *pattern;
    uint64_t from, count;
    bool trace;
    const struct host_scenario *list;
    unsigned list_count;
    /* the present run */
    unsigned scenario;
    uint64_t seed;
    uint64_t points;
    uint64_t hash; /* of its choices */
    bool remapped;
    bool found;
    char finding[256];
    struct event event[EVENTS];
    uint64_t events;
    /* stacks */
    uintptr_t resume, outside;
    void *resume_fake, *outside_fake;
    struct hal_context *resume_context;
    uint64_t total;
} *x;

unsigned host_point_odds;
unsigned host_faults;

/* --- the command line: --explore PATTERN [--seeds FROM COUNT] [--trace] --- */

static uint64_t number(const char *text)
{
    uint64_t v;

    if (text == NULL || str_to_u64(&text, 10, &v) != 0 || *text != '\0')
        os_fatal("--seeds wants two numbers: the first seed, and how many");
    return v;
}

void host_explore_option(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "--explore") != 0)
        return;
    x = os_memory(sizeof(*x));
    x->pattern = argv[2];
    x->from = 1;
    x->count = 1000;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            x->trace = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 2 < argc) {
            x->from = number(argv[i + 1]);
            x->count = number(argv[i + 2]);
            i += 2;
        } else {
            os_fatal("usage: --explore PATTERN [--seeds FROM COUNT] [--trace]");
        }
    }
}

bool host_explore_wanted(void)
{
    return x != NULL;
}

bool host_explore_traced(void)
{
    return x != NULL && x->trace;
}

/* --- what happens in a run --- */

static void event_add(enum event_kind kind, unsigned what, uintptr_t ip, const char *note,
                      uint64_t value)
{
    if (x == NULL || !x->trace)
        return;
    x->event[x->events++ % EVENTS] = (struct event){ kind, host_cpu->id, what, host_clock_ns(), ip,
                                                     note, value };
}

/* The first of our callers that is the kernel's; frames of the points are ours. */
static __attribute__((no_sanitize("address"))) uintptr_t caller_ip(unsigned skip)
{
    uintptr_t *fp = __builtin_frame_address(0);
    uintptr_t top = hal_current()->stack_top, bottom = top - KERNEL_STACK_SIZE, ip = 0;

    for (unsigned i = 0; i <= skip; i++) {
        if ((uintptr_t)fp < bottom || (uintptr_t)fp > top - 16)
            break;
        ip = fp[1];
        fp = (uintptr_t *)fp[0];
    }
    return ip;
}

void host_trace_cpu(const struct cpu *to)
{
    if (x == NULL)
        return;
    x->hash = (x->hash ^ to->id ^ host_clock_ns() << 8) * 0x100000001b3ull;
    if (x->trace)
        event_add(EVENT_CPU, to->id, caller_ip(4), NULL, 0);
}

void host_trace_irq(unsigned irq)
{
    if (x == NULL)
        return;
    x->hash = (x->hash ^ 0x100 ^ irq ^ host_clock_ns() << 8) * 0x100000001b3ull;
    if (x->trace)
        event_add(EVENT_IRQ, irq, caller_ip(3), NULL, 0);
}

void host_explore_note(const char *what, uint64_t value)
{
    event_add(EVENT_NOTE, 0, 0, what, value);
}

void host_explore_count(void)
{
    if (host_point_odds != 0 && ++x->points > RUN_POINTS)
        host_explore_end("it goes in circles: a lock that nobody gives back?");
}

void host_explore_remapped(void)
{
    if (x != NULL)
        x->remapped = true;
}

/* --- saving the machine --- */

#if HOST_ASAN
int __asan_address_is_poisoned(const volatile void *p);
void __asan_set_error_report_callback(void (*callback)(const char *report));
void __asan_get_shadow_mapping(size_t *scale, size_t *offset);
void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size);

static uintptr_t shadow_of(uintptr_t at)
{
    size_t scale, offset;

    __asan_get_shadow_mapping(&scale, &offset);
    return (at >> scale) + offset;
}

static void save_shadow(uintptr_t at, size_t bytes, bool aliased)
{
    os_snapshot_add(shadow_of(at), bytes / 8, aliased);
}

/* The process ends after a report: at least it says where. */
static void asan_report(const char *report)
{
    (void)report;
    os_write(2, x->finding, (size_t)fmt_scnprintf(x->finding, sizeof(x->finding),
             "devine-host: --explore '%s' --seeds %llu 1 --trace\n", x->list[x->scenario].name,
             (unsigned long long)x->seed));
}
/* Frames that are free are poisoned. */
void host_explore_access(const void *p)
{
    if (host_point_odds != 0 && __asan_address_is_poisoned(p))
        host_explore_end("a user access reaches a frame that is free: a stale translation");
}
#else
void host_explore_access(const void *p)
{
    (void)p;
}

static void save_shadow(uintptr_t at, size_t bytes, bool aliased)
{
    (void)at, (void)bytes, (void)aliased;
}
#endif

static void save_ram(uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += PAGE_SIZE)
        if (host_is_ram(at, PAGE_SIZE))
            os_snapshot_add(DIRECT_BASE + at, PAGE_SIZE, false);
}

static void save_alias(vaddr_t va, paddr_t pa, unsigned prot)
{
    (void)prot;
    if (!host_is_ram(pa, PAGE_SIZE))
        return;
    if (os_ram_is_used(pa)) /* else it holds nothing that a run could depend on */
        os_snapshot_add(DIRECT_BASE + pa, PAGE_SIZE, true);
    save_shadow(va, PAGE_SIZE, true);
}

static void machine_save(void)
{
    struct boot_record rec;

    host_boot_record(&rec);
    os_ram_used(save_ram);
    for (unsigned i = 0; i < rec.range_count; i++)
        save_shadow(DIRECT_BASE + rec.ranges[i].start, rec.ranges[i].size, false);
    host_kernel_pages(VMAP_BASE, VMAP_BASE + STACKS_BYTES, save_alias);
    host_kernel_pages(FRAME_TABLE_BASE, FRAME_TABLE_BASE + GiB, save_alias);
    os_snapshot_take();
}

static void machine_restore(void)
{
    os_snapshot_restore();
    host_point_odds = 0;
    if (x->remapped)
        host_kernel_pages(VMAP_BASE, VMAP_BASE + STACKS_BYTES, host_kernel_remap);
    x->remapped = false;
}

/* --- the loop, outside --- */

static __printf(1, 2) void say(const char *format, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, format);
    fmt_vsnprintf(line, sizeof(line), format, ap);
    os_write(1, line, strlen(line));
    va_end(ap);
}

static void where(uintptr_t ip, char *out, size_t size)
{
#if HOST_ASAN
    char text[512] = "", *at = text;

    if (ip != 0)
        __sanitizer_symbolize_pc((void *)(ip - 1), "%f %S", text, sizeof(text));
    /* One line for each inlined function, the innermost first, each with its 0. */
    while (strncmp(at, "arch_point ", 11) == 0 && at + strlen(at) + 1 < text + sizeof(text) - 1)
        at += strlen(at) + 1;
    str_copy(out, at, size);
#else
    fmt_snprintf(out, size, "%#lx", ip);
#endif
}

static void event_say(const struct event *e)
{
    char at[200];

    where(e->ip, at, sizeof(at));
    if (e->kind == EVENT_CPU)
        say("  %10llu CPU %u -> CPU %u  in %s\n", (unsigned long long)e->at, e->cpu, e->what, at);
    else if (e->kind == EVENT_IRQ)
        say("  %10llu CPU %u interrupt %u  in %s\n", (unsigned long long)e->at, e->cpu, e->what, at);
    else
        say("  %10llu CPU %u %s %#llx\n", (unsigned long long)e->at, e->cpu, e->note,
            (unsigned long long)e->value);
}

static void run_trace(void)
{
    uint64_t first = x->events > EVENTS ? x->events - EVENTS : 0;

    say("# %s seed %llu: %llu switch points, hash %016llx\n", x->list[x->scenario].name,
        (unsigned long long)x->seed, (unsigned long long)x->points, (unsigned long long)x->hash);
    for (uint64_t i = first; i < x->events; i++)
        event_say(&x->event[i % EVENTS]);
}

static void fatal_ends_run(const char *text)
{
    host_explore_end(text);
}

static void run(void)
{
    static const unsigned odds[] = { 1, 2, 3, 5, 8, 16, 40, 100 };

    machine_restore();
    x->points = x->events = 0;
    x->hash = 0xcbf29ce484222325ull;
    x->found = false;
    host_random_seed(x->seed);
    host_point_odds = odds[host_random() % ARRAY_SIZE(odds)];
    host_time_limit = host_clock_ns() + RUN_NS;
    os_fatal_hook = fatal_ends_run;
    host_current = x->resume_context;
    host_switch_told(&x->outside, x->resume, &x->outside_fake, x->resume_context->stack_top);
    x->total++;
    if (x->trace)
        run_trace();
}

/* Return: whether the scenario did what it should. */
static bool explore(unsigned n)
{
    const struct host_scenario *s = &x->list[n];
    uint64_t all = 0xcbf29ce484222325ull;

    x->scenario = n;
    for (uint64_t i = 0; i < x->count; i++) {
        x->seed = x->from + i;
        run();
        all = (all ^ x->hash) * 0x100000001b3ull;
        if (!x->found)
            continue;
        say("%s%s: seed %llu: %s\n", s->broken ? "" : "FINDING ", s->name,
            (unsigned long long)x->seed, x->finding);
        if (!s->broken)
            say("    again: devine-host --explore '%s' --seeds %llu 1 --trace\n", s->name,
                (unsigned long long)x->seed);
        return s->broken;
    }
    say("%s%s: %llu interleavings, no finding (%016llx)\n", s->broken ? "NOT FOUND " : "", s->name,
        (unsigned long long)x->count, (unsigned long long)all);
    return !s->broken;
}

/* `*` stands for any text; without a `!` in the pattern the broken ones match, too. */
static bool matches(const char *pattern, const char *name)
{
    if (*pattern == '*')
        return matches(pattern + 1, name) || (*name != '\0' && matches(pattern, name + 1));
    if (*pattern == '\0')
        return *name == '\0';
    return *pattern == *name && matches(pattern + 1, name + 1);
}

static void outside_main(struct hal_context *prev, void *arg)
{
    unsigned wrong = 0, ran = 0;

    (void)prev, (void)arg;
    machine_save();
    for (unsigned i = 0; i < x->list_count; i++) {
        if (!matches(x->pattern, x->list[i].name))
            continue;
        wrong += !explore(i);
        ran++;
    }
    say("# each brings back %zu pages\n", os_snapshot_hot());
    say("%llu interleavings of %u scenarios, %u wrong\n", (unsigned long long)x->total, ran, wrong);
    os_exit(wrong != 0 || ran == 0);
}

unsigned host_explore_start(const struct host_scenario *list, unsigned count)
{
    static struct hal_context outside;

    x->list = list;
    x->list_count = count;
    x->resume_context = host_current;
#if HOST_ASAN
    __asan_set_error_report_callback(asan_report);
#endif
    os_device_map(OUTSIDE_TOP - KERNEL_STACK_SIZE, KERNEL_STACK_SIZE, OS_READ | OS_WRITE);
    hal_context_init(&outside, OUTSIDE_TOP, outside_main, NULL);
    host_current = &outside;
    host_switch_told(&x->resume, outside.sp, &x->resume_fake, OUTSIDE_TOP);
    return x->scenario;
}

void host_explore_end(const char *finding)
{
    static uintptr_t nowhere;
    static void *no_fake;

    host_point_odds = 0;
    x->found = finding != NULL;
    if (finding != NULL)
        str_copy(x->finding, finding, sizeof(x->finding));
    host_switch_told(&nowhere, x->outside, &no_fake, OUTSIDE_TOP);
    os_fatal("a run that was over goes on");
}
