// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: address spaces begin, fork and end.
 *
 * Model: fork copies the regions in order (each becomes the rightmost of the child's tree, so no
 * search), and the entries of those that may hold private frames; entries that a read fault would
 * make again (file pages nobody wrote to, shared mappings) are left out.  Both sides lose the write
 * right on private pages; the parent is flushed once at the end.
 * Locking: the parent's lock is held for writing during fork; nobody sees the child but
 * truncations, through its regions (see table_copy).
 */
#include <hal/cpu.h>
#include <vm/internal.h>

paddr_t vm_zero_frame = PADDR_NONE;
bool (*vm_oom_hook)(void);

void vm_init(void)
{
    if (vm_zero_frame != PADDR_NONE)
        return;
    vm_zero_frame = frame_alloc(FRAME_ZERO);
    if (vm_zero_frame == PADDR_NONE)
        panic("no memory for the zero page");
}

struct space *space_create(void)
{
    struct space *s;

    vm_init();
    s = kzalloc(sizeof(*s));
    if (s == NULL)
        return NULL;
    if (mmu_space_init(&s->hal) != 0) {
        kfree(s);
        return NULL;
    }
    rwlock_init(&s->lock);
    spin_init(&s->pt_lock, LOCK_SPACE);
    ref_init(&s->refs, 1);
    s->mmap_top = USER_TOP;
    s->stack_top = USER_TOP;
    s->limit_as = s->limit_data = s->limit_stack = s->limit_memlock = UINT64_MAX;
    return s;
}

void space_get(struct space *s)
{
    ref_get(&s->refs);
}

/* Nobody runs in s any more: unload it here should it be loaded still. */
static void space_unload(struct space *s)
{
    unsigned long flags = hal_irq_save();

    if (cpu_current()->space == &s->hal)
        mmu_space_switch(NULL);
    hal_irq_restore(flags);
}

/* Takes the regions out of the tree without keeping it a tree, lowest first. */
static void regions_drop(struct space *s)
{
    struct tree_node *n = tree_first(&s->regions);

    while (n != NULL) {
        struct region *r = tree_entry(n, struct region, node);

        n = tree_next(n);
        if (r->object != NULL)
            object_maps_remove(r);
    }
    while ((n = s->regions.root) != NULL) {
        struct tree_node *parent = NULL;

        /* Down to a leaf, free it, on from its parent. */
        while (n != NULL) {
            if (n->left != NULL || n->right != NULL) {
                n = n->left != NULL ? n->left : n->right;
                continue;
            }
            parent = (struct tree_node *)(n->parent_color & ~(uintptr_t)1);
            if (parent == NULL)
                s->regions.root = NULL;
            else if (parent->left == n)
                parent->left = NULL;
            else
                parent->right = NULL;
            region_free(tree_entry(n, struct region, node));
            n = parent;
        }
    }
}

static void space_destroy(struct space *s)
{
    struct tree_node *n;

    space_unload(s);
    for (n = tree_first(&s->regions); n != NULL; n = tree_next(n)) {
        struct region *r = tree_entry(n, struct region, node);

        table_zap(r, r->start, r->end, ZAP_NO_FLUSH);
    }
    regions_drop(s);
    table_prune(s, 0, USER_TABLES_END);
    K_DEBUG_ASSERT(s->resident_anon == 0 && s->resident_file == 0 && s->resident_shared == 0);
    mmu_space_fini(&s->hal);
    if (s->exe != NULL)
        vm_file_ops->put(s->exe);
    kfree(s);
}

void space_put(struct space *s)
{
    if (s != NULL && ref_put(&s->refs))
        space_destroy(s);
}

void space_activate(struct space *s)
{
    struct thread *t = thread_current();
    unsigned long flags = hal_irq_save();

    t->space = s;
    t->hal_space = s != NULL ? &s->hal : NULL;
    mmu_space_switch(t->hal_space);
    hal_irq_restore(flags);
}

/* ---- fork ---------------------------------------------------------------------------------- */

/* Must the child get entries?  What a fault can make again is not copied. */
static bool region_needs_copy(const struct region *r)
{
    if (r->flags & (VM_WIPEONFORK | VM_SHARED | VM_SPECIAL))
        return false;
    return r->has_anon;
}

static err_t fork_region(struct region *r, struct space *child, struct region **last, bool *changed)
{
    struct region *copy = region_clone(r, child);
    struct object_maps *maps = NULL;
    err_t err = 0;

    if (copy == NULL)
        return -ENOMEM;
    copy->flags &= ~VM_LOCKED; /* locks are not inherited */
    if (r->flags & VM_WIPEONFORK)
        copy->has_anon = 0;
    if (r->object != NULL)
        maps = object_maps_lock(r->object);
    region_append(child, copy, *last);
    if (region_needs_copy(r))
        err = table_copy(r, copy, changed);
    else
        copy->touched_low = copy->touched_high = 0;
    if (maps != NULL) {
        object_maps_add(maps, copy);
        mutex_unlock(&maps->lock);
    }
    *last = copy;
    return err;
}

static void fork_fields(struct space *child, const struct space *parent)
{
    child->brk_start = parent->brk_start;
    child->brk = parent->brk;
    child->mmap_top = parent->mmap_top;
    child->stack_top = parent->stack_top;
    child->arg_start = parent->arg_start;
    child->arg_end = parent->arg_end;
    child->env_start = parent->env_start;
    child->env_end = parent->env_end;
    child->vdso = parent->vdso;
    child->auxv_words = parent->auxv_words;
    memcpy(child->auxv, parent->auxv, parent->auxv_words * sizeof(child->auxv[0]));
    child->limit_as = parent->limit_as;
    child->limit_data = parent->limit_data;
    child->limit_stack = parent->limit_stack;
    child->limit_memlock = parent->limit_memlock;
    child->exe = parent->exe;
    if (child->exe != NULL)
        vm_file_ops->get(child->exe);
}

err_t space_fork(struct space *parent, struct space **out)
{
    struct space *child = space_create();
    struct region *last = NULL;
    bool changed = false;
    err_t err = 0;

    if (child == NULL)
        return -ENOMEM;
    rwlock_write(&parent->lock);
    fork_fields(child, parent);
    for (struct tree_node *n = tree_first(&parent->regions); n != NULL && err == 0;
         n = tree_next(n)) {
        struct region *r = tree_entry(n, struct region, node);

        if (!(r->flags & VM_DONTFORK))
            err = fork_region(r, child, &last, &changed);
    }
    regions_rebuild(child);
    if (changed)
        mmu_flush_space(&parent->hal);
    rwlock_write_done(&parent->lock);
    if (err) {
        space_put(child);
        return err;
    }
    *out = child;
    return 0;
}
