// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: brk(2): the heap is one anonymous region from brk_start up.
 * Locking: s->lock for writing; a question (an address below brk_start) reads under it, too.
 */
#include <linux/mman.h>
#include <vm/internal.h>

static err_t brk_grow(struct space *s, vaddr_t start, vaddr_t end)
{
    struct region want = {
        .start = start,
        .end = end,
        .flags = VM_READ | VM_WRITE | VM_MAY_READ | VM_MAY_WRITE | VM_MAY_EXEC | VM_HEAP |
                 s->map_flags_all,
        .space = s,
        .name = "[heap]",
    };

    if (!range_free(s, start, end) || map_check_limits(s, end - start, want.flags))
        return -ENOMEM;
    return map_commit(s, &want) != NULL ? 0 : -ENOMEM;
}

vaddr_t space_brk(struct space *s, vaddr_t addr)
{
    vaddr_t old_end = 0, end = 0, result;

    rwlock_write(&s->lock);
    result = s->brk;
    if (addr < s->brk_start || addr > USER_TOP - PAGE_SIZE)
        goto out;
    if (addr - s->brk_start > atomic_load_relaxed(&s->limit_data))
        goto out;
    old_end = ALIGN_UP(s->brk, PAGE_SIZE);
    end = ALIGN_UP(addr, PAGE_SIZE);
    if (end < old_end && unmap_locked(s, end, old_end) != 0)
        goto out;
    if (end > old_end && brk_grow(s, old_end, end) != 0)
        goto out;
    s->brk = result = addr;
out:
    rwlock_write_done(&s->lock);
    if (result == addr && end > old_end && (s->map_flags_all & VM_LOCKED))
        (void)space_populate(s, old_end, end - old_end, true);
    return result;
}
