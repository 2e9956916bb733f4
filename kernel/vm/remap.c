// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mremap: shrink, grow in place, move.
 *
 * Model: a move makes the moved part a region of its own (borders first: may fail, nothing has
 * changed), links a copy at the new place, moves the entries, then takes the old region away.  For
 * a region with an object all of that keeps out who goes through its mappings, so that a truncation sees
 * either the old place or the new one.
 * Locking: s->lock for writing.
 */
#include <lib/checked.h>
#include <linux/mman.h>
#include <vm/internal.h>

struct remap {
    struct space *s;
    vaddr_t old, new; /* new: result */
    size_t old_len, new_len;
    int flags;
};

/* Checks that `old_len` bytes at old may become new_len.  *out is the region. */
static err_t remap_check(struct remap *m, struct region **out)
{
    struct region *r = space_find(m->s, m->old);
    uint64_t more = m->new_len > m->old_len ? m->new_len - m->old_len : 0;

    if (r == NULL || r->start > m->old)
        return -EFAULT;
    if (m->old_len == 0 && region_private(r))
        return -EINVAL;
    if (m->old_len > r->end - m->old)
        return -EFAULT;
    *out = r;
    if (more == 0)
        return 0;
    /* An anonymous region's offset wraps when a neighbour below merges with it, and means nothing. */
    if (r->object != NULL && r->offset + (m->old - r->start) + m->new_len < r->offset)
        return -EINVAL;
    if (r->flags & VM_SPECIAL)
        return -EFAULT;
    if ((r->flags & VM_LOCKED) && (m->s->locked_pages << PAGE_SHIFT) + more >
                                      atomic_load_relaxed(&m->s->limit_memlock))
        return -EAGAIN;
    return map_check_limits(m->s, more, r->flags);
}

/* Links the copy and moves the entries; on failure everything is where it was. */
static err_t move_entries(struct remap *m, struct region *r, struct region *copy)
{
    struct object_maps *maps = r->object != NULL ? object_maps_lock(r->object) : NULL;
    size_t length = MIN(m->old_len, m->new_len);
    err_t err;

    if (maps != NULL)
        object_maps_add(maps, copy);
    region_link(m->s, copy);
    err = m->old_len != 0 ? table_move(m->s, m->old, copy->start, length) : 0;
    /* The way back needs no tables: they are all there. */
    if (err && table_move(m->s, copy->start, m->old, length) != 0)
        panic("mremap: no way back");
    if (maps != NULL)
        mutex_unlock(&maps->lock);
    if (err) {
        region_remove(m->s, copy);
        region_free(copy);
    }
    return err;
}

/* The moved entries' new places are touched before they get there. */
static void copy_touched(const struct remap *m, const struct region *r, struct region *copy)
{
    vaddr_t low = m->old, high = m->old + m->old_len;

    region_touched(r, &low, &high);
    copy->touched_low = low < high ? low - m->old + m->new : 0;
    copy->touched_high = low < high ? high - m->old + m->new : 0;
}

static err_t remap_move(struct remap *m, struct region *r)
{
    struct space *s = m->s;
    struct region *copy;
    err_t err = 0;

    if (m->old_len != 0)
        err = region_isolate(&r, m->old, m->old + m->old_len);
    copy = err ? NULL : region_clone(r, s);
    if (copy == NULL)
        return -ENOMEM;
    copy->offset = r->offset + (m->old - r->start);
    copy->start = m->new;
    copy->end = m->new + m->new_len;
    copy_touched(m, r, copy);
    err = move_entries(m, r, copy);
    if (err) {
        (void)region_merge(r);
        return err;
    }
    if (s->vdso >= m->old && s->vdso < m->old + m->old_len)
        s->vdso += m->new - m->old;
    if (m->old_len != 0 && !(m->flags & MREMAP_DONTUNMAP)) {
        err = unmap_locked(s, m->old, m->old + m->old_len); /* whole regions: needs no memory */
        K_ASSERT(err == 0);
    } else if ((m->flags & MREMAP_DONTUNMAP) && (r->flags & VM_LOCKED)) {
        region_account(s, r, -(int64_t)region_pages(r));
        r->flags &= ~VM_LOCKED;
        region_account(s, r, region_pages(r));
    }
    (void)region_merge(copy);
    return 0;
}

