// SPDX-License-Identifier: CC0-1.0
#include <proc/elf.h>

#include <fs/vfs.h>
#include <hal/abi.h>
#include <hal/usercopy.h>
#include <lib/checked.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <vm/space.h>

#include <linux/mman.h>

#define INTERP_MAX 4096

/* ---- decoding ------------------------------------------------------------------------------ */

err_t elf_check_header(const Elf64_Ehdr *h)
{
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
        h->e_ident[EI_DATA] != ELFDATA2LSB)
        return -ENOEXEC;
    if ((h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_machine != ABI_ELF_MACHINE)
        return -ENOEXEC;
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
        h->e_phnum * sizeof(Elf64_Phdr) > ELF_PHDR_BYTES_MAX)
        return -ENOEXEC;
    if (h->e_phoff > INT64_MAX - ELF_PHDR_BYTES_MAX)
        return -ENOEXEC;
    return 0;
}

static unsigned segment_prot(uint32_t flags)
{
    return (flags & PF_R ? VM_READ : 0) | (flags & PF_W ? VM_WRITE : 0) |
           (flags & PF_X ? VM_EXEC : 0);
}

static err_t check_load(const Elf64_Phdr *p, const struct elf_plan *plan)
{
    if (p->p_filesz > p->p_memsz)
        return -EINVAL;
    if (!range_fits(p->p_vaddr, p->p_memsz, USER_TOP))
        return -ENOMEM;
    if (p->p_offset > INT64_MAX || p->p_filesz > (uint64_t)INT64_MAX - p->p_offset)
        return -EINVAL;
    if (p->p_filesz != 0 && (p->p_vaddr - p->p_offset) % PAGE_SIZE != 0)
        return -EINVAL;
    if (plan->count == ELF_SEGMENTS_MAX)
        return -ENOEXEC;
    return 0;
}

static err_t decode_load(const Elf64_Phdr *p, const Elf64_Ehdr *h, struct elf_plan *plan)
{
    struct elf_segment *s = &plan->segments[plan->count];
    err_t err = check_load(p, plan);

    if (err || p->p_memsz == 0)
        return err;
    /* The specification wants them in ascending order; so an overlap shows at its neighbour. */
    if (plan->count && p->p_vaddr < s[-1].start + s[-1].bytes)
        return -EINVAL;
    *s = (struct elf_segment){ .start = p->p_vaddr, .file_bytes = p->p_filesz,
                               .bytes = p->p_memsz, .offset = p->p_offset,
                               .prot = segment_prot(p->p_flags) };
    if (plan->count++ == 0)
        plan->low = ALIGN_DOWN(p->p_vaddr, PAGE_SIZE);
    plan->high = ALIGN_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE);
    if (IS_POW2(p->p_align) && p->p_align <= GiB)
        plan->align = MAX(plan->align, p->p_align);
    if (h->e_phoff >= p->p_offset && h->e_phoff - p->p_offset < p->p_filesz)
        plan->phdr = p->p_vaddr + (h->e_phoff - p->p_offset);
    return 0;
}

static err_t decode_interp(const Elf64_Phdr *p, struct elf_plan *plan)
{
    if (plan->interp_bytes)
        return 0; /* the first one counts */
    if (p->p_filesz < 2 || p->p_filesz > INTERP_MAX || p->p_offset > INT64_MAX - INTERP_MAX)
        return -ENOEXEC;
    plan->interp_offset = p->p_offset;
    plan->interp_bytes = p->p_filesz;
    return 0;
}

