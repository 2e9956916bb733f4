// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: user memory, through page tables in software and a software TLB.
 *
 * Model: an access looks in the CPU's TLB first and walks the tables on a miss; only mmu_flush_*
 * empties it.  A CPU keeps the translations of spaces that it has left, as hardware with ASIDs does,
 * so its bit in the space's `active` stays: who changes entries calls all CPUs of the set.  One that
 * is called and does not run the space forgets it wholly and leaves the set; so does an idle CPU
 * that still had it loaded.
 *
 *     who changes an entry                  who uses it (one instruction: no interrupt inside)
 *     entry = new                           miss: walk
 *     forget own, call `active`             fill the TLB, access
 *     all have answered: reuse the frame    interrupt: forget
 *
 * With one CPU a hit that the tables no longer grant means that somebody changed an entry without
 * flushing it: that ends the run with the address.  (With several an old translation may be used
 * until the flush reaches it, so there the scenarios of boot/explore_tlb.c tell.)
 */
#include <hal/upcall.h>
#include <hal/usercopy.h>
#include <lib/string.h>

#include "host.h"

#define FAULTS_MAX 64 /* of one access without progress */

/* --- the TLB --- */

static struct host_tlb_entry *tlb_slot(struct cpu *cpu, paddr_t root, vaddr_t page)
{
    uint64_t h = (page >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull ^ root * 0xff51afd7ed558ccdull;

    return &cpu->arch.tlb[h >> 56 & (HOST_TLB_ENTRIES - 1)];
}

struct flush {
    struct hal_space *s;
    vaddr_t start, end; /* [0, UINTPTR_MAX): all */
};

static void forget_space(struct cpu *cpu, paddr_t root)
{
    for (unsigned j = 0; j < HOST_TLB_ENTRIES; j++)
        if (cpu->arch.tlb[j].root == root)
            cpu->arch.tlb[j].root = 0;
}

static void forget_range(struct cpu *cpu, const struct flush *f)
{
    if (f->end - f->start > 64 * PAGE_SIZE) {
        forget_space(cpu, f->s->root);
        return;
    }
    for (vaddr_t va = f->start & PAGE_MASK; va < f->end; va += PAGE_SIZE) {
        struct host_tlb_entry *e = tlb_slot(cpu, f->s->root, va);

        if (e->root == f->s->root && e->page == va)
            e->root = 0;
    }
}

static bool cpu_idles(const struct cpu *cpu)
{
    return (const void *)cpu->current == (const void *)cpu->idle; /* the context comes first */
}

static void leave_space(struct cpu *cpu, struct hal_space *s)
{
    if (cpu->space == s)
        cpu->space = NULL;
    forget_space(cpu, s->root);
    atomic_fetch_and(&s->active[cpu->id / 64], ~BIT(cpu->id % 64));
}

static void flush_called(void *arg)
{
    const struct flush *f = arg;

    if (host_cpu->space == f->s && !cpu_idles(host_cpu))
        forget_range(host_cpu, f);
    else
        leave_space(host_cpu, f->s);
}

static void leave_called(void *arg)
{
    leave_space(host_cpu, arg);
}

void host_tlb_flush(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    struct flush f = { s, start, end };
    unsigned long flags;

    if (s == &kernel_space)
        return; /* the process' own mappings: they change at once */
    flags = hal_irq_save();
    atomic_fence();
    forget_range(host_cpu, &f);
    if (cpu_count > 1 && !(host_faults & HOST_FAULT_NO_SHOOT_DOWN))
        upcall_call_cpus(s->active, flush_called, &f);
    hal_irq_restore(flags);
}

/* Nobody keeps anything of `s`: its root table may be reused. */
void host_tlb_leave(struct hal_space *s)
{
    unsigned long flags = hal_irq_save();

    leave_space(host_cpu, s);
    if (cpu_count > 1)
        upcall_call_cpus(s->active, leave_called, s);
    hal_irq_restore(flags);
}

unsigned host_tlb_count(void)
{
    unsigned n = 0;

    for (unsigned j = 0; j < HOST_TLB_ENTRIES; j++)
        n += host_cpu->arch.tlb[j].root != 0;
    return n;
}

/* --- one access --- */

static bool prot_allows(unsigned prot, unsigned access)
{
    return (prot & MMU_USER) && (!(access & FAULT_READ) || (prot & MMU_READ)) &&
           (!(access & FAULT_WRITE) || (prot & MMU_WRITE)) &&
           (!(access & FAULT_EXEC) || (prot & MMU_EXEC));
}

static void *entry_pointer(pte_t e, unsigned level, vaddr_t va)
{
    return phys_to_virt(pte_addr(e) + (va & (MMU_LEVEL_SIZE(level) - 1)));
}

static void tlb_verify(struct hal_space *s, const struct host_tlb_entry *t, vaddr_t va,
                       unsigned access)
{
    unsigned level;
    pte_t e;

    if (cpu_count > 1)
        return;
    e = pte_load(mmu_walk(s, va, &level));
    if ((!pte_present(e) || !prot_allows(pte_prot(e), access) ||
         entry_pointer(e, level, va) != entry_pointer(t->pte, t->level, va)))
        os_fatal("stale translation of %#lx: entry was %#llx, is %#llx, and nobody flushed it", va,
                 (unsigned long long)t->pte, (unsigned long long)e);
}

/* Where `va` lies for this access, or NULL; *present tells why not. */
static void *translate(struct hal_space *s, vaddr_t va, unsigned access, bool *present)
{
    struct host_tlb_entry *t = tlb_slot(host_cpu, s->root, va & PAGE_MASK);
    unsigned level;
    pte_t e;

    if (t->root == s->root && t->page == (va & PAGE_MASK) && prot_allows(pte_prot(t->pte), access)) {
        tlb_verify(s, t, va, access);
        return entry_pointer(t->pte, t->level, va);
    }
    host_cpu->arch.in_access = true;
    e = pte_load(mmu_walk(s, va, &level));
    host_cpu->arch.in_access = false;
    *present = pte_present(e);
    if (!*present || !prot_allows(pte_prot(e), access))
        return NULL;
    *t = (struct host_tlb_entry){ .root = s->root, .page = va & PAGE_MASK, .pte = e, .level = level };
    return entry_pointer(e, level, va);
}

/* As the hardware: translate, fault, again.  NULL when the fault cannot be resolved. */
static void *user_pointer(struct hal_regs *r, vaddr_t va, unsigned access)
{
    for (unsigned i = 0; i < FAULTS_MAX; i++) {
        bool present = false;
        void *p = host_cpu->space != NULL ? translate(host_cpu->space, va, access, &present) : NULL;

        if (p != NULL) {
            host_explore_access(p);
            return p;
        }
        if (!upcall_fault(r, va, access | (present ? FAULT_PRESENT : 0)))
            return NULL;
        if ((access & FAULT_USER) && hal_current()->pending != 0)
            return NULL;
    }
    host_stuck("a fault is resolved again and again");
}

/* The kernel's registers at an access of its own. */
static struct hal_regs kernel_regs(void)
{
    return (struct hal_regs){ .ip = (uintptr_t)__builtin_return_address(0), .nr = -1,
                              .fp = (uintptr_t)__builtin_frame_address(0) };
}

enum copy { COPY_IN, COPY_OUT, COPY_ZERO };

/* Copies page by page; returns what is left. */
static size_t copy(struct hal_regs *r, enum copy kind, vaddr_t user, void *kernel, size_t n,
                   unsigned access)
{
    while (n > 0) {
        size_t part = MIN(n, PAGE_SIZE - user % PAGE_SIZE);
        void *p = user < USER_TOP ? user_pointer(r, user, access) : NULL;

        if (p == NULL)
            return n;
        if (kind == COPY_IN)
            memcpy(kernel, p, part);
        else if (kind == COPY_OUT)
            memcpy(p, kernel, part);
        else
            memset(p, 0, part);
        user += part;
        kernel = (char *)kernel + (kind == COPY_ZERO ? 0 : part);
        n -= part;
    }
    return 0;
}

/* The real ones check the whole range first. */
static bool range_ok(vaddr_t user, size_t n)
{
    return user <= USER_TOP && n <= USER_TOP - user;
}

size_t user_copy_in(void *dst, const void __user *src, size_t n)
{
    struct hal_regs r = kernel_regs();

    return range_ok(USER_ADDR(src), n) ? copy(&r, COPY_IN, USER_ADDR(src), dst, n, FAULT_READ) : n;
}

size_t user_copy_out(void __user *dst, const void *src, size_t n)
{
    struct hal_regs r = kernel_regs();

    return range_ok(USER_ADDR(dst), n)
               ? copy(&r, COPY_OUT, USER_ADDR(dst), (void *)src, n, FAULT_WRITE)
               : n;
}

size_t user_zero(void __user *dst, size_t n)
{
    static char none;
    struct hal_regs r = kernel_regs();

    return range_ok(USER_ADDR(dst), n) ? copy(&r, COPY_ZERO, USER_ADDR(dst), &none, n, FAULT_WRITE)
                                       : n;
}

ssize_t user_copy_string(char *dst, const char __user *src, size_t size)
{
    struct hal_regs r = kernel_regs();
    vaddr_t user = USER_ADDR(src);

    for (size_t done = 0; done < size; done++, user++) {
        const char *p = user < USER_TOP ? user_pointer(&r, user, FAULT_READ) : NULL;

        if (p == NULL)
            return -EFAULT;
        dst[done] = *p;
        if (*p == '\0')
            return (ssize_t)done;
    }
    return (ssize_t)size;
}

static void *word_pointer(struct hal_regs *r, vaddr_t user, size_t size, unsigned access)
{
    if (user % size != 0 || user >= USER_TOP)
        return NULL;
    return user_pointer(r, user, access);
}

err_t user_load_u32(const uint32_t __user *p, uint32_t *out)
{
    struct hal_regs r = kernel_regs();
    uint32_t *w = word_pointer(&r, USER_ADDR(p), sizeof(*w), FAULT_READ);

    if (w == NULL)
        return -EFAULT;
    *out = __atomic_load_n(w, __ATOMIC_SEQ_CST);
    return 0;
}

err_t user_store_u32(uint32_t __user *p, uint32_t v)
{
    struct hal_regs r = kernel_regs();
    uint32_t *w = word_pointer(&r, USER_ADDR(p), sizeof(*w), FAULT_WRITE);

    if (w == NULL)
        return -EFAULT;
    __atomic_store_n(w, v, __ATOMIC_SEQ_CST);
    return 0;
}

err_t user_load_u64(const uint64_t __user *p, uint64_t *out)
{
    struct hal_regs r = kernel_regs();
    uint64_t *w = word_pointer(&r, USER_ADDR(p), sizeof(*w), FAULT_READ);

    if (w == NULL)
        return -EFAULT;
    *out = __atomic_load_n(w, __ATOMIC_SEQ_CST);
    return 0;
}

err_t user_store_u64(uint64_t __user *p, uint64_t v)
{
    struct hal_regs r = kernel_regs();
    uint64_t *w = word_pointer(&r, USER_ADDR(p), sizeof(*w), FAULT_WRITE);

    if (w == NULL)
        return -EFAULT;
    __atomic_store_n(w, v, __ATOMIC_SEQ_CST);
    return 0;
}

err_t user_cas_u32(uint32_t __user *p, uint32_t expected, uint32_t v, uint32_t *old)
{
    struct hal_regs r = kernel_regs();
    uint32_t *w = word_pointer(&r, USER_ADDR(p), sizeof(*w), FAULT_READ | FAULT_WRITE);

    if (w == NULL)
        return -EFAULT;
    *old = expected;
    __atomic_compare_exchange_n(w, old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return 0;
}

/* --- programs of tests --- */

size_t host_user_read(void *dst, vaddr_t src, size_t n)
{
    struct hal_regs *r = hal_user_regs(hal_current());

    r->user = 1;
    return copy(r, COPY_IN, src, dst, n, FAULT_READ | FAULT_USER);
}

size_t host_user_write(vaddr_t dst, const void *src, size_t n)
{
    struct hal_regs *r = hal_user_regs(hal_current());

    r->user = 1;
    return copy(r, COPY_OUT, dst, (void *)src, n, FAULT_WRITE | FAULT_USER);
}