/* MREMAP_FIXED and MREMAP_DONTUNMAP. */
static err_t remap_to(struct remap *m, vaddr_t want)
{
    bool fixed = m->flags & MREMAP_FIXED;
    struct region *r;
    err_t err;

    if (!IS_ALIGNED(want, PAGE_SIZE) || !range_valid(want, m->new_len))
        return -EINVAL;
    if (fixed && ranges_overlap(m->old, m->old_len, want, m->new_len))
        return -EINVAL;
    if (fixed) {
        if (want < USER_BOTTOM)
            return -EPERM;
        err = unmap_locked(m->s, want, want + m->new_len);
        if (err)
            return err;
    }
    if (m->old_len > m->new_len) {
        err = unmap_locked(m->s, m->old + m->new_len, m->old + m->old_len);
        if (err)
            return err;
        m->old_len = m->new_len;
    }
    err = remap_check(m, &r);
    if (err)
        return err;
    if ((m->flags & MREMAP_DONTUNMAP) && (r->flags & VM_SPECIAL))
        return -EINVAL;
    if (m->flags & MREMAP_DONTUNMAP) {
        err = map_check_limits(m->s, m->new_len, r->flags);
        if (err)
            return err;
    }
    err = map_place(m->s, want, m->new_len, fixed ? MAP_FIXED : 0, 0, &m->new);
    return err ? err : remap_move(m, r);
}

static bool grow_in_place(struct remap *m, struct region *r)
{
    struct region *next = region_next(r);
    vaddr_t end = m->old + m->new_len;
    vaddr_t limit = next != NULL ? next->start : USER_TOP;

    if (next != NULL && (next->flags & VM_STACK))
        limit = limit > STACK_GUARD_BYTES ? limit - STACK_GUARD_BYTES : 0;
    if (m->old + m->old_len != r->end || end < m->old || end > limit)
        return false;
    region_set_bounds(r, r->start, end);
    (void)region_merge(r);
    return true;
}

static err_t remap_locked(struct remap *m, vaddr_t want)
{
    struct region *r = space_find(m->s, m->old);
    err_t err;

    if (r == NULL || r->start > m->old)
        return -EFAULT;
    if (m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
        return remap_to(m, want);
    m->new = m->old;
    if (m->old_len >= m->new_len)
        return unmap_locked(m->s, m->old + m->new_len, m->old + m->old_len);
    err = remap_check(m, &r);
    if (err)
        return err;
    if (m->old_len != 0 && grow_in_place(m, r))
        return 0;
    if (!(m->flags & MREMAP_MAYMOVE))
        return -ENOMEM;
    err = map_place(m->s, 0, m->new_len, 0, 0, &m->new);
    return err ? err : remap_move(m, r);
}

err_t space_remap(struct space *s, vaddr_t old, size_t old_len, size_t new_len, int flags,
                  vaddr_t new_addr, vaddr_t *out)
{
    struct remap m = { .s = s, .old = old, .old_len = ALIGN_UP(old_len, PAGE_SIZE),
                       .new_len = ALIGN_UP(new_len, PAGE_SIZE), .flags = flags };
    struct region *r;
    bool locked = false;
    err_t err;

    if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
        return -EINVAL;
    if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
        return -EINVAL;
    if ((flags & MREMAP_DONTUNMAP) && m.old_len != m.new_len)
        return -EINVAL;
    if (!IS_ALIGNED(old, PAGE_SIZE) || m.new_len == 0 || !range_valid(old, m.old_len))
        return -EINVAL;
    if (m.new_len > USER_TOP)
        return -ENOMEM;
    rwlock_write(&s->lock);
    err = remap_locked(&m, new_addr);
    if (err == 0 && m.new_len > m.old_len) {
        r = space_find(s, m.new);
        locked = r != NULL && (r->flags & VM_LOCKED);
    }
    rwlock_write_done(&s->lock);
    if (locked)
        (void)space_populate(s, m.new + m.old_len, m.new_len - m.old_len, true);
    if (err == 0)
        *out = m.new;
    return err;
}
