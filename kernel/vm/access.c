// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a space's memory seen from elsewhere: debuggers, procfs, process_vm_*, futexes.
 *
 * Model: make the page present by the ordinary fault path, take a reference to its frame under
 * pt_lock, copy through the direct map.
 * Locking: s->lock for reading around both; the reference outlives it.
 */
#include <hal/upcall.h>
#include <vm/internal.h>

#define PIN_TRIES 8 /* another thread may keep taking the page away */

/* The vDSO's frames belong to the kernel image and are not counted: give a copy. */
static paddr_t special_copy(paddr_t pa)
{
    paddr_t copy = frame_alloc(FRAME_USER);

    if (copy != PADDR_NONE)
        page_copy(phys_to_virt(copy), phys_to_virt(pa));
    return copy;
}

static bool entry_allows(const struct region *r, pte_t e, bool write, bool force)
{
    paddr_t pa = pte_addr(e);

    if (!write || pte_writable(e))
        return true;
    return force && region_private(r) && !pte_special(e) &&
           !(frame_of(pa)->flags & FRAME_IS_CACHE) && frame_refs(pa) == 1;
}

/* The frame below addr when the entry allows the access (`force`: as fault_locked means it). */
static paddr_t frame_take(struct space *s, struct region *r, vaddr_t addr, bool write, bool force)
{
    paddr_t pa = PADDR_NONE;
    unsigned level;
    pte_t *pte, e;

    spin_lock(&s->pt_lock);
    pte = mmu_walk(&s->hal, addr, &level);
    e = level == 0 ? pte_load(pte) : 0;
    if (e != 0 && entry_allows(r, e, write, force)) {
        pa = pte_addr(e);
        if (pte_special(e) && pa != vm_zero_frame)
            pa = special_copy(pa);
        else
            frame_get(pa);
    }
    spin_unlock(&s->pt_lock);
    return pa;
}

static err_t pin_locked(struct space *s, vaddr_t addr, bool write, bool force, paddr_t *out)
{
    struct region *r = space_find(s, addr);
    unsigned access = write ? FAULT_WRITE : FAULT_READ;

    if (r == NULL || addr < r->start)
        return -EFAULT;
    for (unsigned i = 0; i < PIN_TRIES; i++) {
        if (fault_locked(s, r, addr, access, force) != FAULT_RESOLVED)
            return -EFAULT;
        *out = frame_take(s, r, addr, write, force);
        if (*out != PADDR_NONE)
            return 0;
    }
    return -EFAULT;
}

static err_t pin(struct space *s, vaddr_t addr, bool write, bool force, paddr_t *out)
{
    err_t err;

    if (addr >= USER_TOP)
        return -EFAULT;
    rwlock_read(&s->lock);
    err = pin_locked(s, addr, write, force, out);
    rwlock_read_done(&s->lock);
    return err;
}

err_t space_pin(struct space *s, vaddr_t addr, bool write, paddr_t *out)
{
    return pin(s, addr, write, false, out);
}

static size_t access_copy(struct space *s, vaddr_t addr, void *buf, size_t n, bool write,
                          bool force)
{
    size_t done = 0;

    while (done < n) {
        size_t skip = addr % PAGE_SIZE, part = MIN(n - done, PAGE_SIZE - skip);
        paddr_t pa;
        uint8_t *page;

        if (pin(s, addr, write, force, &pa) != 0)
            break;
        page = phys_to_virt(pa);
        if (write) {
            memcpy(page + skip, (uint8_t *)buf + done, part);
            mmu_sync_icache(page + skip, part); /* it may be a breakpoint */
        } else {
            memcpy((uint8_t *)buf + done, page + skip, part);
        }
        frame_put(pa);
        done += part;
        addr += part;
    }
    return done;
}

size_t space_access(struct space *s, vaddr_t addr, void *buf, size_t n, bool write)
{
    return access_copy(s, addr, buf, n, write, true);
}

size_t space_access_checked(struct space *s, vaddr_t addr, void *buf, size_t n, bool write)
{
    return access_copy(s, addr, buf, n, write, false);
}

err_t space_futex_key(struct space *s, vaddr_t addr, bool shared, struct futex_key *key)
{
    struct region *r;
    err_t err = 0;

    key->a = (uintptr_t)s;
    key->b = addr;
    if (addr >= USER_TOP)
        return -EFAULT;
    if (!shared)
        return 0;
    rwlock_read(&s->lock);
    r = space_find(s, addr);
    if (r == NULL || addr < r->start || !(r->flags & VM_RIGHTS)) {
        err = -EFAULT;
    } else if (!region_private(r)) {
        key->a = object_identity(r->object); /* below all addresses of spaces */
        key->b = r->offset + (addr - r->start);
        if (key->b >= ALIGN_UP(atomic_load_relaxed(&r->object->size), PAGE_SIZE))
            err = -EFAULT; /* the file has become shorter */
    }
    rwlock_read_done(&s->lock);
    return err;
}