err_t elf_decode(const Elf64_Ehdr *h, const Elf64_Phdr *ph, struct elf_plan *plan)
{
    err_t err = 0;

    memset(plan, 0, offsetof(struct elf_plan, segments));
    plan->position_independent = h->e_type == ET_DYN;
    plan->entry = h->e_entry;
    plan->phnum = h->e_phnum;
    plan->align = PAGE_SIZE;
    for (unsigned i = 0; i < h->e_phnum && !err; i++) {
        if (ph[i].p_type == PT_LOAD)
            err = decode_load(&ph[i], h, plan);
        else if (ph[i].p_type == PT_INTERP)
            err = decode_interp(&ph[i], plan);
        else if (ph[i].p_type == PT_GNU_STACK)
            plan->exec_stack = ph[i].p_flags & PF_X;
    }
    if (err)
        return err;
    if (plan->count == 0)
        return -ENOEXEC;
    if (!plan->position_independent && plan->low == 0)
        return -EPERM; /* page 0 is never mapped */
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

static err_t read_exactly(struct file *f, void *buf, size_t n, uint64_t offset)
{
    ssize_t got = file_read_at(f, buf, n, offset);

    if (got < 0)
        return (err_t)got;
    return (size_t)got == n ? 0 : -ENOEXEC;
}

err_t elf_read(struct file *f, const void *head, size_t n, struct elf_plan *plan)
{
    const Elf64_Ehdr *h = head;
    size_t bytes;
    void *ph;
    err_t err;

    if (n < sizeof *h)
        return -ENOEXEC;
    err = elf_check_header(h);
    if (err)
        return err;
    bytes = h->e_phnum * sizeof(Elf64_Phdr);
    if (h->e_phoff % alignof(Elf64_Phdr) == 0 && range_fits(h->e_phoff, bytes, n))
        return elf_decode(h, (const void *)((const char *)head + h->e_phoff), plan);
    ph = kmalloc(bytes);
    if (!ph)
        return -ENOMEM;
    err = read_exactly(f, ph, bytes, h->e_phoff);
    if (!err)
        err = elf_decode(h, ph, plan);
    kfree(ph);
    return err;
}

/* ---- mapping ------------------------------------------------------------------------------- */

#define VM_MAY_ALL (VM_MAY_READ | VM_MAY_WRITE | VM_MAY_EXEC)

static err_t map_file_part(struct space *s, struct file *f, const struct elf_segment *seg,
                           vaddr_t start, vaddr_t end)
{
    struct map_request r = {
        .addr = start,
        .length = end - start,
        .vm_flags = seg->prot | VM_MAY_ALL,
        .map_flags = MAP_PRIVATE | MAP_FIXED,
        .offset = ALIGN_DOWN(seg->offset, PAGE_SIZE),
        .file = f,
    };
    vaddr_t at;
    err_t err;

    if (!f->ops->mmap)
        return -ENODEV;
    err = f->ops->mmap(f, r.offset, r.length, &r.object);
    return err ? err : space_map(s, &r, &at);
}

static err_t map_zero_part(struct space *s, const struct elf_segment *seg, vaddr_t start,
                           vaddr_t end)
{
    struct map_request r = {
        .addr = start,
        .length = end - start,
        .vm_flags = seg->prot | VM_MAY_ALL,
        .map_flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS,
    };
    vaddr_t at;

    return space_map(s, &r, &at);
}

err_t elf_map(struct space *s, struct file *f, const struct elf_plan *plan, vaddr_t bias)
{
    err_t err = 0;

    for (unsigned i = 0; i < plan->count && !err; i++) {
        const struct elf_segment *seg = &plan->segments[i];
        vaddr_t start = bias + seg->start;
        vaddr_t file_end = ALIGN_UP(start + seg->file_bytes, PAGE_SIZE);
        vaddr_t end = ALIGN_UP(start + seg->bytes, PAGE_SIZE);

        start = ALIGN_DOWN(start, PAGE_SIZE);
        if (seg->file_bytes == 0)
            file_end = start;
        if (file_end > start)
            err = map_file_part(s, f, seg, start, file_end);
        if (!err && end > file_end)
            err = map_zero_part(s, seg, file_end, end);
    }
    return err;
}

err_t elf_clear_bss(const struct elf_plan *plan, vaddr_t bias)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct elf_segment *seg = &plan->segments[i];
        vaddr_t from = bias + seg->start + seg->file_bytes;
        vaddr_t end = bias + seg->start + seg->bytes;
        vaddr_t page_end = ALIGN_UP(from, PAGE_SIZE);

        /* The next segment may begin in the same page. */
        if (i + 1 < plan->count)
            page_end = MIN(page_end, bias + seg[1].start);
        if (seg->file_bytes == 0 || from >= page_end || from == end || !(seg->prot & VM_WRITE))
            continue;
        if (user_zero(USER_PTR(void, from), page_end - from))
            return -EFAULT;
    }
    return 0;
}
