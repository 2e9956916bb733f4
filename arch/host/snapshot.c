// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: saves the memory of the pretended machine and brings it back, thousands of times a second.
 *
 * Model: the state is a list of pages: the program's own data, RAM, and the address sanitizer's
 * shadow of RAM and kernel stacks.  After saving, all but the aliased ones are write-protected; the
 * first write to a page makes it hot, and only hot pages are copied back.  A page that is mapped a
 * second time (stacks, the frame table) is hot from the start, as it may be written there.
 * Uses the C library, as os.c does.
 */
#define _GNU_SOURCE
#include "os.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define PAGES_MAX 65536
#define ALT_STACK (64 * 1024)

struct page {
    uintptr_t at;
    bool hot;
};

static struct saved {
    struct page page[PAGES_MAX]; /* ascending within each range that was added */
    char *copy; /* PAGES_MAX pages */
    size_t count, hot_count;
    uint32_t hot[PAGES_MAX];
    bool guarded;
    struct sigaction before;
} *saved; /* not part of itself */

extern char __data_start[], _end[];

typedef uint64_t vec __attribute__((vector_size(32), may_alias));

/* Not memcpy: the sanitizer would look at what is copied. */
__attribute__((no_sanitize("address", "undefined"), noinline)) static void page_copy_raw(void *to, const void *from)
{
    vec *d = to;
    const vec *s = from;

    for (size_t i = 0; i < PAGE / sizeof(vec); i++)
        d[i] = s[i];
}

static void *fresh(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        os_fatal("no memory for a saved machine");
    return p;
}

void *os_memory(size_t bytes)
{
    return fresh(bytes);
}

void os_snapshot_add(uintptr_t at, size_t bytes, bool aliased)
{
    if (saved == NULL) {
        saved = fresh(sizeof(*saved));
        saved->copy = fresh(PAGES_MAX * PAGE);
    }
    for (uintptr_t p = at & ~(PAGE - 1); p < at + bytes; p += PAGE) {
        if (saved->count == PAGES_MAX)
            os_fatal("the machine is too large to be saved");
        saved->page[saved->count++] = (struct page){ .at = p, .hot = aliased };
    }
}

static int page_order(const void *a, const void *b)
{
    const struct page *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static void page_heat(struct page *p)
{
    p->hot = true;
    saved->hot[saved->hot_count++] = (uint32_t)(p - saved->page);
}

/* The first write to a saved page. */
static void guard_fault(int nr, siginfo_t *info, void *context)
{
    struct page key = { .at = (uintptr_t)info->si_addr & ~(PAGE - 1) };
    struct page *p = bsearch(&key, saved->page, saved->count, sizeof(key), page_order);

    (void)context;
    if (p == NULL || p->hot) {
        sigaction(nr, &saved->before, NULL); /* it is an error: the access is made again */
        return;
    }
    page_heat(p);
    mprotect((void *)p->at, PAGE, PROT_READ | PROT_WRITE);
}

static void guard_install(void)
{
    struct sigaction sa = { .sa_sigaction = guard_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t alt = { .ss_sp = fresh(ALT_STACK), .ss_size = ALT_STACK };

    if (sigaltstack(&alt, NULL) != 0 || sigaction(SIGSEGV, &sa, &saved->before) != 0)
        os_fatal("no handler for writes to the saved machine");
}

/* Sorted, each page once; one that is aliased anywhere stays so. */
static void pages_unite(void)
{
    size_t n = 0;

    qsort(saved->page, saved->count, sizeof(saved->page[0]), page_order);
    for (size_t i = 0; i < saved->count; i++) {
        if (n > 0 && saved->page[n - 1].at == saved->page[i].at)
            saved->page[n - 1].hot |= saved->page[i].hot;
        else
            saved->page[n++] = saved->page[i];
    }
    saved->count = n;
}

void os_snapshot_take(void)
{
    struct saved *s;
    size_t end;

    os_snapshot_add((uintptr_t)__data_start, (size_t)(_end - __data_start), false);
    s = saved;
    pages_unite();
    guard_install();
    for (size_t i = 0; i < s->count; i++) {
        page_copy_raw(s->copy + i * PAGE, (void *)s->page[i].at);
        if (s->page[i].hot)
            page_heat(&s->page[i]);
    }
    for (size_t i = 0; i < s->count; i = end) {
        for (end = i + 1; end < s->count && s->page[end].at == s->page[end - 1].at + PAGE &&
                          s->page[end].hot == s->page[i].hot; end++)
            ;
        if (!s->page[i].hot && mprotect((void *)s->page[i].at, (end - i) * PAGE, PROT_READ) != 0)
            os_fatal("cannot guard the saved machine");
    }
}

void os_snapshot_restore(void)
{
    struct saved *s = saved;

    for (size_t i = 0; i < s->hot_count; i++) {
        uint32_t n = s->hot[i];

        page_copy_raw((void *)s->page[n].at, s->copy + n * PAGE);
    }
}

size_t os_snapshot_hot(void)
{
    return saved->hot_count;
}
