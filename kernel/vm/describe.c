// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: says in one line where an address lies: for the log of a fault that killed a program.
 * Locking: s->lock for reading.
 */
#include <lib/fmt.h>
#include <vm/internal.h>

static size_t describe_region(const struct region *r, const char *what, char *buf, size_t size)
{
    return fmt_scnprintf(buf, size, " %s %lx-%lx %c%c%c%c%s%s", what, (unsigned long)r->start,
                         (unsigned long)r->end, r->flags & VM_READ ? 'r' : '-',
                         r->flags & VM_WRITE ? 'w' : '-', r->flags & VM_EXEC ? 'x' : '-',
                         r->flags & VM_SHARED ? 's' : 'p', r->name != NULL ? " " : "",
                         r->name != NULL ? r->name : "");
}

void space_describe(struct space *s, vaddr_t addr, char *buf, size_t size)
{
    struct region *r, *prev;
    size_t n;

    rwlock_read(&s->lock);
    n = fmt_scnprintf(buf, size, "%lx:", (unsigned long)addr);
    r = space_find(s, addr);
    if (r != NULL && addr >= r->start) {
        (void)describe_region(r, "in", buf + n, size - n);
    } else {
        prev = r != NULL ? region_prev(r)
                         : tree_entry_or_null(tree_last(&s->regions), struct region, node);
        if (prev != NULL)
            n += describe_region(prev, "above", buf + n, size - n);
        if (r != NULL)
            (void)describe_region(r, "below", buf + n, size - n);
    }
    rwlock_read_done(&s->lock);
}
